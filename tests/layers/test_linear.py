"""The fully connected layer: its table of settings, and what is its own."""

from tests.case import Case

CASES = [
    Case("Linear", {"in_features": 3, "out_features": 4}, ((5, 3),)),
    Case("Linear", {"in_features": 3, "out_features": 4, "bias": False}, ((5, 3),)),
    Case("Linear", {"in_features": 3, "out_features": 4}, ((3,),)),
    Case("Linear", {"in_features": 3, "out_features": 1}, ((2, 3, 3),)),
    Case("Linear", {"in_features": 2, "out_features": 3}, ((2, 2, 2, 2),)),
    Case("Linear", {"in_features": 3, "out_features": 2}, ((0, 3),)),
    Case("Linear", {"in_features": 3, "out_features": 0}, ((2, 3),)),
]
