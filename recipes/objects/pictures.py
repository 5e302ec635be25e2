"""Pictures of what a detector finds, how well, what fires, and where it goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from recipes.common.pictures import INK, PALE, learning_curves, new_figure
from recipes.objects.boxes import surest
from recipes.objects.mistakes import KINDS, RIGHT
from recipes.objects.module import ObjectFinder
from recipes.objects.scenes import objects_of

ROWS = 5
COLUMNS = 8
SIDE = 3.2  # inches of a picture's width


def colors(classes: int) -> list[tuple[float, ...]]:
    """Returns a colour for each class."""
    if classes <= 10:
        return [colormaps["tab10"](number) for number in range(classes)]
    return [colormaps["hsv"](number / classes) for number in range(classes)]


def side_by_side(
    pictures: Tensor,
    truth: Sequence[dict[str, Tensor]],
    found: Sequence[dict[str, Tensor]],
    heat: Tensor,
    classes: Sequence[str],
) -> Figure:
    """Draws in a row for each picture: its objects, the detections, and how strongly cells fire.

    Args:
        pictures: (N, 3, H, W), from 0 to 1.
        truth: ``boxes`` and ``labels`` of each picture.
        found: ``boxes``, ``scores`` and ``labels`` of each picture.
        heat: (N, rows, columns), the cells' highest score.
        classes: Names of the classes.
    """
    height, width = pictures.shape[-2:]
    tall = 0.9 + len(pictures) * (SIDE * height / width + 0.1)
    figure = new_figure(3 * SIDE + 0.8, tall, "Truth, what was found, and what fires")
    rows = figure.subplots(len(pictures), 3, squeeze=False)
    for number, axes in enumerate(rows):
        picture = pictures[number].permute(1, 2, 0).numpy(force=True)
        for one in axes:
            one.imshow(picture, vmin=0, vmax=1)
            one.axis("off")
        draw_boxes(axes[0], truth[number], classes)
        draw_boxes(axes[1], found[number], classes)
        shown = axes[2].imshow(
            heat[number].numpy(force=True),
            cmap="inferno",
            alpha=0.75,
            vmin=0,
            vmax=1,
            extent=(0, width, height, 0),
        )
    for axes, title in zip(rows[0], ("truth", "found", "score of each cell"), strict=True):
        axes.set_title(title, color=INK, fontsize=10)
    figure.colorbar(shown, ax=rows[:, 2], shrink=0.5, aspect=40).outline.set_visible(False)
    return figure


def draw_boxes(axes: Axes, objects: dict[str, Tensor], classes: Sequence[str]) -> None:
    """Draws the boxes of a picture with their classes and, where there are any, scores."""
    palette = colors(len(classes))
    for place, (box, label) in enumerate(
        zip(objects["boxes"].tolist(), objects["labels"].tolist(), strict=True)
    ):
        left, top, right, bottom = box
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, lw=1.2)
        frame.set_edgecolor(palette[label])
        axes.add_patch(frame)
        text = classes[label]
        if "scores" in objects:
            text += f" {100 * objects['scores'][place]:.0f}"
        label_box = {"facecolor": palette[label], "edgecolor": "none", "pad": 0.6}
        axes.text(left, top, text, color="white", fontsize=6, va="bottom", bbox=label_box)


def precision_recall(precision: Tensor, classes: Sequence[str]) -> Figure:
    """Draws the precision at each recall, for boxes that match by half.

    Args:
        precision: (101, classes), at recalls 0, 0.01, ..., 1; -1 where a class has no objects.
        classes: Names of the classes.
    """
    figure = new_figure(6, 5, "Precision and recall, boxes that match by half")
    axes = figure.subplots()
    recall = torch.linspace(0, 1, len(precision))
    for curve, name, color in zip(precision.t(), classes, colors(len(classes)), strict=True):
        if curve.min() >= 0:
            label = f"{name}: {curve.mean():.3f}"
            axes.plot(recall.numpy(), curve.numpy(force=True), color=color, label=label)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall: share of the objects that are found")
    axes.set_ylabel("precision: share of the detections that are right")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=PALE, linewidth=0.5)
    axes.legend(frameon=False, labelcolor=INK, title="area under the curve", loc="lower left")
    return figure


def mistakes(
    counts: Tensor, patches: Tensor, kinds: Tensor, scores: Tensor, shown: float
) -> Figure:
    """Draws for each kind of mistake how many there are, and the surest of them.

    Args:
        counts: (6), by ``KINDS``.
        patches: (W, 3, 64, 64), each with the box that was found or missed.
        kinds: (W), places in ``KINDS``.
        scores: (W).
        shown: Lowest score of the detections that count.
    """
    title = f"Mistakes by kind, of {counts[RIGHT]} objects found and {counts[1]} missed"
    figure = new_figure(1.1 * COLUMNS + 1.6, 1.15 * (len(KINDS) - 1) + 0.9, title)
    axes = figure.subplots(len(KINDS) - 1, COLUMNS, squeeze=False)
    for kind, row in enumerate(axes, 1):
        places = (kinds == kind).nonzero().flatten()
        surest = places[scores[places].argsort(descending=True)][:COLUMNS].tolist()
        for one in row:
            one.set(xticks=[], yticks=[])
            one.spines[:].set_visible(False)
        label = f"{KINDS[kind]}\n{counts[kind]}"
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", color=INK, fontsize=9)
        for one, place in zip(row, surest, strict=False):
            one.imshow(patches[place].permute(1, 2, 0).clamp(0, 1).numpy(force=True))
            if KINDS[kind] != "missed":
                one.set_title(f"{100 * scores[place]:.0f} %", fontsize=7, pad=2, color=INK)
    figure.supxlabel(f"detections with a score of at least {shown:.0%}", fontsize=8, color=INK)
    return figure


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
            score = "mAP50" if "val_mAP50" in trainer.callback_metrics else "overlap"
            learning_curves(metrics, score).savefig(metrics.with_name("curves.png"))

    def on_test_batch_end(
        self,
        trainer: Trainer,
        module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx == 0:
            self.first = [part[:ROWS] for part in batch]

    def on_test_end(self, trainer: Trainer, module: LightningModule) -> None:
        assert isinstance(module, ObjectFinder)
        sorted_mistakes = module.mistakes.compute()
        folder = Path(trainer.log_dir or trainer.default_root_dir)  # asks all processes
        if not trainer.is_global_zero:
            return
        pictures, boxes, labels = self.first
        shown = module.mistakes.shown
        found = [surest(one, shown) for one in module.detect(pictures)]
        with torch.no_grad():
            scores = module(pictures)[0].sigmoid().amax(2)
        heat = scores.unflatten(1, [side // module.net.stride for side in pictures.shape[-2:]])
        truth = list(objects_of(boxes, labels))
        figures = {
            "found": side_by_side(pictures, truth, found, heat, self.classes),
            "precision_recall": precision_recall(module.precision_at_half, self.classes),
            "mistakes": mistakes(*sorted_mistakes, shown),
        }
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png")
