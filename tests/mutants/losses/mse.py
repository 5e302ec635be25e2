"""Mutants of the squared error: what breaks, the old text, the new text."""

KEYWORD = "mse or squared_error"
MUTANTS = [
    (
        "no factor 2 (Eq. 30)",
        "2 * delta * (input - target)",
        "delta * (input - target)",
    ),
    (
        "a norm for a vector (Eq. 30 as printed)",
        "2 * delta * (input - target)",
        "2 * delta * (input - target).norm().expand_as(input)",
    ),
    ("dL/dy is not the opposite", "opposite(mse_grad_input)", "mse_grad_input"),
    ("the error is not squared", "return difference * difference", "return difference.abs()"),
    (
        "the weighted mean divides by the number of elements",
        '"weighted mean" if reduction == "mean" else reduction',
        "reduction",
    ),
]
