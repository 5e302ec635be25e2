"""Absolute, smooth and Huber's error: their table of settings, and what is their own."""

import itertools

import pytest
import torch

import manualnn
from manualnn.checks import prove
from manualnn.losses.l1 import l1_loss
from tests.case import Case
from tests.losses.literal import assert_literal

_FORMS = [
    ("L1Loss", {}),
    ("SmoothL1Loss", {}),
    ("SmoothL1Loss", {"beta": 0.4}),
    ("SmoothL1Loss", {"beta": 0}),
    ("HuberLoss", {}),
    ("HuberLoss", {"delta": 2.5}),
]
CASES = [
    Case(name, {"reduction": reduction, **options}, (shape, shape))
    for (name, options), (reduction, shape) in itertools.product(
        _FORMS, (("mean", (4, 3)), ("sum", (4, 3)), ("none", (2, 3, 2)))
    )
] + [
    Case(name, {"reduction": "sum"}, (shape, shape))
    for name in ("L1Loss", "SmoothL1Loss", "HuberLoss")
    for shape in ((), (0, 3))
]

LOSSES = ["l1_loss", "smooth_l1_loss", "huber_loss"]


def _far_apart():
    return torch.linspace(-3, 3, 14, dtype=torch.float64).reshape(2, 7), torch.zeros(2, 7).double()


def test_the_formulas_in_plain_numbers():
    functional = manualnn.functional
    assert_literal(functional.l1_loss, lambda x, y: abs(x - y), *_far_apart())

    def smooth(x, y):
        z = abs(x - y)
        return z**2 / 1.4 if z < 0.7 else z - 0.35

    assert_literal(functional.smooth_l1_loss, smooth, *_far_apart(), beta=0.7)

    def huber(x, y):
        z = abs(x - y)
        return z**2 / 2 if z <= 0.7 else 0.7 * (z - 0.35)

    assert_literal(functional.huber_loss, huber, *_far_apart(), delta=0.7)


@pytest.mark.parametrize("name", LOSSES)
def test_the_slope_where_the_pieces_meet_is_that_of_torch(name):
    results = []
    for namespace in (manualnn, torch.nn):
        x = torch.tensor([-1.0, -0.0, 0.0, 1.0, 1.5, float("nan")], requires_grad=True)
        loss = getattr(namespace.functional, name)(x, torch.zeros(6), reduction="none")
        results.append([loss, *torch.autograd.grad(loss.sum(), x)])
    torch.testing.assert_close(*results, equal_nan=True)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", ["l1_loss", "huber_loss"])
def test_weights_and_their_derivatives(name, reduction):
    torch.manual_seed(0)
    tensors = [torch.rand(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    results = []
    for namespace in (manualnn, torch.nn):
        function = getattr(namespace.functional, name)
        loss = function(*tensors[:2], reduction=reduction, weight=tensors[2])
        gradients = torch.autograd.grad(loss, tensors, torch.ones_like(loss))
        results.append([loss, *gradients])
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)
    function = getattr(manualnn.functional, name)
    prove(lambda x, y, v: function(x, y, reduction=reduction, weight=v), tensors)


@pytest.mark.parametrize("name", LOSSES)
def test_shapes_are_broadcast_with_a_warning(name):
    results = []
    for namespace in (manualnn, torch.nn):
        torch.manual_seed(0)
        x, y = (torch.randn(shape, requires_grad=True) for shape in ((4, 1), (3,)))
        with pytest.warns(UserWarning, match=r"4, 1"):
            loss = getattr(namespace.functional, name)(x, y)
        results.append([loss, *torch.autograd.grad(loss, (x, y))])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64], ids=str)
def test_dtypes_are_promoted_as_in_torch(name, dtype):
    results = []
    for namespace in (manualnn, torch.nn):
        x, y = torch.linspace(0, 2, 3), torch.ones(3).to(dtype)
        results.append(getattr(namespace.functional, name)(x, y))
    torch.testing.assert_close(*results)


def test_absolute_errors_of_integers_are_integers():
    x, y = torch.tensor([3, -1]), torch.tensor([1, 1])
    assert torch.equal(l1_loss(x, y, reduction="none"), torch.tensor([2, 2]))
    assert torch.equal(l1_loss(x, y, reduction="sum"), torch.tensor(4))


def test_a_weight_of_another_type_decides_the_type_of_the_loss():
    x, y, v = torch.rand(3), torch.zeros(3), torch.rand(3, dtype=torch.float64)
    for name, tolerance in (("l1_loss", 1e-15), ("huber_loss", 1e-7)):
        torch.testing.assert_close(
            getattr(manualnn.functional, name)(x, y, weight=v),
            getattr(torch.nn.functional, name)(x, y, weight=v),
            rtol=tolerance,
            atol=0,
        )


@pytest.mark.parametrize("name", ["l1_loss", "smooth_l1_loss"])
def test_deprecated_arguments_stand_for_a_reduction(name):
    outputs = []
    for namespace in (manualnn, torch.nn):
        with pytest.warns(UserWarning, match="size_average and reduce"):
            function = getattr(namespace.functional, name)
            outputs.append(function(torch.ones(3), torch.zeros(3), size_average=False))
    torch.testing.assert_close(*outputs)
