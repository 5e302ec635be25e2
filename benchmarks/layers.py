"""Single layers over a range of shapes, and how their time grows."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

import manualnn
from benchmarks import measure

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A layer of torch.nn and the shape of its input."""

    name: str
    build: Callable[[], nn.Module]
    shape: Shape

    def __str__(self) -> str:
        return f"{self.name} {'x'.join(map(str, self.shape))}"

    def layer(self) -> nn.Module:
        """The layer, the same each time."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.build()

    def input(self, device: torch.device, memory_format: torch.memory_format) -> Tensor:
        """Random numbers, the same each time."""
        values = torch.randn(self.shape, generator=torch.Generator().manual_seed(0))
        if values.dim() == 4:
            values = values.contiguous(memory_format=memory_format)
        return values.to(device).requires_grad_()


def _conv(*arguments: int, **options: int) -> Callable[[], nn.Module]:
    return lambda: nn.Conv2d(*arguments, **options)


CASES = [
    Case("Conv2d 3x3", _conv(64, 64, 3), (100, 64, 24, 24)),
    Case("Conv2d 3x3", _conv(64, 64, 3, padding=1), (16, 64, 16, 16)),
    Case("Conv2d 3x3", _conv(128, 128, 3, padding=1), (16, 128, 8, 8)),
    Case("Conv2d 3x3", _conv(256, 256, 3, padding=1), (16, 256, 4, 4)),
    Case("Conv2d 3x3", _conv(512, 512, 3, padding=1), (16, 512, 2, 2)),
    Case("Conv2d 3x3, stride 2", _conv(64, 128, 3, padding=1, stride=2), (16, 64, 16, 16)),
    Case("Conv2d 1x1", _conv(64, 256, 1), (16, 64, 16, 16)),
    Case("Conv2d 1x1, stride 2", _conv(64, 128, 1, stride=2), (16, 64, 16, 16)),
    Case("Conv2d 3x3, of one channel", _conv(1, 64, 3), (100, 1, 28, 28)),
    Case("Conv2d 7x7, stride 2, of three", _conv(3, 64, 7, stride=2, padding=3), (16, 3, 64, 64)),
    Case("Conv2d 3x3, depthwise", _conv(64, 64, 3, padding=1, groups=64), (16, 64, 16, 16)),
    Case("Conv2d 5x5, depthwise", _conv(96, 96, 5, padding=2, groups=96), (16, 96, 8, 8)),
    Case("Conv2d 3x3, 4 groups", _conv(64, 64, 3, padding=1, groups=4), (16, 64, 16, 16)),
    Case("BatchNorm2d", lambda: nn.BatchNorm2d(64), (100, 64, 24, 24)),
    Case("BatchNorm2d", lambda: nn.BatchNorm2d(128), (16, 128, 16, 16)),
    Case("BatchNorm1d", lambda: nn.BatchNorm1d(128), (100, 128)),
    Case("ReLU", nn.ReLU, (100, 64, 24, 24)),
    Case("Hardswish", nn.Hardswish, (16, 96, 16, 16)),
    Case("GELU", nn.GELU, (16, 96, 16, 16)),
    Case("MaxPool2d 2x2", lambda: nn.MaxPool2d(2), (100, 64, 24, 24)),
    Case("MaxPool2d 3x3, stride 2", lambda: nn.MaxPool2d(3, 2, 1), (16, 64, 32, 32)),
    Case("AdaptiveAvgPool2d to 1x1", lambda: nn.AdaptiveAvgPool2d(1), (16, 512, 8, 8)),
    Case("Linear", lambda: nn.Linear(784, 128), (100, 784)),
    Case("Linear", lambda: nn.Linear(1024, 1024), (256, 1024)),
    Case("LayerNorm", lambda: nn.LayerNorm(512), (256, 512)),
    Case("LogSoftmax", lambda: nn.LogSoftmax(1), (4096, 1000)),
]

# name: the layer by its channels, and the shape for a batch, channels and pixels to a side
GROWING: dict[str, Callable[[int], nn.Module]] = {
    "Conv2d 3x3": lambda channels: nn.Conv2d(channels, channels, 3, padding=1),
    "BatchNorm2d": nn.BatchNorm2d,
    "MaxPool2d 2x2": lambda channels: nn.MaxPool2d(2),
}
MIDDLE = {"batch": 16, "channels": 64, "pixels": 24}
SIZES = {"batch": (4, 8, 16, 32, 64), "channels": (16, 32, 64, 128), "pixels": (12, 16, 24, 32, 48)}


def growing(name: str, along: str) -> list[Case]:
    """The cases of a layer along batch, channels or pixels to a side."""
    cases = []
    for size in SIZES[along]:
        batch, channels, pixels = (MIDDLE | {along: size}).values()
        build = partial(GROWING[name], channels)
        cases.append(Case(name, build, (batch, channels, pixels, pixels)))
    return cases


def slope(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """The exponent p of seconds = a size^p, by least squares of the logarithms."""
    x, y = ([math.log(value) for value in values] for values in (sizes, seconds))
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - middle_x) ** 2 for a in x)


def layer_rows(options: argparse.Namespace) -> Iterator[measure.Row]:
    """Measures single layers."""
    for case in CASES:
        yield {"layer": str(case)} | layer_times(case, options)


def layer_times(case: Case, options: argparse.Namespace) -> measure.Row:
    """Times and saved bytes of a layer and its twin."""
    theirs = case.layer().to(options.device).to(memory_format=options.memory_format)
    ours = manualnn.convert(case.layer()).to(options.device)
    ours = ours.to(memory_format=options.memory_format)
    x = case.input(options.device, options.memory_format)
    steps = [measure.training_step(layer, (x,)) for layer in (ours, theirs)]
    row = measure.as_row(measure.in_turns(*steps, options.pairs))
    saved = [measure.saved_bytes(layer, (x,)) for layer in (ours, theirs)]
    return row | {"saved": saved[0], "saved_torch": saved[1]}


def growth_rows(options: argparse.Namespace) -> Iterator[measure.Row]:
    """Measures how the time of a layer grows with one size of its input."""
    for name in GROWING:
        for along, sizes in SIZES.items():
            rows = [layer_times(case, options) for case in growing(name, along)]
            times = {who: [row[f"seconds{who}"] for row in rows] for who in ("", "_torch")}
            slopes = {f"slope{who}": slope(sizes, seconds) for who, seconds in times.items()}
            for size, row in zip(sizes, rows, strict=True):
                yield {"layer": name, "along": along, "size": size, **row, **slopes}
