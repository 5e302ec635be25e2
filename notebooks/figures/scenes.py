"""Scenes, cells and boxes, and what moves a box: the first half of notebook 8's pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torchvision.ops import box_iou

from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure
from recipes.objects.pictures import draw_boxes

Found = dict[str, Tensor]

SHADES = 12
FOUR_LINES = (BLUE, ORANGE, INK, "#7a8894")
FOUR_STYLES = ("-", "--", "-.", ":")


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
        shown = grid_over(axes, picture, grid)
        draw_boxes(axes, objects, classes)
        axes.set_title(f"{name}: {int((grid > 0).sum())} of {grid.numel()}", color=INK, fontsize=9)
    figure.colorbar(shown, ax=places, shrink=0.7, aspect=30).outline.set_visible(False)
    return figure


def grid_over(axes: Axes, picture: Tensor, grid: Tensor) -> Any:
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
