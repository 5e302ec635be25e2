"""ResNet-18 learns handwritten digits twice, with torch.nn's layers and converted: do both agree?

    python -m benchmarks.loss_curves [--steps 100] [--to FOLDER]

Both nets have the same weights and see the same batches, 32 images of 32 x 32 pixels, in float64
and in float32. Writes loss_curves.csv and loss_curves.png, and prints the largest distance.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18

import manualnn
from recipes.common.pictures import BLUE, ORANGE, new_figure
from recipes.digits.data import load

BATCH = 32
FOLDER = Path("runs/loss_curves")


def batches(steps: int, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """The same digits in the same order every time: (32, 3, 32, 32) from 0 to 1, and (32)."""
    images, labels = load("embedded", Path())[0].tensors
    generator = torch.Generator().manual_seed(0)
    made = []
    for _ in range(steps):
        drawn = torch.randint(len(images), (BATCH,), generator=generator)
        pixels = F.pad(images[drawn], (2, 2, 2, 2)).to(dtype) / 255
        made.append((pixels.expand(-1, 3, -1, -1), labels[drawn]))
    return made


def losses(net: nn.Module, data: list[tuple[Tensor, Tensor]]) -> list[float]:
    """The loss of every step of stochastic gradient descent."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    curve = []
    for images, labels in data:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve


def draw(curves: dict[str, list[float]]) -> Figure:
    """The losses in float32, and the relative distances of both precisions."""
    figure = new_figure(9, 3.8, "ResNet-18 with torch.nn's layers and with hand-derived ones")
    left, right = figure.subplots(1, 2)
    left.plot(curves["torch float32"], color=ORANGE, linewidth=3, label="torch.nn")
    left.plot(curves["manualnn float32"], color=BLUE, linestyle="--", label="manualnn")
    left.set(xlabel="step", ylabel="loss, float32")
    for dtype, color in (("float32", ORANGE), ("float64", BLUE)):
        right.semilogy(distances(curves, dtype), color=color, label=dtype)
    right.set(xlabel="step", ylabel="relative distance of the losses")
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def distances(curves: dict[str, list[float]], dtype: str) -> list[float]:
    """|ours - theirs| / theirs at every step."""
    pairs = zip(curves[f"manualnn {dtype}"], curves[f"torch {dtype}"], strict=True)
    return [abs(ours - theirs) / theirs for ours, theirs in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loss_curves")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--to", type=Path, default=FOLDER, metavar="FOLDER")
    arguments = parser.parse_args()
    curves = {}
    for dtype in ("float64", "float32"):
        data = batches(arguments.steps, getattr(torch, dtype))
        for name, prepare in (("torch", manualnn.revert), ("manualnn", manualnn.convert)):
            torch.manual_seed(0)
            net = resnet18(num_classes=10).to(getattr(torch, dtype))
            curves[f"{name} {dtype}"] = losses(prepare(net), data)
        print(f"{dtype}: largest relative distance {max(distances(curves, dtype)):.1e}")
    arguments.to.mkdir(parents=True, exist_ok=True)
    with (arguments.to / "loss_curves.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *curves])
        writer.writerows(
            [step, *each] for step, each in enumerate(zip(*curves.values(), strict=True))
        )
    draw(curves).savefig(arguments.to / "loss_curves.png")


if __name__ == "__main__":
    main()
