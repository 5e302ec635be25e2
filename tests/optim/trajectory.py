"""Run an optimizer and its torch twin side by side from the same start."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

TOLERANCE = {
    torch.float64: {"rtol": 1e-12, "atol": 1e-12},
    torch.float32: {"rtol": 1e-5, "atol": 1e-6},
}


def make_params(dtype: torch.dtype = torch.float64) -> list[Parameter]:
    """A matrix, a vector, a scalar, and one that `objective` leaves without a gradient."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 3), (5,), (), (2,)]
    return [Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in shapes]


def objective(params: Iterable[Tensor], t: int) -> Tensor:
    """Of all parameters but the last, another one at each step; flat, so rounding does not grow."""
    waves = [0.1 * torch.cos(p + i + t).sum() for i, p in enumerate(params)]
    return torch.stack(waves[:-1]).sum()


def run(optimizer: Optimizer, params: list[Parameter], steps: range) -> None:
    """Take one step of the optimizer for each t in `steps`."""
    for t in steps:
        optimizer.zero_grad()
        objective(params, t).backward()
        optimizer.step()


def assert_same_run(
    manual: Optimizer, native: Optimizer, manual_params: list[Tensor], native_params: list[Tensor]
) -> None:
    """Compare the parameters and everything that the two optimizers remember."""
    for ours, theirs in zip(manual_params, native_params, strict=True):
        torch.testing.assert_close(ours.detach(), theirs.detach(), **TOLERANCE[ours.dtype])
    ours_state, theirs_state = manual.state_dict()["state"], native.state_dict()["state"]
    assert ours_state.keys() == theirs_state.keys()
    for index, theirs_entry in theirs_state.items():
        assert ours_state[index].keys() == theirs_entry.keys()
        for key, theirs in theirs_entry.items():
            tolerance = TOLERANCE[theirs.dtype]
            torch.testing.assert_close(ours_state[index][key], theirs, **tolerance, msg=key)


def assert_same_trajectory(
    manual_class: type[Optimizer],
    native_class: type[Optimizer],
    dtype: torch.dtype = torch.float64,
    **options: object,
) -> None:
    """Take 20 steps with each, and compare them after every one."""
    manual_params, native_params = make_params(dtype), make_params(dtype)
    manual = manual_class(manual_params, **options)
    native = native_class(native_params, **options)
    for t in range(20):
        run(manual, manual_params, range(t, t + 1))
        run(native, native_params, range(t, t + 1))
        assert_same_run(manual, native, manual_params, native_params)
    assert not torch.equal(manual_params[0], make_params(dtype)[0])
