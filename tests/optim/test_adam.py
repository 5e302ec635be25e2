"""Adam and AdamW take torch's steps, and the papers' algorithms are what they compute."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch.nn import Parameter

from manualnn.optim import Adam, AdamW
from manualnn.optim.adam import adam_update
from tests.optim.trajectory import assert_same_run, assert_same_trajectory, make_params, run

TWINS = pytest.mark.parametrize(
    ("manual_class", "native_class"),
    [(Adam, torch.optim.Adam), (AdamW, torch.optim.AdamW)],
    ids=["Adam", "AdamW"],
)


@TWINS
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("weight_decay", [0, 0.05])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.3), (0.0, 0.0)], ids=str)
@pytest.mark.parametrize(("lr", "eps"), [(1e-3, 1e-8), (0.1, 1e-2)])
def test_takes_the_steps_of_torch(
    manual_class, native_class, lr, eps, betas, weight_decay, amsgrad, maximize, dtype
):
    assert_same_trajectory(
        manual_class,
        native_class,
        dtype,
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        amsgrad=amsgrad,
        maximize=maximize,
    )


@TWINS
def test_default_options_are_those_of_torch(manual_class, native_class):
    assert_same_trajectory(manual_class, native_class)
    assert manual_class(make_params()).defaults == native_class(make_params()).defaults


@TWINS
def test_betas_may_be_tensors(manual_class, native_class):
    assert_same_trajectory(
        manual_class,
        native_class,
        betas=tuple(torch.tensor(beta, dtype=torch.float64) for beta in (0.8, 0.9)),
    )


def test_adam_with_decoupled_weight_decay_is_adamw():
    options = {"lr": 0.1, "weight_decay": 0.3}
    assert_same_trajectory(Adam, torch.optim.Adam, decoupled_weight_decay=True, **options)
    ours, theirs = make_params(), make_params()
    decoupled, adamw = Adam(ours, decoupled_weight_decay=True, **options), AdamW(theirs, **options)
    for optimizer, params in ((decoupled, ours), (adamw, theirs)):
        run(optimizer, params, range(3))
    assert_same_run(decoupled, adamw, ours, theirs)
    assert issubclass(AdamW, Adam)


@TWINS
def test_amsgrad_is_taken_over_from_the_twin_and_given_back(manual_class, native_class):
    params, expected = make_params(), make_params()
    native = native_class(expected, lr=0.1, amsgrad=True)
    run(native, expected, range(9))
    optimizer = None
    for start, optimizer_class in ((0, native_class), (3, manual_class), (6, native_class)):
        state_dict = optimizer and optimizer.state_dict()
        optimizer = optimizer_class(params, lr=0.1, amsgrad=True)
        if state_dict:
            optimizer.load_state_dict(state_dict)
        run(optimizer, params, range(start, start + 3))
    assert_same_run(optimizer, native, params, expected)


def test_a_state_of_adam_goes_on_with_decoupled_decay_in_adamw():
    runs = []
    for namespace in (torch.optim, None):
        params = make_params()
        before = torch.optim.Adam(params, lr=0.1, weight_decay=0.3)
        run(before, params, range(2))
        after = (namespace.AdamW if namespace else AdamW)(params)
        after.load_state_dict(before.state_dict())
        run(after, params, range(2, 4))
        runs.append((after, params))
    (native, theirs), (manual, ours) = runs
    assert_same_run(manual, native, ours, theirs)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("decoupled", [False, True])
def test_algorithm_1_in_plain_numbers(decoupled, amsgrad):
    lr, beta1, beta2, eps, decay = 0.1, 0.8, 0.6, 1e-3, 0.25
    theta, m, v, largest = 2.0, 0.0, 0.0, 0.0
    state = torch.tensor([[theta], [m], [v], [largest]], dtype=torch.float64).unbind()
    for t, g in enumerate([0.7, -5.0, 0.2, -0.1], start=1):
        gradient = torch.tensor([g], dtype=torch.float64)
        before = [s.clone() for s in state]
        updated = adam_update(
            state[0],
            gradient,
            *state[1 : 4 if amsgrad else 3],
            step=t,
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            weight_decay=decay,
            decoupled_weight_decay=decoupled,
        )
        assert all(map(torch.equal, state, before))

        if decoupled:
            theta -= lr * decay * theta
        else:
            g += decay * theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        largest = max(largest, v)
        size = (largest if amsgrad else v) / (1 - beta2**t)
        theta -= lr * m / (1 - beta1**t) / (sqrt(size) + eps)

        state = [s for s in updated if s is not None]
        expected = [theta, m, v, largest][: len(state)]
        assert [s.item() for s in state] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_first_step_is_the_learning_rate_whatever_the_unit_of_the_objective(scale):
    param = torch.zeros(2, dtype=torch.float64)
    grad = scale * torch.tensor([1.0, -3.0], dtype=torch.float64)
    stepped, *_ = adam_update(param, grad, param, param, step=1, lr=0.1)
    torch.testing.assert_close(stepped, -0.1 * grad.sign(), rtol=1e-4, atol=0)


def test_a_parameter_whose_gradient_is_zero_stays():
    param = Parameter(torch.ones(2))
    param.grad = torch.zeros(2)
    Adam([param]).step()
    assert param.tolist() == [1.0, 1.0]


@TWINS
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -0.1}, "Invalid learning rate: -0.1"),
        ({"betas": (-0.1, 0.9)}, "Invalid beta parameter at index 0: -0.1"),
        ({"betas": (0.9, 1.0)}, "Invalid beta parameter at index 1: 1.0"),
        ({"betas": (torch.tensor(0.9), 0.9)}, "betas must be either both floats or both Tensors"),
        ({"eps": -1e-6}, "Invalid epsilon value: -1e-06"),
        ({"weight_decay": -1}, "Invalid weight_decay value: -1"),
        ({"lr": torch.tensor([0.1, 0.2])}, "Tensor lr must be 1-element"),
    ],
)
def test_refuses_what_torch_refuses(manual_class, native_class, options, message):
    for optimizer_class in (manual_class, native_class):
        with pytest.raises(ValueError, match=message):
            optimizer_class(make_params(), **options)
