"""Whole nets: the report's two, and two of torchvision's."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import torch
import torchvision.models
from torch import Tensor, nn

import manualnn
from benchmarks import measure
from recipes.digits.nets import cnn, fully_connected


@dataclass(frozen=True)
class Net:
    """A net and what it is fed with.

    Attributes:
        build: Makes it of torch.nn's layers.
        shape: Of a batch.
    """

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]

    def model(self) -> nn.Module:
        """The net, the same each time."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.build()

    def batch(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Images and labels, the same each time."""
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(self.shape, generator=generator)
        labels = torch.randint(10, self.shape[:1], generator=generator)
        return images.to(device), labels.to(device)


def resnet18() -> nn.Module:
    """ResNet-18 for ten classes."""
    return torchvision.models.resnet18(num_classes=10)


def mobilenet() -> nn.Module:
    """MobileNetV3-small for ten classes, its dropout left out: it draws random numbers."""
    return torchvision.models.mobilenet_v3_small(num_classes=10, dropout=0.0)


NETS = {
    "report's CNN": Net(lambda: cnn(nn), (100, 1, 28, 28)),
    "report's FCC": Net(lambda: fully_connected(nn), (100, 1, 28, 28)),
    "ResNet-18, 64x64": Net(resnet18, (16, 3, 64, 64)),
    "ResNet-18, 224x224": Net(resnet18, (4, 3, 224, 224)),
    "MobileNetV3-small, 64x64": Net(mobilenet, (16, 3, 64, 64)),
}

Change = Callable[[nn.Module], nn.Module]


@dataclass(frozen=True)
class Variant:
    """What is measured, and what it is held against.

    Attributes:
        ours: Makes ours of a net of torch.nn's layers.
        theirs: Makes the other.
        backend: Of our formulas.
    """

    ours: Change
    theirs: Change = lambda model: model
    backend: str = "eager"


def fused(model: nn.Module) -> nn.Module:
    """The net with our layers, runs of them as one Function."""
    return manualnn.fuse(manualnn.convert(model))


VARIANTS = {
    "converted": Variant(manualnn.convert),
    "fused": Variant(fused),
    "fused, inductor": Variant(fused, backend="inductor"),
    "compiled": Variant(lambda model: torch.compile(fused(model)), torch.compile),
}
OURS, THEIRS = 0, 1


def net_rows(options: argparse.Namespace) -> Iterator[measure.Row]:
    """Measures whole training steps: both passes, the loss and torch's SGD."""
    for name in NETS:
        for variant in options.variants:
            steps, saved = [], []
            with manualnn.backend(VARIANTS[variant].backend):
                for which in (OURS, THEIRS):
                    model, images, loss = prepared(name, variant, which, options)
                    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
                    steps.append(measure.training_step(model, (images,), loss, optimizer))
                    saved.append(measure.saved_bytes(model, (images,)))
                times = measure.in_turns(*steps, options.pairs)
            row: measure.Row = {"net": name, "variant": variant} | measure.as_row(times)
            row |= {"saved": saved[0], "saved_torch": saved[1], "saved_ratio": saved[0] / saved[1]}
            row |= {"peak": peak_apart(name, variant, OURS, options)}
            row |= {"peak_torch": peak_apart(name, variant, THEIRS, options)}
            torch.compiler.reset()
            yield row


def prepared(
    name: str, variant: str, which: int, options: argparse.Namespace
) -> tuple[nn.Module, Tensor, Callable[[Tensor], Tensor]]:
    """Returns our model or torch's, its images, and the loss of the same maker."""
    net, place = NETS[name], options.device
    model = net.model().to(place).to(memory_format=options.memory_format)
    images, labels = net.batch(place)
    loss = (manualnn.functional.cross_entropy, nn.functional.cross_entropy)[which]
    images = images.contiguous(memory_format=options.memory_format)
    change = (VARIANTS[variant].ours, VARIANTS[variant].theirs)[which]
    return change(model), images, partial(loss, target=labels)


def peak_apart(name: str, variant: str, which: int, options: argparse.Namespace) -> int | None:
    """Measures how much memory grows in a training step, in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(peak, name, variant, which, options).result()


def peak(name: str, variant: str, which: int, options: argparse.Namespace) -> int | None:
    """How much memory grows in the second training step."""
    model, images, loss = prepared(name, variant, which, options)
    step = measure.training_step(model, (images,), loss)
    with manualnn.backend(VARIANTS[variant].backend):
        step()
        return measure.peak_bytes(step, options.device)
