"""Hand-derived layers in a model that exists already: put in, and taken out again.

A layer of manualnn is a subclass of its twin that overrides ``forward`` alone, so conversion is a
change of class. The object stays: parameters, buffers, hooks, names, the optimizer that holds the
parameters, and modules that are used twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from functools import cache
from typing import Any, TypeVar

from torch import nn
from torch.nn.utils import parametrize

import manualnn
from manualnn.routing import hand_derived

Model = TypeVar("Model", bound=nn.Module)
Which = str | type[nn.Module]


def convert(
    model: Model,
    *,
    include: Sequence[Which] = ("*",),
    exclude: Sequence[Which] = (),
    functional: bool = True,
) -> Model:
    """Put hand-derived layers in place of torch.nn's, in the model itself.

    Modules of torch.nn's own classes are replaced; subclasses with a forward pass of their own stay
    as they are. What the model's forward pass calls as a function (``F.relu(x)``, ``x + y``) is led
    to manualnn's functions while it runs.

    Args:
        model: any module; its state_dict keeps its keys and tensors.
        include: patterns of module names (``"layer1.*"``) and classes, one of which must fit.
        exclude: patterns and classes, none of which may fit.
        functional: lead functional calls as well.

    Returns:
        The same model.

    Raises:
        TypeError: if it is not a module.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"convert takes an nn.Module, but got {type(model).__name__}")
    for name, module in model.named_modules():
        if _fits(name, module, include) and not _fits(name, module, exclude):
            _change_class(module, twins())
    if functional and not isinstance(model, (*twins().values(), _HandDerivedCalls)):
        cls: Any = type(model)
        _set_class(model, _with_hand_derived_calls(cls))
    return model


def revert(model: Model) -> Model:
    """Put torch.nn's layers back, in the model itself.

    Args:
        model: a model, converted or not; it can be used without manualnn afterwards.

    Returns:
        The same model.
    """
    for module in model.modules():
        if isinstance(module, _HandDerivedCalls):
            _set_class(module, type(module).plain)
        _change_class(module, {ours: theirs for theirs, ours in twins().items()})
    return model


@cache
def twins() -> dict[type[nn.Module], type[nn.Module]]:
    """Ours for each of torch.nn's classes that there is one for."""
    ours = {name: getattr(manualnn, name) for name in manualnn.__all__ if hasattr(nn, name)}
    return {getattr(nn, name): cls for name, cls in ours.items() if isinstance(cls, type)}


def _fits(name: str, module: nn.Module, which: Sequence[Which]) -> bool:
    return any(
        fnmatch(name, one) if isinstance(one, str) else isinstance(module, one) for one in which
    )


def _change_class(module: nn.Module, to: dict[type[nn.Module], type[nn.Module]]) -> None:
    cls: Any = type(module)
    if not parametrize.is_parametrized(module):
        _set_class(module, to.get(cls, cls))
    elif cls.__bases__[0] in to:  # a parametrized module has a class of its own over its layer's
        plain = to[cls.__bases__[0]]
        _set_class(module, type(f"Parametrized{plain.__name__}", (plain,), dict(vars(cls))))


def _set_class(module: Any, cls: type[nn.Module]) -> None:
    module.__class__ = cls


class _HandDerivedCalls(nn.Module):
    """A model whose forward pass leads functional calls to manualnn; comes before its class."""

    plain: type[nn.Module]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        with hand_derived():
            return super().forward(*args, **kwargs)

    def __reduce_ex__(self, protocol: Any) -> Any:
        state: Any = super().__reduce_ex__(2)[2]
        return _new, (self.plain,), state


@cache
def _with_hand_derived_calls(cls: Any) -> type[nn.Module]:
    named = {"plain": cls, "__module__": cls.__module__, "__doc__": cls.__doc__}
    return type(cls.__name__, (_HandDerivedCalls, cls), named)


def _new(cls: Any) -> nn.Module:
    """An empty model of this class with hand-derived calls, for pickle and deepcopy to fill."""
    made = _with_hand_derived_calls(cls)
    return made.__new__(made)
