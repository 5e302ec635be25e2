"""The pictures of notebook 8, and what is recorded of a training for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_iou

from notebooks.figures.scenes import Found, frame, grid_over, in_few_colours, show
from recipes.common.files import open_picture
from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure
from recipes.objects import pictures as drawing
from recipes.objects.boxes import surest
from recipes.objects.mistakes import MATCH, kinds
from recipes.objects.module import ObjectFinder
from recipes.objects.pictures import draw_boxes

WIDEST = 480  # pixels of a picture file that is drawn


# A training, watched


class Seen(NamedTuple):
    """What a net made of pictures after a number of steps.

    Attributes:
        step: How many.
        found: For each picture the detections, down to the least.
        scores: The cells' highest score: (N, rows, columns).
    """

    step: int
    found: list[Found]
    scores: Tensor


class Watch(Callback):
    """Keeps the loss of each step, and what the net makes of some pictures after some of them.

    Args:
        pictures: (N, 3, H, W), from 0 to 1.
        after: Numbers of steps, from 0.
    """

    def __init__(self, pictures: Tensor, after: Sequence[int]) -> None:
        self.pictures = pictures
        self.after = after
        self.seen: list[Seen] = []
        self.losses: list[float] = []

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._look(module, 0)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses.append(outputs["loss"].item())
        self._look(module, trainer.global_step)

    def _look(self, module: LightningModule, step: int) -> None:
        if step in self.after:
            module.eval()
            self.seen.append(look(module, self.pictures, step))
            module.train()


@torch.no_grad()
def look(module: LightningModule, pictures: Tensor, step: int = 0) -> Seen:
    """What a net makes of pictures (N, 3, H, W) from 0 to 1."""
    assert isinstance(module, ObjectFinder)
    size = pictures.shape[-2:]
    logits, boxes = module(pictures)
    found = module.selection(logits.sigmoid(), boxes, size)
    cells = [side // module.net.stride for side in size]
    return Seen(step, found, logits.sigmoid().amax(2).unflatten(1, cells))


def shares_found(
    found: Sequence[Found], truth: Sequence[Found], score: float
) -> tuple[float, float]:
    """The share of the objects that a box of some score matches by half, and with their class.

    Of the boxes of one place, whatever their classes, the surest counts.
    """
    somewhere, named, count = 0, 0, 0
    for some, objects in zip(found, truth, strict=True):
        sure = surest(some, score)
        named += int(kinds(sure, objects)[1].sum())
        overlaps = box_iou(objects["boxes"], sure["boxes"])
        somewhere += int((overlaps >= MATCH).any(1).sum())
        count += len(objects["labels"])
    return somewhere / count, named / count


def course(watch: Watch, truth: Sequence[Found], score: float) -> Figure:
    """Draws the loss of the steps, and which share of the objects was found after some of them."""
    figure = new_figure(9, 3.4, "First where, then what")
    losses, shares = figure.subplots(1, 2)
    span = max(1, len(watch.losses) // 40)
    means = torch.tensor(watch.losses).unfold(0, span, 1).mean(1)
    losses.plot(range(span, span + len(means)), means, color=BLUE)
    losses.set(xlabel="step", ylabel=f"loss, mean of {span} steps", ylim=(0, None))
    found = [shares_found(seen.found, truth, score) for seen in watch.seen]
    steps = [seen.step for seen in watch.seen]
    somewhere, named = zip(*found, strict=True)
    shares.plot(steps, somewhere, "s--", color=ORANGE, label="a box in its place")
    shares.plot(steps, named, "o-", color=BLUE, label="and the right digit")
    shares.set(xlabel="step", ylabel="share of the objects")
    shares.set_ylim(0, 1)
    shares.legend(frameon=False, labelcolor=INK)
    for axes in (losses, shares):
        axes.grid(color=PALE, linewidth=0.4)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def over_time(
    pictures: Tensor, seen: Sequence[Seen], score: float, classes: Sequence[str]
) -> Figure:
    """Draws what is found in pictures at some moments of a training, and the scores of the cells.

    Args:
        pictures: (N, 3, H, W), from 0 to 1, the first of those seen.
        seen: The moments.
        score: Of the boxes drawn with their class; six others are dotted.
        classes: Names of the classes.
    """
    title = "The same pictures during the training"
    figure = new_figure(1.9 * len(seen) + 0.7, 3.9 * len(pictures) + 0.6, title)
    places = figure.subplots(2 * len(pictures), len(seen), squeeze=False)
    for column, moment in zip(places.T, seen, strict=True):
        column[0].set_title(f"after {moment.step} steps", color=INK, fontsize=9)
        for number, picture in enumerate(pictures):
            boxes, cells = column[2 * number : 2 * number + 2]
            show(boxes, picture, faint=True)
            others = surest(moment.found[number], 0)
            for box in others["boxes"][others["scores"] < score][:6]:
                frame(boxes, box, INK, linewidth=0.8, linestyle=":")
            draw_boxes(boxes, surest(moment.found[number], score), classes)
            cells.axis("off")
            shown = grid_over(cells, picture, moment.scores[number])
    figure.colorbar(shown, ax=places, shrink=0.35, aspect=40).outline.set_visible(False)
    return figure


class Choice(NamedTuple):
    """A step of non-maximum suppression: the surest box that waits, and those that go for it."""

    chosen: int
    gone: Tensor


def suppression(
    picture: Tensor, boxes: Tensor, scores: Tensor, choices: Sequence[Choice], at: Sequence[int]
) -> Figure:
    """Draws boxes that wait, stay and go after some steps of non-maximum suppression.

    Args:
        picture: (3, H, W), from 0 to 1.
        boxes: (D, 4).
        scores: (D).
        choices: All steps.
        at: Numbers of steps, 0 for what there is at first.
    """
    figure = new_figure(3.1 * len(at), 3.9, "Of many boxes, one a place")
    for axes, step in zip(figure.subplots(1, len(at), squeeze=False)[0], at, strict=True):
        show(axes, picture, faint=True)
        past = choices[:step]
        kept = [choice.chosen for choice in past]
        gone = {int(place) for choice in past for place in choice.gone}
        now = set(past[-1].gone.tolist()) if past else set()
        for place in range(len(boxes)):
            if place not in gone and place not in kept:
                frame(axes, boxes[place], INK, linewidth=0.5)
            elif place in now:
                frame(axes, boxes[place], ORANGE, linewidth=0.9, linestyle=":")
        for place in kept:
            frame(axes, boxes[place], BLUE, linewidth=2.2)
        if past:
            left, top = boxes[kept[-1]][:2].tolist()
            label = {"facecolor": BLUE, "edgecolor": "none", "pad": 0.8}
            axes.text(
                left, top, f"{scores[kept[-1]]:.0%}", color="white", fontsize=7, va="bottom",
                bbox=label,
            )  # fmt: skip
        waiting = len(boxes) - len(gone) - len(kept)
        title = f"step {step}: {len(now)} go, {waiting} wait" if past else f"{waiting} boxes"
        axes.set_title(title, color=INK, fontsize=9)
    return figure


def precision_recall(precision: Tensor, classes: Sequence[str]) -> Figure:
    """Draws the precision at each recall, and the area below it, of each class and in the mean.

    Args:
        precision: (101, classes), at recalls 0, 0.01, ..., 1; -1 where a class has no objects.
        classes: Names of the classes.
    """
    known = [number for number, curve in enumerate(precision.t()) if curve.min() >= 0]
    areas = precision[:, known].mean(0)
    figure = new_figure(9, 4, "How many are found, and how many of those are right")
    curves, bars = figure.subplots(1, 2, width_ratios=[3, 2])
    recall = torch.linspace(0, 1, len(precision))
    curves.plot(recall, precision[:, known], color=PALE, linewidth=1)
    extremes = [(areas.argmin(), "--", ORANGE, "worst"), (areas.argmax(), ":", INK, "best")]
    for place, line, color, name in extremes:
        label = f"{name}: {classes[known[int(place)]]}"
        curves.plot(recall, precision[:, known[int(place)]], line, color=color, label=label)
    mean = precision[:, known].mean(1)
    curves.plot(recall, mean, color=BLUE, linewidth=2, label=f"mean of {len(known)} digits")
    curves.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    curves.legend(frameon=False, labelcolor=INK, loc="lower left")
    names = [classes[number] for number in known]
    bars.barh(names, areas, color=BLUE)
    for row, area in enumerate(areas.tolist()):
        bars.text(0.02, row, f"{area:.2f}", color="white", va="center", fontsize=8)
    bars.invert_yaxis()
    bars.set(xlim=(0, 1), xlabel="average precision", ylabel="digit")
    for axes in (curves, bars):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def mistakes(
    counts: Tensor, patches: Tensor, kinds: Tensor, scores: Tensor, shown: float
) -> Figure:
    """The recipe's figure of the same name, in few colours."""
    with rc_context({"image.interpolation": "nearest"}):
        return drawing.mistakes(counts, in_few_colours(patches), kinds, scores, shown)


# What the net sees


def kernels(weight: Tensor, patch: int) -> Figure:
    """Draws the first layer's kernels as the pieces of a picture that they answer to most.

    Args:
        weight: (outputs, 3 patch^2, k, k), of the pixels in squares of ``patch`` pixels' side.
        patch: Side of such a square.
    """
    pieces = F.pixel_shuffle(weight.detach(), patch)
    pieces = pieces[pieces.square().sum((1, 2, 3)).argsort(descending=True)]
    side = pieces.shape[-1]
    title = f"The {len(pieces)} kernels of the first layer: {side} x {side} pixels in three colours"
    figure = new_figure(8, 3.0, title)
    for axes, piece in zip(figure.subplots(3, -(-len(pieces) // 3)).flat, pieces, strict=False):
        picture = 0.5 + piece / (2 * piece.abs().max())
        axes.imshow(picture.permute(1, 2, 0), interpolation="nearest")
    for axes in figure.axes:
        axes.axis("off")
    return figure


def passing(
    module: nn.Module, levels: Mapping[str, nn.Module], picture: Tensor
) -> dict[str, Tensor]:
    """What some of a module's parts make of a picture (3, H, W): by name, (C, rows, columns)."""
    maps: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda part, given, made: maps.update({name: made[0]})

    hooks = [part.register_forward_hook(keep(name)) for name, part in levels.items()]
    with torch.no_grad():
        module(picture[None])
    for hook in hooks:
        hook.remove()
    return maps


def levels(picture: Tensor, scores: Tensor, maps: Mapping[str, Tensor]) -> Figure:
    """Draws a picture, the scores of its cells, and the channels of each level that vary most.

    Args:
        picture: (3, H, W), from 0 to 1.
        scores: The cells' highest score: (rows, columns).
        maps: By name, (C, rows, columns).
    """
    figure = new_figure(1.9 * (len(maps) + 1), 4.3, "What the net's levels make of a scene")
    places = figure.subplots(2, len(maps) + 1)
    show(places[0, 0], picture)
    places[0, 0].set_title("the scene", color=INK, fontsize=9)
    places[1, 0].imshow(scores, "viridis", vmin=0, vmax=1, interpolation="nearest")
    places[1, 0].set_title("scores of the cells", color=INK, fontsize=9)
    for column, (name, channels) in zip(places.T[1:], maps.items(), strict=True):
        column[0].set_title(name, color=INK, fontsize=9)
        most = channels.flatten(1).var(1).argsort(descending=True)
        for axes, channel in zip(column, channels[most], strict=False):
            axes.imshow(channel, "viridis", interpolation="nearest")
    for axes in figure.axes:
        axes.axis("off")
    return figure


def with_what_was_found(path: Path, found: Found, score: float) -> tuple[str, Tensor, Found]:
    """A picture file as :func:`found_in` takes it: its name, itself, and the surest detections."""
    picture = open_picture(path, "RGB")
    scale = min(1.0, WIDEST / picture.width)
    picture = picture.resize([max(1, round(scale * side)) for side in picture.size])
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
    sure = surest(found, score)
    return path.name, pixels, sure | {"boxes": scale * sure["boxes"]}


def found_in(
    pictures: Sequence[tuple[str, Tensor, Found]], classes: Sequence[str], title: str
) -> Figure:
    """Draws pictures side by side with what was found in them.

    Args:
        pictures: Of each the name, itself, (3, H, W) from 0 to 1, and the boxes, scores and classes
            to draw.
        classes: Names of the classes.
        title: Of all.
    """
    columns, width = min(4, len(pictures)), 5.0 if len(pictures) == 1 else 2.9
    rows = -(-len(pictures) // columns)
    tallest = max(one.shape[1] / one.shape[2] for _, one, _ in pictures)
    figure = new_figure(width * columns, (width * tallest + 0.3) * rows + 0.4, title)
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes, (name, picture, objects) in zip(places, pictures, strict=False):
        show(axes, picture)
        draw_boxes(axes, objects, classes)
        axes.set_title(name, color=INK, fontsize=9)
    for axes in figure.axes[len(pictures) :]:
        axes.axis("off")
    return figure
