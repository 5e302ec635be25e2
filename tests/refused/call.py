"""One refused call, and the words in which the tables of this folder describe many.

A table is a list named REFUSED, in the file of its family; tests/test_errors.py gathers them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

Called = Callable[..., Tensor]
FLOAT64, INTEGERS, COMPLEX = torch.float64, torch.int64, torch.complex64


@dataclass(frozen=True)
class BadCall:
    """A layer or function of either namespace, and inputs that it must refuse.

    An input is a tensor, or the shape of a random one. The message of the error must contain
    ``value``, what was wrong, and ``fits``, what would have been right. Where ``torch_refuses`` is
    false, torch computes something else than was asked without a word, or nothing.
    """

    about: str
    layer: Callable[[ModuleType], Called]
    inputs: tuple[tuple[int, ...] | Tensor, ...]
    error: type[Exception]
    value: str
    fits: str
    torch_refuses: bool

    def __str__(self) -> str:
        return self.about

    def tensors(self) -> list[Tensor]:
        return [i.clone() if isinstance(i, Tensor) else torch.randn(i) for i in self.inputs]


def bad(about, layer, *inputs, error=RuntimeError, value, fits, torch_refuses=True):
    return BadCall(about, layer, inputs, error, value, fits, torch_refuses)


def layer(name: str, *arguments: Any, training: bool = True, **options: Any):
    """A layer of torch.nn and of manualnn."""
    return lambda n: getattr(n, name)(*arguments, **options).train(training)


def function(name: str, *arguments: Any, **options: Any):
    """A function of torch.nn.functional and of manualnn.functional, its inputs still to come."""
    return lambda n: lambda *inputs: getattr(n.functional, name)(*inputs, *arguments, **options)


def weighted(name: str):
    """A loss of either namespace, whose third input is its weight."""
    return lambda n: lambda x, y, weight: getattr(n.functional, name)(x, y, weight=weight)


def plane(axes: int, *leading: int, size: int = 5) -> tuple[int, ...]:
    """The leading sizes, then so many axes of the same size."""
    return (*leading, *(size,) * axes)


def classes(*indices: Any, dtype: torch.dtype = torch.int64) -> Tensor:
    """A target of class indices."""
    return torch.tensor(indices, dtype=dtype)


def of_one_dtype(name: str, layer: Callable, shape: tuple[int, ...]) -> list[BadCall]:
    """What a float32 layer refuses whose input and parameters must have one dtype."""
    return [
        bad(f"{name}: float64 input", layer, torch.ones(shape, dtype=FLOAT64),
            value="torch.float64, torch.float32", fits="one dtype"),
        bad(f"{name}: integers", layer, torch.ones(shape, dtype=INTEGERS),
            value="torch.int64", fits="one dtype"),
        bad(f"{name}: complex input", layer, torch.ones(shape, dtype=COMPLEX),
            value="torch.complex64", fits="one dtype"),
    ]  # fmt: skip


def of_floating_point(name: str, layer: Callable, *shapes: tuple[int, ...]) -> list[BadCall]:
    """What a layer refuses that is for real floating-point numbers alone."""
    return [
        bad(f"{name}: {what}", layer, *(torch.ones(shape, dtype=dtype) for shape in shapes),
            error=NotImplementedError, value=str(dtype), fits="floating-point")
        for what, dtype in (("integers", INTEGERS), ("complex input", COMPLEX))
    ]  # fmt: skip
