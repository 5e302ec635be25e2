"""Mutants of softmax and log-softmax: what breaks, the old text, the new text."""

KEYWORD = "softmax"
MUTANTS = [
    (
        "softmax: p is missing in the sum",
        "(grad_output * probabilities).sum(dim, keepdim=True)",
        "grad_output.sum(dim, keepdim=True)",
    ),
    (
        "softmax: mean for the sum",
        "(grad_output * probabilities).sum(dim, keepdim=True)",
        "(grad_output * probabilities).mean(dim, keepdim=True)",
    ),
    ("softmax: sign of the sum", "(grad_output - total)", "(grad_output + total)"),
    (
        "log-softmax: y for p = exp(y)",
        "p, total = output.exp(),",
        "p, total = output.clone(),",
    ),
    (
        "log-softmax: the sum is missing",
        "output.exp(), grad_output.sum(dim, keepdim=True)",
        "output.exp(), grad_output",
    ),
    (
        "log-softmax in place: delta is forgotten",
        "p.mul_(-total).add_(grad_output)",
        "p.mul_(-total)",
    ),
    (
        "log-softmax watched: delta is forgotten",
        "else grad_output - p * total",
        "else -p * total",
    ),
    (
        "log-softmax: the transposed Jacobian for the tangent",
        "(output.exp() * d_input).sum(dim, keepdim=True)",
        "output.exp() * d_input.sum(dim, keepdim=True)",
    ),
    (
        "the axis by default",
        "dim = 0 if input.dim() in (0, 1, 3)",
        "dim = 0 if input.dim() in (0, 1)",
    ),
]
