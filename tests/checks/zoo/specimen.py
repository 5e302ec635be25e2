"""What a specimen is, and how a layer is bred with one bug in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.autograd import Function

CAUSES = {
    # the gradient is wrong
    "wrong-sign",
    "constant-factor",
    "mean-for-sum",
    "sum-for-mean",
    "missing-sum",
    "extra-sum",
    "missing-factor",
    "transposed",
    "kernel-not-rotated",
    "stride-ignored",
    "dilation-ignored",
    "shifted-by-one",
    "groups-mixed",
    "overlap-overwritten",
    "ties-shared",
    "mask-inverted",
    "at-output",
    "variance-exponent",
    "mean-constant",
    "variance-constant",
    "biased-for-unbiased",
    "running-statistics",
    "wrong-order",
    "wrong-tensor",
    "detached",
    "precision",
    "nonzero-where-zero",
    "nonfinite",
    "not-reduced",
    # the gradient is right, the conduct is not
    "changes-cotangent",
    "changes-input",
    "keeps-tensors-on-ctx",
    "state-in-forward",
    "assumes-contiguous",
}


@dataclass(frozen=True)
class Specimen:
    """A module with at most one bug, and what is wrong with it ("" for nothing)."""

    name: str
    cause: str
    build: Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]

    def __str__(self) -> str:
        return self.name


class Layer:
    """A layer written right, and the bugs planted in it.

    An input is a shape, filled with random numbers, or a function that makes a tensor.
    """

    def __init__(self, name, module, function, *inputs):
        self.name, self.module, self.function, self.inputs = name, module, function, inputs
        self.healthy = Specimen(name, "", partial(_build, module, function, inputs))
        self.bugs = []

    def bug(self, cause, *inputs):
        """Plant a backward, or a class that replaces the Function or the module."""

        def plant(wrong):
            module, function = self.module, self.function
            if not isinstance(wrong, type):
                function = type(function.__name__, (function,), {"backward": staticmethod(wrong)})
            elif issubclass(wrong, Function):
                function = wrong
            else:
                module = wrong
            build = partial(_build, module, function, inputs or self.inputs)
            self.bugs.append(Specimen(f"{self.name}: {_in_words(wrong.__name__)}", cause, build))
            return wrong

        return plant


class Plain(nn.Module):
    """A module without parameters."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function.apply(*inputs)


def random(*shape):
    return torch.randn(shape, dtype=torch.float64)


def parameter(*shape):
    return nn.Parameter(random(*shape))


def _build(module, function, inputs):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built = module(function)
        return built, tuple(spec() if callable(spec) else random(*spec) for spec in inputs)


def _in_words(name):
    return re.sub(r"_|(?<!^)(?=[A-Z])", " ", name).lower()
