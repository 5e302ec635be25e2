"""What the optimizers share with `torch.optim`: groups, state, schedulers, and clear refusals."""

from __future__ import annotations

import copy
import io
import pickle
import sys

import pytest
import torch
from torch.nn import Embedding, Parameter
from torch.optim.lr_scheduler import CosineAnnealingLR, StepLR

from manualnn.optim import SGD, Adadelta, Adam, AdamW
from tests.optim.trajectory import (
    assert_same_run,
    assert_same_trajectory,
    make_params,
    objective,
    run,
)

SGD_OPTIONS = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
ADADELTA_OPTIONS = {"lr": 0.5, "weight_decay": 0.01}
ADAM_OPTIONS = {"lr": 0.1, "weight_decay": 0.01}
TWINS = pytest.mark.parametrize(
    ("manual_class", "native_class", "options"),
    [
        (SGD, torch.optim.SGD, SGD_OPTIONS),
        (Adadelta, torch.optim.Adadelta, ADADELTA_OPTIONS),
        (Adam, torch.optim.Adam, ADAM_OPTIONS),
        (AdamW, torch.optim.AdamW, ADAM_OPTIONS),
    ],
    ids=["SGD", "Adadelta", "Adam", "AdamW"],
)
MANUAL = pytest.mark.parametrize(
    ("manual_class", "options"),
    [
        (SGD, SGD_OPTIONS),
        (Adadelta, ADADELTA_OPTIONS),
        (Adam, ADAM_OPTIONS),
        (AdamW, ADAM_OPTIONS),
    ],
    ids=["SGD", "Adadelta", "Adam", "AdamW"],
)
FLAGS = pytest.mark.parametrize(
    ("manual_class", "flag"),
    [
        (SGD, "foreach"),
        (SGD, "differentiable"),
        (SGD, "fused"),
        (Adadelta, "foreach"),
        (Adadelta, "capturable"),
        (Adadelta, "differentiable"),
        *(
            (adam, flag)
            for adam in (Adam, AdamW)
            for flag in ("foreach", "capturable", "differentiable", "fused")
        ),
    ],
)


@TWINS
def test_is_its_twin_and_calls_none_of_its_formulas(
    manual_class, native_class, options, monkeypatch
):
    owner = next(c for c in native_class.__mro__ if "step" in vars(c))  # AdamW steps as Adam does
    module = sys.modules[owner.__module__]
    formulas = [f for f in vars(module) if f.endswith(f"_{owner.__name__.lower()}")]
    assert len(formulas) >= 2
    for formula in formulas:
        monkeypatch.setattr(module, formula, None)
    monkeypatch.setattr(native_class, "step", None)
    params = make_params()
    optimizer = manual_class(params, **options)
    assert isinstance(optimizer, native_class)
    run(optimizer, params, range(1))
    assert not torch.equal(params[0], make_params()[0])


@TWINS
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)], ids=str)
def test_learning_rate_as_a_tensor(manual_class, native_class, options, shape):
    lr = torch.full(shape, 0.1, dtype=torch.float64)
    assert_same_trajectory(manual_class, native_class, **{**options, "lr": lr})


@TWINS
@pytest.mark.parametrize(
    "make_scheduler",
    [
        lambda optimizer: StepLR(optimizer, step_size=2, gamma=0.5),
        lambda optimizer: CosineAnnealingLR(optimizer, T_max=6),
    ],
    ids=["StepLR", "CosineAnnealingLR"],
)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_schedulers(manual_class, native_class, options, make_scheduler, as_tensor):
    ours, theirs = make_params(), make_params()
    for optimizer_class, params in ((manual_class, ours), (native_class, theirs)):
        lr = torch.tensor(0.3, dtype=torch.float64) if as_tensor else 0.3
        optimizer = optimizer_class(params, **{**options, "lr": lr})
        scheduler = make_scheduler(optimizer)
        for t in range(6):
            run(optimizer, params, range(t, t + 1))
            scheduler.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@TWINS
def test_closure_runs_with_gradients_on_and_its_loss_comes_back(
    manual_class, native_class, options
):
    results = []
    for optimizer_class in (manual_class, native_class):
        params = make_params()
        optimizer = optimizer_class(params, **options)

        def closure(optimizer=optimizer, params=params):
            optimizer.zero_grad()
            loss = objective(params, 0)
            loss.backward()
            return loss

        with torch.no_grad():
            losses = [optimizer.step(closure).item() for _ in range(3)]
        assert optimizer.step() is None
        results.append((losses, params))
    torch.testing.assert_close(results[0], results[1], rtol=1e-12, atol=1e-12)


@TWINS
def test_groups_have_options_of_their_own_and_may_come_later(manual_class, native_class, options):
    runs = []
    for optimizer_class in (manual_class, native_class):
        params = make_params()
        groups = [{"params": params[:1], "lr": 0.01}, {"params": params[1], "weight_decay": 0.3}]
        optimizer = optimizer_class(groups, **options)
        run(optimizer, params, range(3))
        optimizer.add_param_group({"params": params[2:], "maximize": True})
        run(optimizer, params, range(3, 6))
        runs.append((optimizer, params))
    (manual, ours), (native, theirs) = runs
    assert_same_run(manual, native, ours, theirs)


@MANUAL
def test_a_parameter_without_gradient_is_left_alone(manual_class, options):
    params = make_params()
    optimizer = manual_class(params, **options)
    run(optimizer, params, range(2))
    assert torch.equal(params[-1], make_params()[-1])
    assert params[-1] not in optimizer.state


@TWINS
def test_a_parameter_that_is_thawed_during_the_run(manual_class, native_class, options):
    runs = []
    for optimizer_class in (manual_class, native_class):
        params = make_params()
        optimizer = optimizer_class(params, **options)
        params[1].requires_grad_(False)
        run(optimizer, params, range(2))
        params[1].requires_grad_(True)
        run(optimizer, params, range(2, 5))
        runs.append((optimizer, params))
    (manual, ours), (native, theirs) = runs
    assert_same_run(manual, native, ours, theirs)


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@TWINS
@pytest.mark.parametrize("to_manual", [True, False], ids=["from torch", "to torch"])
def test_state_is_exchanged_with_the_twin_during_the_run(
    manual_class, native_class, options, to_manual
):
    first, second = (native_class, manual_class) if to_manual else (manual_class, native_class)
    params, expected = make_params(), make_params()
    before = first(params, **options)
    run(before, params, range(4))
    after = second(params, lr=123.0)
    after.load_state_dict(through_a_file(before.state_dict()))
    run(after, params, range(4, 8))

    native = native_class(expected, **options)
    run(native, expected, range(8))
    assert_same_run(after, native, params, expected)


@MANUAL
def test_a_loaded_run_does_not_disturb_the_one_it_came_from(manual_class, options):
    params = make_params()
    source = manual_class(params, **options)
    run(source, params, range(2))
    remembered = copy.deepcopy(source.state_dict())
    other = manual_class(params, **options)
    other.load_state_dict(source.state_dict())
    run(other, params, range(2, 4))
    torch.testing.assert_close(source.state_dict(), remembered, rtol=0, atol=0)


@MANUAL
@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))],
    ids=["deepcopy", "pickle"],
)
def test_a_copy_goes_on_with_the_run(manual_class, options, duplicate):
    params = make_params()
    optimizer = manual_class(params, **options)
    run(optimizer, params, range(3))
    other, other_params = duplicate((optimizer, params))
    assert other_params[0] is not params[0]
    run(optimizer, params, range(3, 6))
    run(other, other_params, range(3, 6))
    assert type(other) is manual_class
    assert_same_run(other, optimizer, other_params, params)


@MANUAL
def test_channels_last_parameters_stay_channels_last(manual_class, options):
    param = Parameter(torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last))
    param.grad = torch.ones_like(param)
    optimizer = manual_class([param], **options)
    optimizer.step()
    tensors = [param, *optimizer.state[param].values()]
    assert len(tensors) > 1
    for tensor in tensors:
        assert tensor.dim() == 0 or tensor.is_contiguous(memory_format=torch.channels_last)


@MANUAL
def test_step_hooks_run(manual_class, options):
    params = make_params()
    optimizer = manual_class(params, **options)
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    run(optimizer, params, range(1))
    assert calls == ["before", "after"]


@FLAGS
def test_refuses_other_implementations(manual_class, flag):
    message = rf"{manual_class.__name__} does not support {flag}=True"
    params = make_params()
    with pytest.raises(ValueError, match=message):
        manual_class(params, **{flag: True})
    optimizer = manual_class(params[:1])
    with pytest.raises(ValueError, match=message):
        optimizer.add_param_group({"params": params[1:], flag: True})
    assert [group["params"] for group in optimizer.param_groups] == [params[:1]]


@FLAGS
def test_refuses_a_state_dict_that_asks_for_another_implementation(manual_class, flag):
    params = make_params()
    optimizer = manual_class(params, lr=0.25)
    state_dict = manual_class(params, lr=0.5).state_dict()
    state_dict["param_groups"][0][flag] = True
    with pytest.raises(ValueError, match=f"{flag}=True"):
        optimizer.load_state_dict(state_dict)
    assert optimizer.param_groups[0]["lr"] == 0.25


@FLAGS
def test_refuses_a_group_changed_to_another_implementation(manual_class, flag):
    params = make_params()
    optimizer = manual_class([{"params": params[:2]}, {"params": params[2:]}])
    optimizer.param_groups[1][flag] = True
    objective(params, 0).backward()
    with pytest.raises(ValueError, match=f"{flag}=True"):
        optimizer.step()
    torch.testing.assert_close(params, make_params(), rtol=0, atol=0)


@MANUAL
@pytest.mark.parametrize("flag", ["foreach", "differentiable"])
def test_takes_flags_that_are_off(manual_class, options, flag):
    params = make_params()
    run(manual_class(params, **options, **{flag: False}), params, range(1))
    assert not torch.equal(params[0], make_params()[0])


@MANUAL
def test_refuses_sparse_gradients_before_it_changes_anything(manual_class, options):
    dense, layer = Parameter(torch.ones(2)), Embedding(4, 2, sparse=True)
    optimizer = manual_class([dense, layer.weight], **options)
    (dense.sum() + layer(torch.tensor([1, 2])).sum()).backward()
    with pytest.raises(RuntimeError, match=r"parameter 1 of its group is torch.sparse_coo"):
        optimizer.step()
    assert dense.tolist() == [1.0, 1.0]
    assert not optimizer.state


@MANUAL
def test_refuses_complex_parameters(manual_class, options):
    real, complex_param = Parameter(torch.ones(2)), Parameter(torch.ones(2, dtype=torch.complex64))
    with pytest.raises(ValueError, match=r"parameter 1 of its group is torch.complex64"):
        manual_class([real, complex_param], **options)
    optimizer = manual_class([real], **options)
    with pytest.raises(ValueError, match="complex64"):
        optimizer.add_param_group({"params": [complex_param]})
    assert len(optimizer.param_groups) == 1
