"""Negative log-likelihood: its table of settings, and what is its own."""

import itertools

import pytest
import torch

import manualnn
from tests.case import Case


def _indices(*shape, ignored=None):
    def make():
        target = torch.arange(torch.Size(shape).numel()).remainder(3).reshape(shape)
        return target if ignored is None else torch.where(target == 0, ignored, target)

    return make


_WEIGHT = torch.tensor([0.3, 1.2, 2.0])
CASES = [
    Case("NLLLoss", {"reduction": reduction, "weight": weight}, inputs)
    for reduction, weight, inputs in itertools.product(
        ("mean", "sum", "none"),
        (None, _WEIGHT),
        (
            ((5, 3), _indices(5, ignored=-100)),
            ((2, 3, 4), _indices(2, 4)),
            ((2, 3, 2, 2), _indices(2, 2, 2)),
        ),
    )
] + [
    Case("NLLLoss", {"ignore_index": 1}, ((2, 3, 2, 1, 2), _indices(2, 2, 1, 2))),
    Case("NLLLoss", {}, ((3,), _indices())),
    Case("NLLLoss", {"ignore_index": 0, "reduction": "sum"}, ((1, 3), _indices(1))),
    Case("NLLLoss", {"reduction": "sum"}, ((0, 3), _indices(0))),
]


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_one_number_after_the_other(reduction):
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    target = torch.tensor([[0, 2, -100, 1], [-100, 1, 1, 2]])
    weight = torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)
    losses, total = torch.zeros(2, 4, dtype=torch.float64), 0.0
    for n in range(2):
        for i in range(4):
            y = target[n, i].item()
            if y != -100:
                losses[n, i] = -weight[y] * x[n, y, i]
                total += weight[y].item()
    expected = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / total}[reduction]
    actual = manualnn.functional.nll_loss(x, target, weight, reduction=reduction)
    torch.testing.assert_close(actual, expected)


def test_after_a_log_softmax_it_is_cross_entropy():
    x, target = (
        torch.randn(4, 3, dtype=torch.float64, requires_grad=True),
        torch.tensor([2, 0, 1, 1]),
    )
    results = []
    for loss in (
        manualnn.functional.nll_loss(manualnn.functional.log_softmax(x, 1), target),
        manualnn.functional.cross_entropy(x, target),
    ):
        results.append([loss, *torch.autograd.grad(loss, x)])
    torch.testing.assert_close(*results)


def test_when_all_are_ignored_the_mean_is_nan_and_its_gradient_zero():
    for namespace in (manualnn, torch.nn):
        x = torch.randn(2, 3, requires_grad=True)
        loss = namespace.NLLLoss()(x, torch.tensor([-100, -100]))
        loss.backward()
        assert loss.isnan()
        assert not x.grad.any()


def test_a_byte_is_a_class_index_like_any_other():
    results = []
    for namespace in (manualnn, torch.nn):
        torch.manual_seed(0)
        x = torch.randn(2, 200, requires_grad=True)
        loss = namespace.NLLLoss()(x, torch.tensor([3, 156], dtype=torch.uint8))
        results.append([loss, *torch.autograd.grad(loss, x)])
    torch.testing.assert_close(*results)


def test_one_sample_may_have_its_target_in_a_list():
    x = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    losses = [
        namespace.functional.nll_loss(x, torch.tensor([1]), reduction="none")
        for namespace in (manualnn, torch.nn)
    ]
    torch.testing.assert_close(*losses)
    assert torch.autograd.grad(losses[0], x)[0].tolist() == [0, -1, 0]  # torch raises here


def test_deprecated_arguments_stand_for_a_reduction():
    outputs = []
    for namespace in (manualnn, torch.nn):
        with pytest.warns(UserWarning, match="size_average and reduce"):
            outputs.append(
                namespace.functional.nll_loss(
                    torch.ones(2, 3), torch.tensor([0, 2]), size_average=False
                )
            )
    torch.testing.assert_close(*outputs)
