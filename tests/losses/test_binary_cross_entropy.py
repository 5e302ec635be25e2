"""Binary cross-entropy: its table of settings, and what is its own."""

import itertools
from math import exp, log, log1p

import pytest
import torch
from torch.func import jvp

import manualnn
from manualnn.checks import prove
from tests.case import Case
from tests.losses.literal import assert_literal, assert_same_under_transforms


def _probabilities(*shape, around=0.5, width=0.4):
    """Within ``width / 2`` of one number; what moves them a little leaves them from 0 to 1."""

    def make():
        values = torch.rand(shape, dtype=torch.float64).sub(0.5).mul(width).add(around)
        return values.requires_grad_()

    return make


_MIDDLE, _YES_OR_NO = {"width": 0.1}, lambda: torch.arange(12.0).remainder(2).reshape(4, 3)
CASES = (
    [
        Case(
            "BCELoss",
            {"reduction": reduction, "weight": weight},
            (_probabilities(4, 3, **_MIDDLE), _probabilities(4, 3)),
        )
        for reduction, weight in itertools.product(
            ("mean", "sum", "none"), (None, torch.ones(3), torch.ones(4, 1))
        )
    ]
    + [
        Case("BCELoss", {}, (_probabilities(4, 3, **_MIDDLE), _YES_OR_NO)),
        Case("BCELoss", {}, (_probabilities(**_MIDDLE), _probabilities())),
        Case("BCELoss", {"reduction": "sum"}, (_probabilities(0, 3), _probabilities(0, 3))),
    ]
    + [
        Case(
            "BCEWithLogitsLoss",
            {"reduction": reduction, "weight": weight, "pos_weight": pos_weight},
            ((4, 3), _probabilities(4, 3)),
        )
        for reduction, (weight, pos_weight) in itertools.product(
            ("mean", "sum", "none"),
            (
                (None, None),
                (torch.ones(4, 1), None),
                (None, torch.ones(3)),
                (torch.ones(()), torch.ones(4, 3)),
            ),
        )
    ]
    + [
        Case("BCEWithLogitsLoss", {}, ((4, 3), _YES_OR_NO)),
        Case("BCEWithLogitsLoss", {"pos_weight": torch.ones(())}, ((), _probabilities())),
        Case("BCEWithLogitsLoss", {"reduction": "sum"}, ((0, 3), _probabilities(0, 3))),
    ]
)


def test_the_formulas_in_plain_numbers():
    functional = manualnn.functional
    y = torch.linspace(0, 1, 12, dtype=torch.float64).reshape(4, 3)
    p = torch.linspace(0.9, 0.01, 12, dtype=torch.float64).reshape(4, 3)
    assert_literal(
        functional.binary_cross_entropy, lambda p, y: -y * log(p) - (1 - y) * log(1 - p), p, y
    )
    x = torch.linspace(-5, 5, 12, dtype=torch.float64).reshape(4, 3)

    def of_logits(x, y, w=1.0):
        return w * y * log1p(exp(-x)) + (1 - y) * log1p(exp(x))

    function, w = functional.binary_cross_entropy_with_logits, torch.tensor(2.5)
    assert_literal(function, of_logits, x, y)
    assert_literal(function, lambda x, y: of_logits(x, y, 2.5), x, y, pos_weight=w)


def test_the_logarithm_is_at_least_minus_100_and_the_gradients_are_those_of_torch():
    results = []
    for namespace in (manualnn, torch.nn):
        p = torch.tensor([0.0, 1.0, 0.5, 0.0, 1.0, 1e-30, 1 - 1e-7], dtype=torch.float64)
        y = torch.tensor([1.0, 0.0, 0.3, 0.0, 0.5, 0.5, 1.0], dtype=torch.float64)
        variables = [p.requires_grad_(), y.requires_grad_()]
        loss = namespace.functional.binary_cross_entropy(p, y, reduction="none")
        results.append([loss, *torch.autograd.grad(loss.sum(), variables)])
    torch.testing.assert_close(*results)
    assert results[0][0][0] == 100


def test_the_gradient_of_logits_keeps_its_digits():
    x = torch.tensor([-40.0, 40.0, -800.0, 800.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    w = torch.ones(4, dtype=torch.float64)
    for pos_weight in (None, w):
        loss = manualnn.functional.binary_cross_entropy_with_logits(
            x, y, reduction="sum", pos_weight=pos_weight
        )
        (grad,) = torch.autograd.grad(loss, x)
        assert grad.tolist()[2:] == [-1, 1]
        assert grad[0].item() == pytest.approx(exp(-40), rel=1e-12 if pos_weight is None else 1)


def test_derivatives_by_constants_in_forward_mode():
    """Torch refuses them in reverse mode; none is dropped where there is nothing to refuse."""
    torch.manual_seed(0)
    x, y, v, w = (torch.rand(4, 3, dtype=torch.float64) for _ in range(4))

    def function(v, w):
        return manualnn.functional.binary_cross_entropy_with_logits(x, y, v, pos_weight=w)

    def literal(v, w):
        return (v * (w * y * (1 + (-x).exp()).log() + (1 - y) * (1 + x.exp()).log())).mean()

    directions = (torch.rand_like(v), torch.rand_like(w))
    torch.testing.assert_close(jvp(function, (v, w), directions), jvp(literal, (v, w), directions))


def test_per_sample_gradients_of_probabilities():
    p, y = (torch.rand(3, 4, dtype=torch.float64) for _ in range(2))
    assert_same_under_transforms(manualnn.BCELoss(), p, y)


def test_the_derivative_at_zero_is_right_at_every_order():
    x, y, w = (torch.zeros(2, dtype=torch.float64, requires_grad=i < 2) for i in range(3))
    prove(lambda x, y: manualnn.functional.binary_cross_entropy_with_logits(
        x, y + 0.5, pos_weight=w + 3), [x, y])  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
def test_the_loss_of_logits_has_the_dtype_of_the_target(dtype):
    for x, y in ((torch.ones(3), torch.ones(3, dtype=dtype)), (torch.ones(3, dtype=dtype),) * 2):
        outputs = [
            namespace.functional.binary_cross_entropy_with_logits(x, y, pos_weight=torch.ones(3))
            for namespace in (manualnn, torch.nn)
        ]
        torch.testing.assert_close(*outputs)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_deprecated_arguments_stand_for_a_reduction(name):
    outputs = []
    for namespace in (manualnn, torch.nn):
        with pytest.warns(UserWarning, match="size_average and reduce"):
            function = getattr(namespace.functional, name)
            outputs.append(function(torch.full((3,), 0.3), torch.ones(3), reduce=False))
    torch.testing.assert_close(*outputs)
