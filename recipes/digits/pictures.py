"""Pictures of what a net reads well, what it misreads, and what it looks for."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, nan
from pathlib import Path

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import make_grid

from recipes.common.pictures import INK, PALE, learning_curves, new_figure
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
            axes.text(column, row, count, ha="center", va="center", color=color, fontsize=8)
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
    order = sureness.argsort(descending=True)[:MOST_MISREAD].tolist()
    title = f"{len(images)} misread" + (
        f", the {MOST_MISREAD} surest" if len(images) > MOST_MISREAD else ""
    )
    rows = max(1, ceil(len(order) / COLUMNS))
    figure = new_figure(9, 0.6 + 1.45 * rows, title)
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, index in zip(grid, order, strict=False):
        axes.imshow(images[index, 0].numpy(force=True), cmap="gray_r")
        axes.set_title(
            f"{classes[labels[index]]} read as {classes[read[index]]}\n{100 * sureness[index]:.0f} %",
            fontsize=8,
            color=INK,
        )
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
    rows = ceil(len(pictures) / CARDS)
    figure = new_figure(10, 0.6 + 1.6 * rows, "What was read")
    cards = figure.subfigures(rows, CARDS, squeeze=False).flat
    sureness, read = probabilities.max(1)
    for card, picture, digit, probability in zip(cards, pictures, read, sureness, strict=False):
        card.suptitle(f"{classes[digit]}   {100 * probability:.1f} %", fontsize=11, color=INK)
        card.supxlabel(picture.path.name, fontsize=6, color=INK)
        for axes, image in zip(card.subplots(1, 2), (picture.original, picture.image), strict=True):
            axes.imshow(image, cmap="gray")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(PALE)
    return figure


class Pictures(Callback):
    """Draws the run's pictures into its folder."""

    def on_test_end(self, trainer: Trainer, module: LightningModule) -> None:
        confusion, misread = module.confusion.compute(), module.misread.compute()
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        if not trainer.is_global_zero:
            return
        classes = trainer.datamodule.classes
        confusion_matrix(confusion, classes).savefig(folder / "confusion.png")
        misread_digits(*misread, classes).savefig(folder / "misread.png")
        first = next(weight for weight in module.net.parameters() if weight.ndim > 1)
        kernels(first).savefig(folder / "kernels.png")

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        metrics = Path(trainer.log_dir or trainer.default_root_dir) / "metrics.csv"
        for logger in trainer.loggers:
            logger.save()
        if trainer.is_global_zero and metrics.exists():
            learning_curves(metrics, "accuracy").savefig(metrics.with_name("curves.png"))
