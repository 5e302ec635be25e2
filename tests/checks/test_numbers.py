from __future__ import annotations

import math

import pytest
import torch

from manualnn.checks import difference_quotient

KINDS = ["forward", "backward", "central"]


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("forward", 1e-6), ("backward", 1e-6), ("central", 1e-9)]
)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 1, 2, 2), (0, 3)])
def test_gradient_of_a_smooth_function(kind, tolerance, shape):
    x = random(*shape)
    quotient = difference_quotient(lambda t: t.sin().sum(), x, kind=kind)
    torch.testing.assert_close(quotient, x.cos(), rtol=0, atol=tolerance)


def test_each_kind_is_the_quotient_it_names():
    x, h = torch.tensor([2.0], dtype=torch.float64), 0.5
    quotient = {
        kind: difference_quotient(lambda t: t.item() ** 3, x, h, kind).item() for kind in KINDS
    }
    assert quotient == {
        "forward": (2.5**3 - 2**3) / 0.5,
        "backward": (2**3 - 1.5**3) / 0.5,
        "central": (2.5**3 - 1.5**3) / 1.0,
    }


@pytest.mark.parametrize(("kind", "order"), [("forward", 1), ("backward", 1), ("central", 2)])
def test_error_shrinks_with_the_order_of_the_kind(kind, order):
    x = random(4)
    coarse, fine = (
        (difference_quotient(lambda t: t.exp().sum(), x, h, kind) - x.exp()).norm().item()
        for h in (1e-2, 1e-3)
    )
    assert math.log10(coarse / fine) == pytest.approx(order, abs=0.01)


def test_strided_and_expanded_x_keep_their_place():
    weight = random(4, 3)
    transposed, expanded = random(3, 4).T, random(1, 3).expand(4, 3)
    for x in (transposed, expanded):
        quotient = difference_quotient(lambda t: (weight * t**2).sum(), x)
        torch.testing.assert_close(quotient, 2 * weight * x, rtol=0, atol=1e-9)


def test_x_is_not_changed_by_a_function_that_works_in_place():
    x = random(3).requires_grad_()
    before = x.detach().clone()
    quotient = difference_quotient(lambda t: t.mul_(2).pow_(2).sum(), x)
    torch.testing.assert_close(quotient, 8 * before, rtol=0, atol=1e-8)
    assert torch.equal(x, before)


def test_function_may_differentiate_inside():
    def gradient_penalty(t):
        t.requires_grad_()
        (gradient,) = torch.autograd.grad((t**3).sum(), t, create_graph=True)
        return (gradient**2).sum()

    x = random(3)
    torch.testing.assert_close(
        difference_quotient(gradient_penalty, x), 36 * x**3, rtol=0, atol=1e-7
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": torch.zeros(2)}, TypeError, r"x is torch\.float32"),
        ({"x": torch.zeros(2, dtype=torch.int64)}, TypeError, r"x is torch\.int64"),
        ({"kind": "sideways"}, ValueError, "kind is 'sideways'.*'forward', 'backward', 'central'"),
        ({"h": 0.0}, ValueError, "h is 0.0"),
        ({"h": -1e-3}, ValueError, "h is -0.001"),
        ({"h": math.nan}, ValueError, "h is nan"),
        ({"h": 1e-20}, ValueError, r"h = 1e-20 is lost beside x\[0\] = 1.0"),
        ({"x": torch.tensor([math.inf]).double()}, ValueError, r"lost beside x\[0\] = inf"),
        ({"function": lambda t: t}, ValueError, r"returned shape \(2,\)"),
        ({"function": lambda t: t.float().sum()}, TypeError, r"returned torch\.float32"),
    ],
)
def test_refusals(arguments, error, message):
    defaults = {"function": torch.sum, "x": torch.ones(2, dtype=torch.float64)}
    with pytest.raises(error, match=message):
        difference_quotient(**defaults | arguments)
