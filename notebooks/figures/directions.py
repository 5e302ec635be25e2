"""Directions on a circle, and a margin between them: the first pictures of notebook 7."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from manualnn.functional import normalize
from manualnn.layers.normalize import normalize_grad_input
from manualnn.losses.margin import (
    angular_margin,
    arcface_loss,
    cosface_loss,
    cosine_margin,
    margin_logits,
)
from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure

LOSSES = {"arcface": arcface_loss, "cosface": cosface_loss}
PHIS = {"arcface": angular_margin, "cosface": cosine_margin}
THREE = torch.tensor([90.0, 210.0, 330.0], dtype=torch.float64).deg2rad()
DIRECTIONS = torch.stack([THREE.cos(), THREE.sin()], 1)  # of three classes


def unit_length(x: Tensor, delta: Tensor) -> Figure:
    """Draws how a gradient goes through y = x / n, and what it becomes for other lengths of x.

    Args:
        x: (2), longer than 1.
        delta: (2), what comes back to y.
    """
    figure = new_figure(10, 4.4, "Only the part of delta along the sphere goes through")
    split, lengths = figure.subplots(1, 2)
    y = normalize(x, dim=0)
    along = (delta @ y) * y
    for axes in (split, lengths):
        axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=PALE))
        axes.set_aspect("equal")
        axes.axis("off")
    _arrow(split, torch.zeros(2), x, INK, "$x$")
    _arrow(split, torch.zeros(2), y, BLUE, "$y = x / n$", (-62, 4))
    _arrow(split, y, delta, ORANGE, r"$\delta$")
    _arrow(split, y, along, PALE, r"$(\delta\cdot y)\,y$: dropped", (4, -14))
    _arrow(split, y, delta - along, ORANGE, r"$\delta - (\delta\cdot y)\,y$", (-40, 6), "--")
    split.set(xlim=(-0.45, 2.1), ylim=(-0.1, 1.65))
    split.set_title("at y: what is tangent to the circle remains", color=INK, fontsize=10)
    for number, length in enumerate((0.6, 1.0, 2.0)):
        end = length * y
        through = normalize_grad_input(delta, end, 0, 1e-12)
        _arrow(lengths, torch.zeros(2), end, (INK, BLUE, INK)[number], "")
        _arrow(lengths, end, through, ORANGE, f"n = {length:g}", (4, 2), "--")
    lengths.set(xlim=(-0.45, 2.1), ylim=(-0.1, 1.65))
    lengths.set_title("then divided by n: the longer x, the shorter", color=INK, fontsize=10)
    return figure


def margins(each: Sequence[float], scale: float = 16.0, loss: str = "arcface") -> Figure:
    """Draws what counts as right for three classes on a circle, the loss, and its push.

    Args:
        each: Margins; one is drawn beside no margin.
        scale: What the cosines are multiplied by.
        loss: ``arcface`` or ``cosface``.
    """
    circles = [f"margin {margin:g}" for margin in each]
    title = "A margin leaves a gap between the classes"
    if len(each) == 1:
        figure = new_figure(11, 3.8, title)
        places = figure.subplot_mosaic([[*circles, "loss", "push"]])
        looks = {0.0: (PALE, "--"), each[0]: (BLUE, "-")}
    else:
        figure = new_figure(10, 7, title)
        above = [name for name in circles for _ in range(2)]
        below = ["loss"] * len(each) + ["push"] * len(each)
        places = figure.subplot_mosaic([above, below])  # type: ignore[list-item]
        looks = dict(zip(each, ((INK, "--"), (BLUE, "-"), (ORANGE, "-.")), strict=True))
    for name, margin in zip(circles, each, strict=True):
        _regions(places[name], margin, loss)
        places[name].set_title(f"{loss}, {name}", color=INK, fontsize=10)
    degrees = torch.linspace(0.25, 119.75, 479, dtype=torch.float64)
    for margin, (color, line) in looks.items():
        values, push = _loss_and_push(degrees, margin, scale, loss)
        for name, curve in (("loss", values), ("push", push)):
            places[name].plot(degrees, curve, line, color=color, label=f"margin {margin:g}")
    for name, label in (("loss", "L"), ("push", "length of dL/dx, for an x of length 1")):
        axes = places[name]
        axes.axvline(60, color=PALE, linewidth=0.8)
        axes.set(xlabel="angle from the right direction", ylabel=label, xlim=(0, 120))
        axes.set_ylim(bottom=0)
        axes.set_xticks(range(0, 121, 20), [f"{angle}°" for angle in range(0, 121, 20)])
        axes.set_title(f"{name}, scale {scale:g}", color=INK, fontsize=10)
        plain(axes)
    places["loss"].legend(frameon=False, labelcolor=INK, fontsize=8)
    return figure


def _regions(axes: Axes, margin: float, loss: str) -> None:
    """Draws a circle, and on it where each class is right although it has the margin against it."""
    angles = torch.linspace(0, 2 * pi, 1441, dtype=torch.float64)
    places = torch.stack([angles.cos(), angles.sin()], 1)
    axes.plot(*places.T, color=PALE, linewidth=1)
    for number, color in enumerate((BLUE, ORANGE, INK)):
        target = torch.full((len(places),), number)
        logits = margin_logits(places @ DIRECTIONS.T, target, PHIS[loss], margin, 1.0)
        right = (logits.argmax(1) == target).unsqueeze(1)
        axes.plot(
            *torch.where(right, places, torch.nan).T, color=color, linewidth=6,
            solid_capstyle="butt",
        )  # fmt: skip
        x, y = DIRECTIONS[number].tolist()
        pointing = {"arrowstyle": "->", "color": color}
        axes.annotate("", (0.97 * x, 0.97 * y), (0, 0), arrowprops=pointing)
        beside = 0.55 * x + 0.13 * y, 0.55 * y - 0.13 * x
        axes.text(*beside, f"$w_{number}$", color=color, ha="center", va="center")
    axes.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15))
    axes.set_aspect("equal")
    axes.axis("off")


def _loss_and_push(
    degrees: Tensor, margin: float, scale: float, loss: str
) -> tuple[Tensor, Tensor]:
    """The loss of embeddings of length 1 on the way from w_0 to w_2, and its gradient's length."""
    angles = pi / 2 - degrees.deg2rad()
    x = torch.stack([angles.cos(), angles.sin()], 1).requires_grad_()
    target = torch.zeros(len(x), dtype=torch.long)
    values = LOSSES[loss](x, target, DIRECTIONS, margin, scale, "none")
    (gradient,) = torch.autograd.grad(values.sum(), x)
    return values.detach(), gradient.norm(dim=1)


def _arrow(
    axes: Axes,
    start: Tensor,
    along: Tensor,
    color: str,
    text: str,
    offset: tuple[float, float] = (4, 4),
    line: str = "-",
) -> None:
    (x, y), (x_end, y_end) = start.tolist(), (start + along).tolist()
    look = {"arrowstyle": "->", "color": color, "linewidth": 1.8, "linestyle": line}
    axes.annotate("", (x_end, y_end), (x, y), arrowprops=look | {"shrinkA": 0, "shrinkB": 0})
    shade = INK if color == PALE else color
    axes.annotate(text, (x_end, y_end), offset, color=shade, textcoords="offset points")


def plain(axes: Axes) -> None:
    """Leaves of a frame and its grid what is needed."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, labelsize=8)
    axes.grid(color=PALE, linewidth=0.4)
