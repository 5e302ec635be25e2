"""Functional calls led to the hand-derived functions: ``F.relu(x)``, ``x + y``, ``torch.cat``...

PyTorch tells a TorchFunctionMode of every public call, with the function and its arguments. Ours
looks the function up in a table, and calls what it finds there instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from manualnn import functional

# Functions that torch and torch.Tensor have with the arguments that they have in ours.
SAME_ARGUMENTS = (
    "adaptive_avg_pool1d", "add", "add_", "avg_pool1d", "cat", "celu", "chunk", "conv1d", "conv2d",
    "conv3d", "flatten", "max_pool1d", "mean", "mul", "prelu", "relu", "selu", "sigmoid", "split",
    "tanh",
)  # fmt: skip


@contextmanager
def hand_derived() -> Iterator[None]:
    """Lead functional calls to manualnn's functions, in a block or, as a decorator, a function.

    Only calls on real floating-point tensors are led; whatever manualnn has no function for stays
    torch's.

    >>> x = torch.ones(2, requires_grad=True)
    >>> with hand_derived():
    ...     y = torch.relu(x) + x
    >>> y.grad_fn.name()
    'AddFunctionBackward'
    """
    with _Routing():
        yield


class _Routing(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        ours = ROUTES.get(func)
        if ours is None or "out" in kwargs or not _is_real([*args, *kwargs.values()]):
            return func(*args, **kwargs)
        return ours(*args, **kwargs)


def _routes() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Ours for each of torch's functions that there is one for."""
    table: dict[Callable[..., Any], Callable[..., Any]] = {}
    for name in functional.__all__:
        if hasattr(torch.nn.functional, name):
            table[getattr(torch.nn.functional, name)] = getattr(functional, name)
        with_indices = getattr(torch.nn.functional, f"{name}_with_indices", None)
        if with_indices:  # what pooling becomes where return_indices is True
            table[with_indices] = _with_indices(getattr(functional, name))
    for name in set(SAME_ARGUMENTS) & set(functional.__all__):
        for namespace in (torch, torch.Tensor):
            if hasattr(namespace, name):
                table[getattr(namespace, name)] = getattr(functional, name)
    table[torch.relu_] = table[torch.Tensor.relu_] = _relu_
    table[torch.Tensor.mul_] = _mul_
    table[torch.softmax] = table[torch.Tensor.softmax] = _softmax
    table[torch.log_softmax] = table[torch.Tensor.log_softmax] = _log_softmax
    return table


def _with_indices(pool: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: pool(*args, **{**kwargs, "return_indices": True})


def _relu_(input: Tensor) -> Tensor:
    return functional.relu(input, inplace=True)


def _mul_(input: Tensor, other: Tensor | float) -> Tensor:
    return input.copy_(functional.mul(input.clone(), other))


def _softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    return functional.softmax(input, dim, dtype=dtype)


def _log_softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    return functional.log_softmax(input, dim, dtype=dtype)


def _is_real(args: list[Any]) -> bool:
    """Whether the first tensor that holds no integers, alone or in a list, holds real numbers."""
    every = [one for arg in args for one in (arg if isinstance(arg, (tuple, list)) else [arg])]
    numbers = [
        t for t in every if isinstance(t, Tensor) and (t.is_floating_point() or t.is_complex())
    ]
    return bool(numbers) and numbers[0].is_floating_point()


ROUTES = _routes()
