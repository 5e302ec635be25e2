"""Adadelta takes torch's steps, and Zeiler's algorithm is what it computes."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch.nn import Parameter

from manualnn.optim import Adadelta
from manualnn.optim.adadelta import adadelta_update
from tests.optim.trajectory import assert_same_trajectory, make_params


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("weight_decay", [0, 0.05])
@pytest.mark.parametrize("rho", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("eps", [1e-6, 1e-2])
@pytest.mark.parametrize("lr", [1.0, 0.1])
def test_takes_the_steps_of_torch(lr, eps, rho, weight_decay, maximize, dtype):
    assert_same_trajectory(
        Adadelta,
        torch.optim.Adadelta,
        dtype,
        lr=lr,
        rho=rho,
        eps=eps,
        weight_decay=weight_decay,
        maximize=maximize,
    )


def test_default_options_are_those_of_torch():
    assert_same_trajectory(Adadelta, torch.optim.Adadelta)
    assert Adadelta(make_params()).defaults == torch.optim.Adadelta(make_params()).defaults


def test_algorithm_1_in_plain_numbers():
    rho, eps, gradients = 0.95, 1e-6, [0.7, -1.3, 0.2, 5.0]
    theta, mean_square_grad, mean_square_step = 2.0, 0.0, 0.0
    state = torch.tensor([[2.0], [0.0], [0.0]], dtype=torch.float64).unbind()
    for g in gradients:
        mean_square_grad = rho * mean_square_grad + (1 - rho) * g**2
        step = -sqrt(mean_square_step + eps) / sqrt(mean_square_grad + eps) * g
        mean_square_step = rho * mean_square_step + (1 - rho) * step**2
        theta += step
        gradient = torch.tensor([g], dtype=torch.float64)
        before = [s.clone() for s in state]
        updated = adadelta_update(state[0], gradient, state[1], state[2], rho=rho, eps=eps)
        assert all(map(torch.equal, state, before))
        state = updated
        expected = (theta, mean_square_grad, mean_square_step)
        assert [s.item() for s in state] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_steps_do_not_depend_on_the_unit_of_the_objective(scale):
    param = torch.zeros(1, dtype=torch.float64)
    zeros = torch.zeros_like(param)
    plain, _, _ = adadelta_update(param, torch.ones_like(param), zeros, zeros, eps=1e-12)
    scaled, _, _ = adadelta_update(param, scale * torch.ones_like(param), zeros, zeros, eps=1e-12)
    torch.testing.assert_close(scaled, plain, rtol=1e-4, atol=0)


def test_without_eps_the_first_step_is_zero():
    param = Parameter(torch.ones(2))
    param.grad = torch.ones(2)
    Adadelta([param], eps=0).step()
    assert param.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -0.1}, "Invalid learning rate: -0.1"),
        ({"rho": -0.1}, "Invalid rho value: -0.1"),
        ({"rho": 1.1}, "Invalid rho value: 1.1"),
        ({"eps": -1e-6}, "Invalid epsilon value: -1e-06"),
        ({"weight_decay": -1}, "Invalid weight_decay value: -1"),
        ({"lr": torch.tensor([0.1, 0.2])}, "Tensor lr must be 1-element"),
    ],
)
def test_refuses_what_torch_refuses(options, message):
    for optimizer_class in (Adadelta, torch.optim.Adadelta):
        with pytest.raises(ValueError, match=message):
            optimizer_class(make_params(), **options)
