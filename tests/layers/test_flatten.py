"""Flattening: its table of settings."""

from tests.case import Case

CASES = [
    Case("Flatten", {}, ((2, 3, 2, 2),)),
    Case("Flatten", {"start_dim": 0}, ((2, 3),)),
    Case("Flatten", {"start_dim": 1, "end_dim": -2}, ((2, 3, 2, 2),)),
    Case("Flatten", {}, ((0, 3, 2),)),
]
