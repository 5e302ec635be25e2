"""The layers that a recipe's net is built from."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

MODULES = {"manual": "manualnn", "torch": "torch.nn"}


def namespace(layers: str) -> ModuleType:
    """Returns ``manualnn`` for ``manual``, ``torch.nn`` for ``torch``."""
    return import_module(MODULES[layers])
