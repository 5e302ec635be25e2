"""Activations: their table of settings, and what is their own."""

import torch

import manualnn
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


def test_in_place_relu_overwrites_its_input_under_vmap():
    def overwritten(x):
        x = x.clone()
        manualnn.functional.relu(x, inplace=True)
        return x

    x = torch.randn(4, 3)
    assert torch.equal(torch.vmap(overwritten)(x), x.relu())
