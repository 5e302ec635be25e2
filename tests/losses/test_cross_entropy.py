"""Cross-entropy: its table of settings, and what is its own."""

import itertools

import pytest
import torch

import manualnn
from tests.case import Case


def _indices(shape=(5,), ignored=None):
    def make():
        target = torch.arange(shape.numel() if shape else 1).remainder(3).reshape(shape)
        return target if ignored is None else torch.where(target == 0, ignored, target)

    shape = torch.Size(shape)
    return make


def _probabilities(shape):
    return lambda: torch.rand(shape, dtype=torch.float64).softmax(1).requires_grad_()


_WEIGHT = torch.tensor([0.3, 1.2, 2.0])
CASES = [
    Case(
        "CrossEntropyLoss",
        {"reduction": reduction, "label_smoothing": smoothing, "weight": weight},
        inputs,
    )
    for reduction, smoothing, weight, inputs in itertools.product(
        ("mean", "sum", "none"),
        (0.0, 0.2),
        (None, _WEIGHT),
        (((5, 3), _indices(ignored=-100)), ((4, 3, 2), _probabilities((4, 3, 2)))),
    )
] + [
    Case("CrossEntropyLoss", {"ignore_index": 1}, ((2, 3, 2, 2), _indices((2, 2, 2)))),
    Case("CrossEntropyLoss", {}, ((3,), _indices(()))),
    Case("CrossEntropyLoss", {}, ((3,), (3,))),
    Case("CrossEntropyLoss", {"ignore_index": 0, "reduction": "sum"}, ((1, 3), _indices((1,)))),
    Case("CrossEntropyLoss", {"reduction": "sum"}, ((0, 3), _indices((0,)))),
]


def test_when_all_are_ignored_the_mean_is_nan_and_its_gradient_zero():
    for namespace in (manualnn, torch.nn):
        x = torch.randn(2, 3, requires_grad=True)
        loss = namespace.CrossEntropyLoss()(x, torch.tensor([-100, -100]))
        loss.backward()
        assert loss.isnan()
        assert not x.grad.any()


def test_a_byte_is_a_class_index_like_any_other():
    """-100, which is ignored, is 156 as a byte."""
    results = []
    for namespace in (manualnn, torch.nn):
        torch.manual_seed(0)
        x = torch.randn(2, 200, requires_grad=True)
        loss = namespace.CrossEntropyLoss()(x, torch.tensor([3, 156], dtype=torch.uint8))
        results.append([loss, *torch.autograd.grad(loss, x)])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(("size_average", "reduce"), [(False, None), (None, False), (True, True)])
def test_deprecated_arguments_stand_for_a_reduction(size_average, reduce):
    x, target = torch.randn(2, 3), torch.tensor([0, 2])
    outputs = []
    for namespace in (manualnn, torch.nn):
        with pytest.warns(UserWarning, match="size_average and reduce"):
            loss = namespace.functional.cross_entropy(
                x, target, size_average=size_average, reduce=reduce
            )
        outputs.append(loss)
    torch.testing.assert_close(*outputs)
