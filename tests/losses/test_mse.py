"""Squared error: its table of settings, and what is its own."""

from tests.case import Case

CASES = [
    Case("MSELoss", {"reduction": reduction}, (shape, shape))
    for reduction, shape in (
        ("mean", (4, 3)),
        ("sum", (4, 3)),
        ("none", (2, 3, 2)),
        ("sum", ()),
        ("sum", (0, 3)),
    )
]
