"""Mutants of padding: what breaks, the old text, the new text."""

KEYWORD = "padding_mode or same or of_padding"
MUTANTS = [
    (
        "the margin is cut off the wrong sides",
        "[-amount for amount in padding.amounts]",
        "[-amount for amount in reversed(padding.amounts)]",
    ),
    (
        "copies overwrite each other instead of being summed",
        ".index_add(",
        ".index_copy(",
    ),
    (
        "before and after change places",
        "Padding((before, after), padding.mode)",
        "Padding((after, before), padding.mode)",
    ),
]
