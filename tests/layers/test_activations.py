"""Activations: their table of settings, and what is their own."""

from tests.case import Case

CASES = [
    Case("Sigmoid", {}, ((4, 3),)),
    Case("Tanh", {}, ((4, 3),)),
    Case("ReLU", {}, ((4, 3),)),
    Case("ReLU", {"inplace": True}, ((4, 3),)),
    Case("ReLU", {}, ((2, 2, 2, 2),)),
    Case("Sigmoid", {}, ((),)),
    Case("Tanh", {}, ((0, 3),)),
]
