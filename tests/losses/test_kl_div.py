"""Kullback-Leibler divergence: its table of settings, and what is its own."""

import itertools
import math
from math import exp, log

import pytest
import torch

import manualnn
from tests.case import Case
from tests.losses.literal import assert_literal


def _probabilities(*shape):
    return lambda: torch.rand(shape, dtype=torch.float64).add(0.1).requires_grad_()


CASES = [
    Case("KLDivLoss", {"reduction": reduction, "log_target": log_target}, inputs)
    for reduction, (log_target, inputs) in itertools.product(
        ("batchmean", "sum", "none", "mean"),
        (
            (False, ((4, 3), _probabilities(4, 3))),
            (True, ((4, 3), (4, 3))),
        ),
    )
] + [
    Case("KLDivLoss", {"reduction": "batchmean"}, ((), _probabilities())),
    Case("KLDivLoss", {"reduction": "batchmean"}, ((2, 3, 2), _probabilities(2, 3, 2))),
    Case("KLDivLoss", {"reduction": "sum"}, ((0, 3), _probabilities(0, 3))),
]


def test_the_formulas_in_plain_numbers():
    x = torch.linspace(-3, 0, 12, dtype=torch.float64).reshape(4, 3)
    y = torch.linspace(0, 1, 12, dtype=torch.float64).reshape(4, 3)
    function = manualnn.functional.kl_div
    assert_literal(function, lambda x, y: (y * log(y) if y else 0) - y * x, x, y)
    assert_literal(function, lambda x, y: exp(y) * (y - x), x, y, log_target=True)


def test_batchmean_is_the_divergence_of_distributions():
    p, q = torch.rand(2, 5, 3, dtype=torch.float64).softmax(-1)
    expected = sum(
        sum(a * log(a / b) for a, b in zip(ps, qs, strict=True))
        for ps, qs in zip(p.tolist(), q.tolist(), strict=True)
    )
    actual = manualnn.functional.kl_div(q.log(), p, reduction="batchmean")
    assert actual.item() == pytest.approx(expected / 5, rel=1e-12)
    assert manualnn.functional.kl_div(p.log(), p, reduction="sum").item() == pytest.approx(0)


def test_after_a_log_softmax_the_gradient_is_q_minus_p():
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    p = torch.randn(4, 3, dtype=torch.float64).softmax(1)
    log_q = manualnn.functional.log_softmax(x, 1)
    loss = manualnn.functional.kl_div(log_q, p, reduction="sum")
    (grad,) = torch.autograd.grad(loss, x)
    torch.testing.assert_close(grad, x.detach().softmax(1) - p)


def test_the_derivative_at_zero_is_its_limit():
    x, y = torch.zeros(2), torch.tensor([0.0, 1.0], requires_grad=True)
    loss = manualnn.functional.kl_div(x, y, reduction="sum")
    assert torch.autograd.grad(loss, y)[0].tolist() == [-math.inf, 1]


def test_the_mean_over_classes_is_warned_of_as_in_torch():
    for namespace in (manualnn, torch.nn):
        with pytest.warns(UserWarning, match="'mean' divides the total loss"):
            namespace.functional.kl_div(torch.zeros(2), torch.ones(2))


@pytest.mark.parametrize("shapes", [((4, 1), (3,)), ((3,), (4, 3)), ((), (4, 3))], ids=str)
@pytest.mark.parametrize("reduction", ["batchmean", "none"])
def test_shapes_are_broadcast_as_in_torch(reduction, shapes):
    results = []
    for namespace in (manualnn, torch.nn):
        torch.manual_seed(0)
        x, y = (torch.rand(shape, requires_grad=True) for shape in shapes)
        loss = namespace.functional.kl_div(x, y, reduction=reduction)
        results.append([loss, *torch.autograd.grad(loss.sum(), (x, y))])
    torch.testing.assert_close(*results)


def test_deprecated_arguments_stand_for_a_reduction():
    outputs = []
    for namespace in (manualnn, torch.nn):
        with pytest.warns(UserWarning, match="size_average and reduce"):
            outputs.append(namespace.functional.kl_div(torch.rand(0) + 1, torch.rand(0), False))
    torch.testing.assert_close(*outputs)
