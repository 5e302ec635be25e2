"""Mutants of where a kernel meets the input: what breaks, the old text, the new text."""

KEYWORD = "conv"
MUTANTS = [
    (
        "padding on one side only in the size of dL/dX",
        "size + 2 * p - d * (k - 1) - 1 for",
        "size + p - d * (k - 1) - 1 for",
    ),
    (
        "dilation forgotten in the size of dL/dX",
        "size + 2 * p - d * (k - 1) - 1 for",
        "size + 2 * p - (k - 1) - 1 for",
    ),
    ("the last step is not counted", "steps // s + 1", "steps // s"),
]
