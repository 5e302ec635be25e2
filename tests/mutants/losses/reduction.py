"""Mutants of the reduction of losses: what breaks, the old text, the new text."""

KEYWORD = "mse or squared_error or entropy"
MUTANTS = [
    (
        "1/N forgotten in dL/dl",
        'return grad_output if reduction in ("none", "sum") else grad_output / count',
        "return grad_output",
    ),
    (
        "1/N in dL/dl of the sum as well",
        'return grad_output if reduction in ("none", "sum") else grad_output / count',
        'return grad_output if reduction == "none" else grad_output / count',
    ),
    ("mean for sum / count", "losses.sum() / count", "losses.mean()"),
    (
        "the deprecated arguments mean the opposite",
        '"mean" if averages else "sum"',
        '"sum" if averages else "mean"',
    ),
]
