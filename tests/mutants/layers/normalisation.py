"""Mutants of the one formula of normalisation: what breaks, the old text, the new text."""

KEYWORD = "norm or Norm"
MUTANTS = [
    (
        "in one pass: the variance is the unbiased one",
        "(unbiased * ((n - 1) / n)).view(shape)",
        "unbiased.view(shape)",
    ),
    ("in one pass: eps forgotten", "True, 1.0, eps)[0]", "True, 1.0, 0.0)[0]"),
    ("statistics apart: eps forgotten", "False, 0.0, eps)", "False, 0.0, 0.0)"),
    (
        "statistics apart: the variance is the unbiased one",
        "square_(), samples) / n",
        "square_(), samples) / (n - 1)",
    ),
    ("in parts: the variance is the unbiased one", "squares / n", "squares / (n - 1)"),
    ("in parts: the last part counts alone", "total += one", "total = one"),
    ("in parts: no square", "torch.sub(x, mean, out=out).square_()", "torch.sub(x, mean, out=out)"),
    ("in parts: one factor is forgotten", "torch.mul(x, y, out=out)", "torch.mul(x, x, out=out)"),
    (
        "statistics apart: those of a small plane",
        "input[0, 0].numel() >= LARGE_PLANE",
        "input[:, 0].numel() >= LARGE_PLANE",
    ),
    ("layer norm: eps is counted twice", "istd.pow(-2) - eps", "istd.pow(-2)"),
    ("layer norm: istd for var", "istd.pow(-2) - eps", "istd - eps"),
    ("the sums over the samples are forgotten", "axis <= 1)", "axis < 0)"),
    ("in one pass: the statistics are half of the batch's", "True, 1.0, eps)", "True, 0.5, eps)"),
    ("eps forgotten in istd", "return (var + eps).rsqrt()", "return var.rsqrt()"),
    (
        "exponent of istd: -1 for -1/2",
        "return (var + eps).rsqrt()",
        "return (var + eps).reciprocal()",
    ),
    (
        "mean for the sum of delta",
        "return sum_over(grad_output, axes)",
        "return mean_over(grad_output, axes) if axes else grad_output",
    ),
    (
        "dL/dgamma divided by R (Eq. 66 as printed)",
        "return sum_of_products(grad_output, centred, axes) * istd",
        "return sum_of_products(grad_output, centred, axes) * istd / len(grad_output)",
    ),
    (
        "dL/dgamma without istd",
        "return sum_of_products(grad_output, centred, axes) * istd",
        "return sum_of_products(grad_output, centred, axes)",
    ),
    (
        "n counts the samples only",
        "return math.prod([input.shape[axis] for axis in axes.statistics])",
        "return input.shape[0]",
    ),
    (
        "exponent left in the bracket (Eq. 65 as printed)",
        "istd * istd * along",
        "istd * istd * istd * along",
    ),
    ("sign of the part along xhat", "2 * grad_var - istd", "2 * grad_var + istd"),
    ("sign of the mean of delta", "grad_mean - istd * total", "grad_mean + istd * total"),
    (
        "second order: the cotangent of mu is dropped",
        "(grad_mean - istd * total)",
        "-istd * total",
    ),
    ("second order: the cotangent of var is dropped", "(2 * grad_var - istd", "(-istd"),
    ("second order: factor of the cotangent of var", "(2 * grad_var - istd", "(grad_var - istd"),
    (
        "gamma forgotten",
        "return values if weight is None else values * weight",
        "return values",
    ),
    (
        "gamma forgotten in the sums for dL/dX",
        "(sum_over(times(s, weight), axes.both()) for s in (s0, s1))",
        "(sum_over(s, axes.both()) for s in (s0, s1))",
    ),
    (
        "gamma's axes are left out of the sums for dL/dX",
        "(sum_over(times(s, weight), axes.both()) for s in (s0, s1))",
        "(times(s, weight) for s in (s0, s1))",
    ),
    (
        "dL/dgamma of the first sample alone",
        "return grad_input, sum_over(s1, neither)",
        "return grad_input, s1[:1]",
    ),
    (
        "dL/dbeta takes the sum for dL/dgamma",
        "return grad_input, sum_over(s1, neither), sum_over(s0, neither)",
        "return grad_input, sum_over(s1, neither), sum_over(s1, neither)",
    ),
    (
        "the tangent of gamma is dropped",
        "d_output = d_output + centred * istd * d_weight",
        "pass",
    ),
    (
        "the tangent of the input without gamma",
        "d_output = times(d_output, weight)",
        "pass",
    ),
    ("the tangent of mu is a sum", ", total / n,", ", total,"),
    (
        "factor of the tangent of var",
        "2 * along / (istd * n)",
        "along / (istd * n)",
    ),
]
