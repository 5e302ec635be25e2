"""Hand-derived layers in a model that exists already: put in, and taken out again.

A layer of manualnn is a subclass of its twin that overrides ``forward`` alone, so conversion is a
change of class. The object stays: parameters, buffers, hooks, names, the optimizer that holds the
parameters, and modules that are used twice.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import cache, wraps
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize

import manualnn
from manualnn import vision
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

    Modules of torch.nn's own classes are replaced; instances of subclasses stay as they are. What
    the model's forward pass calls as a function (``F.relu(x)``, ``x + y``) is led to manualnn's
    functions while it runs.

    What runs again outside the forward pass is not led: give ``torch.utils.checkpoint.checkpoint``
    a ``context_fn`` that returns ``nullcontext(), hand_derived()``.

    Args:
        model: any module; its state_dict keeps its keys and tensors.
        include: patterns of module names (``"layer1.*"``) and classes, one of which must fit.
        exclude: patterns and classes, none of which may fit. A layer that is left out stays
            torch's, functional calls and all.
        functional: lead functional calls as well.

    Returns:
        The same model.

    Raises:
        TypeError: if it is not a module.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"convert takes an nn.Module, but got {type(model).__name__}")
    for module, names in _names(model).items():
        cls = class_of(module)
        theirs = cls.plain if issubclass(cls, WithCalls) else cls
        if _fits(names, module, include) and not _fits(names, module, exclude):
            set_class(module, twins().get(theirs, cls))
        elif functional and cls in twins():
            set_class(module, _with_torch_calls(cls))
    if functional and not isinstance(model, (*twins().values(), WithCalls)):
        set_class(model, _with_hand_derived_calls(class_of(model)))
    return model


def revert(model: Model) -> Model:
    """Put torch.nn's layers back, in the model itself.

    Args:
        model: a model, converted or not; it can be used without manualnn afterwards.

    Returns:
        The same model.
    """
    theirs = {ours: twin for twin, ours in twins().items()}
    for module in model.modules():
        cls = class_of(module)
        while issubclass(cls, Remade):
            cls = cls.plain
        set_class(module, theirs.get(cls, cls))
    return model


def twins() -> dict[type[nn.Module], type[nn.Module]]:
    """Ours for each class of torch.nn that there is one for, and of torchvision if it is in use."""
    of_torch, torchvision = _twins_of(nn, manualnn), sys.modules.get("torchvision")
    return of_torch | _twins_of(torchvision.ops, vision) if torchvision else of_torch


@cache
def _twins_of(theirs: ModuleType, ours: ModuleType) -> dict[type[nn.Module], type[nn.Module]]:
    """The classes of the same name in two modules."""
    pairs = {getattr(theirs, n): getattr(ours, n) for n in ours.__all__ if hasattr(theirs, n)}
    return {twin: cls for twin, cls in pairs.items() if isinstance(cls, type)}


def _names(model: nn.Module) -> dict[nn.Module, list[str]]:
    """Every module of a model with all the names that it has there."""
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(name)
    return names


def _fits(names: Sequence[str], module: nn.Module, which: Sequence[Which]) -> bool:
    patterns = [one for one in which if isinstance(one, str)]
    classes = tuple(one for one in which if not isinstance(one, str))
    named = any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
    return named or isinstance(module, classes)


def class_of(module: nn.Module) -> Any:
    """The module's class; a parametrized one has a class of its own over it."""
    cls = type(module)
    return cls.__bases__[0] if parametrize.is_parametrized(module) else cls


def set_class(module: Any, cls: Any) -> None:
    """Change the module's class; a parametrized one keeps its parametrizations."""
    for name in getattr(class_of(module), "found", ()):
        module.__dict__.pop(name, None)
    if not parametrize.is_parametrized(module):
        module.__class__ = cls
    elif class_of(module) is not cls:
        named = f"Parametrized{cls.__name__}"
        module.__class__ = type(named, (cls,), dict(vars(type(module))))


class Remade(nn.Module):
    """A module of a class made for it, of which pickle knows nothing; comes before its class.

    Attributes:
        plain: the class that it was made for.
        made_by: makes it of that class.
        found: names of what the module keeps that belongs to this class alone.
    """

    plain: Any
    made_by: Any
    found: tuple[str, ...] = ()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickled by the class that this one was made for, and what made it of that."""
        state: Any = super().__reduce_ex__(2)[2]
        cls: Any = type(self)
        makers: list[Any] = []
        while issubclass(cls, Remade):
            makers.append(cls.made_by)
            cls = cls.plain
        return _new, (cls, *reversed(makers)), state


class WithCalls(Remade):
    """A module in whose forward pass functional calls go one way."""

    def add_module(self, name: str, module: nn.Module | None) -> None:
        """As any module's; ``torch.nn.SyncBatchNorm.convert_sync_batchnorm`` comes by here."""
        if module and any(type(layer) is nn.SyncBatchNorm for layer in module.modules()):
            warnings.warn(
                "torch.nn.SyncBatchNorm was put into a model of hand-derived layers (by "
                "Trainer(sync_batchnorm=True)?); manualnn.SyncBatchNorm.convert_sync_batchnorm or, "
                "in Lightning, Trainer(plugins=[manualnn.lightning.LayerSync()]) puts ours in",
                stacklevel=2,
            )
        super().add_module(name, module)


@cache
def _with_hand_derived_calls(cls: Any) -> Any:
    """The class of a model whose forward pass leads functional calls to manualnn."""
    return _with_calls(cls, hand_derived, _with_hand_derived_calls)


@cache
def _with_torch_calls(cls: Any) -> Any:
    """The class of a layer that was left out: what its forward pass calls is led nowhere."""
    return _with_calls(cls, torch._C.DisableTorchFunction, _with_torch_calls)


def _with_calls(cls: Any, surroundings: Callable[[], Any], made_by: Callable[[Any], Any]) -> Any:
    @wraps(cls.forward)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with surroundings():
            return cls.forward(self, *args, **kwargs)

    named = {"plain": cls, "made_by": staticmethod(made_by), "forward": forward}
    named |= {"__module__": cls.__module__, "__doc__": cls.__doc__}
    return type(cls.__name__, (WithCalls, cls), named)


def _new(cls: Any, *makers: Callable[[Any], Any]) -> nn.Module:
    """An empty module of the class made of this one, for pickle and deepcopy to fill."""
    for make in makers:
        cls = make(cls)
    return cls.__new__(cls)
