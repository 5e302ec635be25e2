"""Mutants of the in-place forms: what breaks, the old text, the new text."""

KEYWORD = "in_place or leaf"
MUTANTS = [
    ("a leaf is overwritten", "if is_traced():\n        return", "return"),
    ("a view of a leaf is overwritten", "input if input._base is None else input._base", "input"),
    (
        "a leaf is refused without gradients",
        " and is_recorded(owner):",
        " and owner.requires_grad:",
    ),
    ("the compiler asks whose view its input is", "if is_traced():", "if False:"),
]
