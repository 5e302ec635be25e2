"""Mutants of batch norm folded into a convolution: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    ("gamma forgotten in a", "istd if gamma is None else istd * gamma", "istd"),
    ("beta forgotten", "-a * mean if beta is None else beta - a * mean", "-a * mean"),
    ("mu without a", "else beta - a * mean", "else beta - mean"),
    ("bias forgotten", "shift if bias is None else bias + shift", "shift"),
    ("Ghat: mu D forgotten", "(grad_weight - mean * total) * istd", "grad_weight * istd"),
    ("Ghat without istd", "(grad_weight - mean * total) * istd", "grad_weight - mean * total"),
    ("dL/dgamma by G and not W", "(weight * for_xhat).sum", "for_xhat.sum"),
    ("dL/dbeta without W", "(weight * total).sum(taps, True)", "total.sum(taps, True)"),
    ("dL/dW: beta D forgotten", "scaled if beta is None else scaled + beta * total", "scaled"),
    ("dL/dW: gamma forgotten", "scaled = times(for_xhat, gamma)", "scaled = for_xhat"),
    ("dL/dX: gamma forgotten", "weight * times(istd, gamma)", "weight * istd"),
    (
        "dL/dX: along xhat forgotten",
        "add_affine(dx, x, b, c - b * mean)",
        "add_affine(dx, x, 0 * b, c)",
    ),
    ("dL/dX: not centred", "add_affine(dx, x, b, c - b * mean)", "add_affine(dx, x, b, c)"),
    ("dL/dX: the mean forgotten", "-istd * times(grad_beta, gamma) / n", "0 * grad_beta"),
    (
        "a given norm is taken for the batch's",
        "needs_input and self.norm.is_batch",
        "needs_input",
    ),
    ("watched: b X forgotten", "return values + input * b + c", "return values + c"),
    ("far from 0 it is folded all the same", ".max() > FAR", ".max() > 1e30"),
    (
        "apart: beta forgotten",
        "norm_forward(passed.x - mean, istd, gamma, beta)",
        "norm_forward(passed.x - mean, istd, gamma, None)",
    ),
]
