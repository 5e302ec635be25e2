"""Mutants of the pieces of a run: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    (
        "an activation overwrites what is not fresh",
        "if is_fresh and self.function",
        "if self.function",
    ),
]
