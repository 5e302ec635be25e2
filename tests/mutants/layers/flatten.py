"""Mutants of flattening: what breaks, the old text, the new text."""

KEYWORD = "flatten"
MUTANTS = [
    ("end_dim forgotten", "input.flatten(start_dim, end_dim)", "input.flatten(start_dim)"),
    (
        "the elements change their order",
        "input.flatten(start_dim, end_dim)",
        "input.transpose(-1, -2).flatten(start_dim, end_dim)",
    ),
]
