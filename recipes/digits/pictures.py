"""Pictures of what a net reads well, what it misreads, and what it looks for."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, nan
from pathlib import Path

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torchvision.utils import make_grid

from recipes.common.pictures import INK, PALE, learning_curves, new_figure
from recipes.digits.module import DigitReader
from recipes.digits.reading import Picture

COLUMNS = 8
MOST_MISREAD = 40
CARDS = 4


def confusion_matrix(counts: Tensor, classes: Sequence[str]) -> Figure:
    """Draws how often each class (row) was read as each class (column)."""
    shares = counts / counts.sum(1, keepdim=True).clamp_min(1)
    figure = new_figure(7, 6.6, "Confusion matrix")
    axes = figure.subplots()
    axes.imshow(shares.numpy(force=True), cmap="Blues", norm=PowerNorm(0.35, 0, 1))
    for row, column in torch.cartesian_prod(*map(torch.arange, counts.shape)).tolist():
        if count := int(counts[row, column]):
            color = "white" if row == column else INK
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=8)
    positions = range(len(classes))
    axes.set(xlabel="read as", ylabel="is")
    axes.set_xticks(positions, classes, rotation=90 if max(map(len, classes)) > 2 else 0)
    axes.set_yticks(positions, classes)
    axes.tick_params(length=0, colors=INK)
    axes.spines[:].set_color(PALE)
    return figure


def misread_digits(
    images: Tensor, labels: Tensor, probabilities: Tensor, classes: Sequence[str]
) -> Figure:
    """Draws the misread images, the surest mistakes first, with what was read and how surely.

    Args:
        images: (M, 1, H, W).
        labels: (M), the right classes.
        probabilities: (M, classes).
        classes: Names of the classes.
    """
    sureness, read = probabilities.max(1)
    order = sureness.argsort(descending=True)[:MOST_MISREAD]
    title = f"{len(images)} misread"
    if len(images) > MOST_MISREAD:
        title += f", the {MOST_MISREAD} surest"
    figure, axes = _page(1.15 * COLUMNS, 1.55 * max(1, ceil(len(order) / COLUMNS)), title)
    for place, index in enumerate(order.tolist()):
        left, top = 1.15 * (place % COLUMNS), 1.55 * (place // COLUMNS)
        _draw(axes, images[index, 0].numpy(force=True), left, top + 0.4, "gray_r")
        text = f"{classes[int(labels[index])]} read as {classes[int(read[index])]}\n"
        text += f"{100 * sureness[index]:.0f} %"
        axes.text(left + 0.5, top + 0.2, text, ha="center", va="center", fontsize=8, color=INK)
    return figure


def kernels(weight: Tensor) -> Figure:
    """Draws the first layer's kernels (N, 1, k, k), or its rows (N, H * W) for square images."""
    side = round(weight[0].numel() ** 0.5)
    tiles = weight.detach().cpu().float().reshape(-1, 1, side, side)
    columns = min(len(tiles), 16)
    mosaic = make_grid(tiles, nrow=columns, padding=1, pad_value=nan)
    largest = tiles.abs().max().item()
    height = 1 + 8 * mosaic.shape[1] / mosaic.shape[2]
    figure = new_figure(9, height, f"The first layer's {len(tiles)} kernels, {side} x {side}")
    axes = figure.subplots()
    drawn = axes.imshow(mosaic[0].numpy(), cmap="RdBu_r", vmin=-largest, vmax=largest)
    figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=30).outline.set_visible(False)
    axes.axis("off")
    return figure


def sheet(pictures: Sequence[Picture], probabilities: Tensor, classes: Sequence[str]) -> Figure:
    """Draws each picture beside what the net saw of it, under what was read and how surely."""
    columns = min(len(pictures), CARDS)
    rows = ceil(len(pictures) / columns)
    figure, axes = _page(2.4 * columns, 1.6 * rows, "What was read")
    for place, (picture, shares) in enumerate(zip(pictures, probabilities, strict=True)):
        left, top = 2.4 * (place % columns), 1.6 * (place // columns)
        _draw(axes, picture.original, left, top + 0.3, "gray")
        _draw(axes, picture.image, left + 1.05, top + 0.3, "gray")
        reading = f"{classes[int(shares.argmax())]}   {100 * shares.max():.1f} %"
        axes.text(left + 1, top + 0.15, reading, ha="center", va="center", color=INK)
        name = picture.path.name
        axes.text(left + 1, top + 1.4, name, ha="center", va="center", fontsize=6, color=INK)
    return figure


def _page(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """Returns one plane of width x height inches to draw on, its corner (0, 0) above left."""
    figure = new_figure(width + 0.3, height + 0.7, title)
    axes = figure.subplots()
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", autoscale_on=False)
    axes.axis("off")
    return figure, axes


def _draw(axes: Axes, image: np.ndarray, left: float, top: float, colors: str) -> None:
    """Draws an image, framed, in the middle of a square of one inch."""
    height, width = np.array(image.shape) / max(image.shape)
    left, top = left + (1 - width) / 2, top + (1 - height) / 2
    axes.imshow(image, colors, extent=(left, left + width, top + height, top))
    axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=PALE, linewidth=0.5))


class Pictures(Callback):
    """Draws the run's pictures into its folder.

    Args:
        classes: Names of the classes.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = classes

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        metrics = Path(trainer.log_dir or trainer.default_root_dir) / "metrics.csv"
        for logger in trainer.loggers:
            logger.save()
        if trainer.is_global_zero and metrics.exists():
            learning_curves(metrics, "accuracy").savefig(metrics.with_name("curves.png"))

    def on_test_end(self, trainer: Trainer, module: LightningModule) -> None:
        assert isinstance(module, DigitReader)
        confusion, misread = module.confusion.compute(), module.misread.compute()
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        if trainer.is_global_zero:
            first = next(weight for weight in module.net.parameters() if weight.ndim > 1)
            confusion_matrix(confusion, self.classes).savefig(folder / "confusion.png")
            misread_digits(*misread, self.classes).savefig(folder / "misread.png")
            kernels(first).savefig(folder / "kernels.png")
