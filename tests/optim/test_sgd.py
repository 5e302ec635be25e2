"""SGD takes torch's steps, and Eq. 20 is what it computes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import Parameter

from manualnn.optim import SGD
from manualnn.optim.sgd import sgd_update
from tests.optim.trajectory import assert_same_trajectory, make_params, run

MOMENTA = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.9, "dampening": 1.0},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 1.5},
    {"momentum": 0.0, "dampening": 0.3},
]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("weight_decay", [0, 0.05])
@pytest.mark.parametrize("momentum", MOMENTA, ids=str)
def test_takes_the_steps_of_torch(momentum, weight_decay, maximize, dtype):
    options = {"lr": 0.01, "weight_decay": weight_decay, "maximize": maximize, **momentum}
    assert_same_trajectory(SGD, torch.optim.SGD, dtype, **options)


def test_default_options_are_those_of_torch():
    assert_same_trajectory(SGD, torch.optim.SGD)
    assert SGD(make_params()).defaults == torch.optim.SGD(make_params()).defaults


def test_equation_20():
    param, grad = torch.tensor([1.0, -2.0]), torch.tensor([4.0, 0.5])
    next_param, velocity = sgd_update(param, grad, None, lr=0.25)
    assert next_param.tolist() == [0.0, -2.125]
    assert velocity is None
    assert (param.tolist(), grad.tolist()) == ([1.0, -2.0], [4.0, 0.5])


def test_two_steps_with_momentum_by_hand():
    options = {"lr": 0.5, "momentum": 0.5, "dampening": 0.75, "weight_decay": 2.0}
    param, velocity = sgd_update(torch.tensor(1.0), torch.tensor(-1.0), None, **options)
    assert (param.item(), velocity.item()) == (0.5, 1.0)  # g = -1 + 2 * 1, v = g
    param, velocity = sgd_update(param, torch.tensor(3.0), velocity, **options)
    assert (param.item(), velocity.item()) == (-0.25, 1.5)  # g = 3 + 2 / 2, v = 1 / 2 + g / 4


def test_nesterov_by_hand():
    options = {"lr": 0.5, "momentum": 0.5, "nesterov": True}
    param, velocity = sgd_update(torch.tensor(1.0), torch.tensor(2.0), torch.tensor(4.0), **options)
    assert (param.item(), velocity.item()) == (-1.0, 4.0)  # v = 2 + 4 / 2, direction = 2 + v / 2


def test_without_weight_decay_an_infinite_parameter_stays_infinite():
    param = Parameter(torch.tensor([float("inf")]))
    param.grad = torch.ones(1)
    SGD([param]).step()
    assert param.item() == float("inf")


def test_the_velocity_does_not_share_the_gradient():
    param = Parameter(torch.ones(2))
    param.grad = torch.ones(2)
    optimizer = SGD([param], momentum=0.9)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    assert optimizer.state[param]["momentum_buffer"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("schedule", [(0.9, 0.0), (0.0, 0.9)], ids=["off", "on"])
def test_momentum_switched_during_the_run(schedule):
    ours, theirs = make_params(), make_params()
    for optimizer_class, params in ((SGD, ours), (torch.optim.SGD, theirs)):
        optimizer = optimizer_class(params, lr=0.1, momentum=schedule[0])
        run(optimizer, params, range(3))
        optimizer.param_groups[0]["momentum"] = schedule[1]
        run(optimizer, params, range(3, 6))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -0.1}, "Invalid learning rate: -0.1"),
        ({"momentum": -0.9}, "Invalid momentum value: -0.9"),
        ({"weight_decay": -1}, "Invalid weight_decay value: -1"),
        ({"nesterov": True}, "Nesterov momentum requires"),
        ({"momentum": 0.9, "nesterov": True, "dampening": 0.1}, "Nesterov momentum requires"),
        ({"lr": torch.tensor([0.1, 0.2])}, "Tensor lr must be 1-element"),
    ],
)
def test_refuses_what_torch_refuses(options, message):
    for optimizer_class in (SGD, torch.optim.SGD):
        with pytest.raises(ValueError, match=message):
            optimizer_class(make_params(), **options)
