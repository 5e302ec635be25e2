"""Flattening: its table of settings."""

import torch

import manualnn
from tests.case import Case

CASES = [
    Case("Flatten", {}, ((2, 3, 2, 2),)),
    Case("Flatten", {"start_dim": 0}, ((2, 3),)),
    Case("Flatten", {"start_dim": 1, "end_dim": -2}, ((2, 3, 2, 2),)),
    Case("Flatten", {}, ((0, 3, 2),)),
]


def test_it_is_a_view_where_the_strides_allow_it():
    x = torch.randn(2, 3, 4)
    assert manualnn.Flatten()(x).data_ptr() == x.data_ptr()
    assert manualnn.Flatten()(x.transpose(1, 2)).data_ptr() != x.data_ptr()
