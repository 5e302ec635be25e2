"""Squared error: its table of settings, and what is its own."""

import warnings

import pytest
import torch

import manualnn
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


def test_shapes_are_broadcast_with_a_warning():
    results = []
    for namespace in (manualnn, torch.nn):
        torch.manual_seed(0)
        x, y = (torch.randn(shape, requires_grad=True) for shape in ((4, 1), (3,)))
        with pytest.warns(UserWarning, match=r"4, 1"):
            loss = namespace.functional.mse_loss(x, y)
        results.append([loss, *torch.autograd.grad(loss, (x, y))])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
def test_deprecated_arguments_stand_for_a_reduction(size_average, reduce):
    x, y = torch.randn(2, 4, 3)
    outputs = []
    for namespace in (manualnn, torch.nn):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outputs.append(namespace.functional.mse_loss(x, y, size_average, reduce, "sum"))
        deprecated = [w for w in caught if w.category is UserWarning and "reduce" in str(w.message)]
        assert len(deprecated) == (size_average is not None or reduce is not None)
    torch.testing.assert_close(*outputs)


def test_dtypes_are_promoted_as_in_torch():
    for dtype in (torch.float64, torch.float16, torch.bool, torch.int64):
        results = []
        for namespace in (manualnn, torch.nn):
            x, y = torch.linspace(0, 2, 3, requires_grad=True), torch.ones(3).to(dtype)
            loss = namespace.MSELoss()(x, y)
            results.append([loss, *torch.autograd.grad(loss, x)])
        torch.testing.assert_close(*results)
