"""Softmax and log-softmax: their table of settings, and what is their own."""

import pytest
import torch

import manualnn
from tests.case import Case

CASES = [
    Case(name, {"dim": dim}, (shape,))
    for name in ("Softmax", "LogSoftmax")
    for dim, shape in ((1, (4, 3)), (0, (3,)), (-2, (2, 3, 2)), (1, (0, 3)))
]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 2), (2, 3, 2, 2)], ids=str)
@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_without_an_axis_it_chooses_as_torch_does_and_warns(name, shape):
    outputs = []
    for namespace in (manualnn, torch.nn):
        torch.manual_seed(0)
        with pytest.warns(UserWarning, match="deprecated"):
            outputs.append(getattr(namespace, name)()(torch.randn(shape)))
    torch.testing.assert_close(*outputs)


def test_the_warning_points_at_the_call():
    with pytest.warns(UserWarning, match="chose dim=1") as caught:
        manualnn.functional.softmax(torch.randn(2, 3))
    assert caught[0].filename == __file__
