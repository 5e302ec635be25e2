"""Mutants of batch norm in evaluation: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    ("gamma forgotten", "a = times(istd, gamma)", "a = istd"),
    ("beta forgotten", "shift if beta is None else shift + beta", "shift"),
    ("bias forgotten", "-mean * a if bias is None else (bias - mean) * a", "-mean * a"),
    ("training mode is taken for evaluation", "and not following.takes_statistics()", ""),
    ("the batch norm comes again", "            place += 1\n        x, _", "        x, _"),
]
