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

from manualnn import functional
from manualnn.autograd import Leading
from manualnn.layers.arithmetic import require_castable

# Functions that torch and torch.Tensor have with the arguments that they have in ours.
SAME_ARGUMENTS = (
    "adaptive_avg_pool1d", "add", "add_", "avg_pool1d", "cat", "celu", "chunk", "conv1d", "conv2d",
    "conv3d", "flatten", "max_pool1d", "mean", "mul", "prelu", "relu", "selu", "sigmoid", "split",
    "tanh",
)  # fmt: skip

IN_PLACE = ("celu", "elu", "hardtanh", "leaky_relu", "selu")  # F.elu_ and so on
NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}  # torch takes both


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


class _Routing(Leading):
    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        ours, kwargs = ROUTES.get(func), kwargs or {}
        if ours is None or "out" in kwargs:
            return func(*args, **kwargs)
        if not (_are_plain(types) and _are_real([*args, *kwargs.values()])):
            return func(*args, **kwargs)
        return ours(*args, **{NUMPY_NAMES.get(name, name): v for name, v in kwargs.items()})


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
    for name in IN_PLACE:
        table[getattr(torch.nn.functional, f"{name}_")] = _in_place(getattr(functional, name))
    table[torch.concat] = table[torch.concatenate] = functional.cat
    table[torch.multiply] = table[torch.Tensor.multiply] = functional.mul
    table[torch.relu_] = table[torch.Tensor.relu_] = _relu_
    table[torch.Tensor.mul_] = _mul_
    table[torch.softmax] = table[torch.Tensor.softmax] = _softmax
    table[torch.log_softmax] = table[torch.Tensor.log_softmax] = _log_softmax
    return table


def _with_indices(pool: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: pool(*args, **{**kwargs, "return_indices": True})


def _in_place(activation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: activation(*args, **kwargs, inplace=True)


def _relu_(input: Tensor) -> Tensor:
    return functional.relu(input, inplace=True)


def _mul_(input: Tensor, other: Tensor | float) -> Tensor:
    require_castable(input, other)
    return input.copy_(functional.mul(input.clone(), other))


def _softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    return functional.softmax(input, dim, dtype=dtype)


def _log_softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    return functional.log_softmax(input, dim, dtype=dtype)


def _are_plain(types: Any) -> bool:
    """Whether there is no tensor of a class that has functions of its own."""
    return all(cls in (Tensor, torch.nn.Parameter) for cls in types)


def _are_real(values: list[Any]) -> bool:
    """Whether some tensor, alone or in a list, holds real numbers, and nothing complex ones."""
    every = [
        one for value in values for one in (value if isinstance(value, (tuple, list)) else [value])
    ]
    tensors = [one for one in every if isinstance(one, Tensor)]
    is_complex = any(t.is_complex() for t in tensors) or any(isinstance(v, complex) for v in every)
    return any(t.is_floating_point() for t in tensors) and not is_complex


ROUTES = _routes()
