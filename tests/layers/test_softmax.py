"""Softmax and log-softmax: their table of settings, and what is their own."""

from tests.case import Case

CASES = [
    Case(name, {"dim": dim}, (shape,))
    for name in ("Softmax", "LogSoftmax")
    for dim, shape in ((1, (4, 3)), (0, (3,)), (-2, (2, 3, 2)), (1, (0, 3)))
]
