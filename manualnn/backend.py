"""How formulas are computed: step by step, or each compiled into one kernel.

A formula such as Eq. 65 takes several steps, and each of them reads its operands from memory and
writes its result there. ``torch.compile`` makes one loop of them. It is the same formula, line by
line; where no C++ compiler is at hand, or the formula itself is differentiated, traced or
transformed, the steps are taken one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache, lru_cache, wraps
from types import FunctionType
from typing import Any, Literal, ParamSpec, TypeVar

import torch
from torch import Tensor

from manualnn.autograd import is_unwatched

P = ParamSpec("P")
R = TypeVar("R")

BACKENDS = "eager", "inductor"


class _Chosen:
    """The backend in use, for all threads: a backward pass may run in another one."""

    name: str = "eager"


class backend:
    """Choose how the formulas of layers and losses are computed.

    As a call it holds from now on, as a context manager until the end of the block. What counts is
    when a formula is computed: a block has to have the backward pass in it.

    Args:
        name: "eager", step by step; or "inductor", each formula compiled by :func:`torch.compile`
            the first time that it meets a shape, which takes seconds.

    Raises:
        ValueError: if there is no such backend.
        RuntimeError: if "inductor" cannot compile here, as there is no C++ compiler.

    >>> with backend("eager"):
    ...     torch.relu(torch.zeros(1))
    tensor([0.])
    """

    def __init__(self, name: Literal["eager", "inductor"]) -> None:
        """Takes effect at once."""
        if name not in BACKENDS:
            raise ValueError(f"there are the backends {' and '.join(BACKENDS)}, but got {name!r}")
        if name == "inductor":
            _require_compiler()
        self.name, self.before = name, _Chosen.name
        _Chosen.name = name

    def __enter__(self) -> None:
        """It is in effect, from the call on or again."""
        _Chosen.name = self.name

    def __exit__(self, *_: object) -> None:
        """What was chosen before is chosen again."""
        _Chosen.name = self.before


def formula(function: Callable[P, R]) -> Callable[P, R]:
    """A pure function of tensors and hashable options, called by position, which may be compiled.

    It is compiled where values alone are wanted, once for all tensors of the same shapes, strides
    and types.
    """

    @wraps(function)
    def compute(*args: P.args, **kwargs: P.kwargs) -> R:
        if _Chosen.name == "eager" or not is_unwatched():
            return function(*args, **kwargs)
        return _compiled(function, tuple(map(_kind, args)))(*args, **kwargs)

    return compute


def _kind(value: Any) -> Hashable:
    """What a compiled function depends on."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device
    return value


@lru_cache(maxsize=512)  # shapes beyond that are compiled again
def _compiled(function: Any, kinds: tuple[Hashable, ...]) -> Callable[..., Any]:
    """The function compiled for itself: torch gives up on one that met too many shapes."""
    alone = FunctionType(
        function.__code__.replace(),  # a new object, by which torch counts
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    return torch.compile(alone, fullgraph=True, dynamic=False)


@cache
def _require_compiler() -> None:
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(2))
    except Exception as error:
        raise RuntimeError(
            'backend("inductor") compiles C++, which failed here; install a compiler (on Debian '
            "and Ubuntu: sudo apt install g++), name one in the environment variable CXX, or stay "
            f'with backend("eager"). {type(error).__name__}: {error}'
        ) from error
