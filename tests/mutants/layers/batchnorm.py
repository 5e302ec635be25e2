"""Mutants of batch normalisation: what breaks, the old text, the new text."""

KEYWORD = "norm"
MUTANTS = [
    ("eps forgotten in istd", "return (var + eps).rsqrt()", "return var.rsqrt()"),
    (
        "exponent of istd: -1 for -1/2",
        "return (var + eps).rsqrt()",
        "return (var + eps).reciprocal()",
    ),
    (
        "mean for the sum in dL/dbeta",
        "return grad_output.sum(_sample_axes(grad_output))",
        "return grad_output.mean(_sample_axes(grad_output))",
    ),
    (
        "dL/dgamma divided by R (Eq. 66 as printed)",
        "(grad_output * centred).sum(_sample_axes(grad_output)) * istd",
        "(grad_output * centred).sum(_sample_axes(grad_output)) * istd / len(grad_output)",
    ),
    (
        "dL/dgamma without istd",
        "(grad_output * centred).sum(_sample_axes(grad_output)) * istd",
        "(grad_output * centred).sum(_sample_axes(grad_output))",
    ),
    (
        "n counts the samples only",
        "n = grad_output.numel() // grad_output.shape[1]",
        "n = grad_output.shape[0]",
    ),
    (
        "exponent left in the bracket (Eq. 65 as printed)",
        "a * istd * grad_weight",
        "a * istd * istd * grad_weight",
    ),
    ("sign of the part along xhat", "2 * grad_var - a * istd", "2 * grad_var + a * istd"),
    ("sign of the mean of delta", "grad_mean - a * grad_bias", "grad_mean + a * grad_bias"),
    (
        "second order: the cotangent of mu is dropped",
        "(grad_mean - a * grad_bias)",
        "-a * grad_bias",
    ),
    ("second order: the cotangent of var is dropped", "(2 * grad_var - a", "(-a"),
    ("second order: factor of the cotangent of var", "(2 * grad_var - a", "(grad_var - a"),
    (
        "alpha and 1 - alpha change places (Eq. 56-57)",
        "(1 - momentum) * running + momentum * batch",
        "momentum * running + (1 - momentum) * batch",
    ),
    ("the running variance is biased", "var * (n / (n - 1))", "var"),
    (
        "gamma forgotten",
        "return istd if weight is None else istd * weight",
        "return istd",
    ),
    (
        "the tangent of gamma is dropped",
        """\
        if d_weight is not None:
            d_output = d_output + centred * _per_channel(istd * d_weight, input)
        if d_bias is not None:
            d_output = d_output + _per_channel(d_bias, input)
        n =""",
        """\
        if d_bias is not None:
            d_output = d_output + _per_channel(d_bias, input)
        n =""",
    ),
    ("the tangent of mu is a sum", ", total / n,", ", total,"),
    (
        "factor of the tangent of var",
        "2 * along_xhat / (istd * n)",
        "along_xhat / (istd * n)",
    ),
    (
        "evaluation: gamma forgotten in dL/dX",
        "grad_output * _per_channel(_times(istd, weight), grad_output)",
        "grad_output * _per_channel(istd, grad_output)",
    ),
    (
        "evaluation: the tangent of the input is dropped",
        "d_output = d_input * _per_channel(_times(istd, weight), input)",
        "d_output = torch.zeros_like(input)",
    ),
    ("eps may be 0 in training", "(training and eps == 0)", "(training and eps < 0)"),
    (
        "a channel may have one value in training",
        "if training and input.numel() == input.shape[1] > 0",
        "if training and False",
    ),
    (
        "the average of all batches counts one too many",
        "1 / (seen + 1)",
        "1 / (seen + 2)",
    ),
    (
        "the batch is not counted",
        "seen.add_(1)",
        "seen.add_(0)",
    ),
    (
        "evaluation ignores the running statistics",
        "uses_running = tracks or not self.training",
        "uses_running = tracks",
    ),
]
