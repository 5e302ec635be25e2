"""The pictures of notebook 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy import linspace
from torch import Tensor

from manualnn.functional import max_pool2d
from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure

DIVERGING = "PuOr_r"
LOOKS = ((ORANGE, "o"), (PALE, "^"), (BLUE, "s"))


def heat_map(
    axes: Axes, plane: Tensor, title: str, color_map: str | Colormap, limits: tuple[float, float]
) -> AxesImage:
    """Draws a plane without ticks."""
    drawn = axes.imshow(plane, color_map, vmin=limits[0], vmax=limits[1])
    axes.set_title(title, color=INK, fontsize=9)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(PALE)
    return drawn


class Passed(NamedTuple):
    """An activation, and what it does to the delta of one feature map; each plane (H, W)."""

    name: str
    X: Tensor
    slope: Tensor
    delta: Tensor
    result: Tensor


def through_activations(each: Sequence[Passed]) -> Figure:
    """Draws Eq. 45 as heat maps, an activation a row."""
    title = "Through an activation: each δ times the slope at its own place"
    figure = new_figure(9.2, 2.15 * len(each) + 0.9, title)
    rows = figure.subplots(len(each), 4, squeeze=False)
    largest, reach = (max(p[k].abs().max().item() for p in each) for k in (1, 3))
    reach /= 2  # what is farther from 0 looks alike
    for axes, passed in zip(rows, each, strict=True):
        axes[0].set_ylabel(passed.name, color=INK, fontsize=10)
        drawn = [
            heat_map(axes[0], passed.X, "", DIVERGING, (-largest, largest)),
            heat_map(axes[1], passed.slope, "", "viridis", (0, 1)),
            heat_map(axes[2], passed.delta, "", "RdBu_r", (-reach, reach)),
            heat_map(axes[3], passed.result, "", "RdBu_r", (-reach, reach)),
        ]
    names = ("$X^{(l)}$", "$f'(X^{(l)})$", "$\\delta^{(l+1)}$", "$\\delta^{(l)}$")
    for column, (name, shown) in enumerate(zip(names, drawn, strict=True)):
        rows[0, column].set_title(name, color=INK, fontsize=11)
        bar = figure.colorbar(
            shown, ax=rows[:, column], location="bottom", shrink=0.75, aspect=22, pad=0.02,
            extend="both" if column > 1 else "neither",
        )  # fmt: skip
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, colors=INK)
    return figure


def norms_by_depth(
    norms: Mapping[str, Sequence[float]], factors: Mapping[str, float], spread: float
) -> Figure:
    """Draws the norm of delta, layer by layer back from the last.

    Args:
        norms: For each activation, the norm at the last layer, the one before it, and so on.
        factors: For some of them, the expected factor of a layer: a dotted line.
        spread: n times the variance of a weight.
    """
    figure = new_figure(8, 4, f"δ on its way back, through weights of variance {spread}/n")
    axes = figure.subplots()
    for (name, measured), (color, marker) in zip(norms.items(), LOOKS, strict=True):
        line = INK if color == PALE else color
        axes.semilogy(measured, "-", marker=marker, color=line, markersize=4, linewidth=1)
        axes.annotate(
            name, (len(measured) - 1, measured[-1]), (8, 0), color=line, va="center",
            textcoords="offset points",
        )  # fmt: skip
        if name in factors:
            expected = [factors[name] ** k for k in range(len(measured))]
            axes.semilogy(expected, ":", color=line, linewidth=1.2)
    axes.set(xlabel="layers back from the last", ylabel="norm of $\\delta$, 1 at the last")
    axes.set_xlim(-0.5, max(map(len, norms.values())) + 2.5)
    axes.grid(color=PALE, linewidth=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def firing(moments: Mapping[str, Tensor]) -> Figure:
    """Draws how often each neuron fires for the digits of each class, (classes, neurons)."""
    title = "How often each ReLU fires; a cross marks those that never do"
    figure = new_figure(8.5, 1.95 * len(moments) + 0.6, title)
    places = figure.subplots(len(moments), 1, squeeze=False).flat
    for axes, (name, shares) in zip(places, moments.items(), strict=True):
        drawn = axes.imshow(shares, "Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        classes, neurons = shares.shape
        dead = [n for n in range(neurons) if not shares[:, n].any()]
        axes.plot(dead, [classes + 0.3] * len(dead), "x", color=ORANGE, markersize=6)
        axes.axhline(classes - 0.5, color=PALE, linewidth=0.8)
        axes.set_title(f"{name}: {len(dead)} of {neurons} dead", color=INK, fontsize=9)
        axes.set(xticks=[], yticks=range(0, classes, 3), ylabel="digit", ylim=(classes + 1.1, -0.5))
        axes.tick_params(labelsize=7, colors=INK)
        axes.spines[:].set_color(PALE)
    axes.set_xlabel("neuron", color=INK)
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.6, aspect=25)
    bar.set_label("share of the class", color=INK)
    bar.outline.set_visible(False)
    return figure


def pooling(X: Tensor, kernel: int, stride: int, window: int | None = None) -> Figure:
    """Draws a small plane, the windows over it, and the maxima.

    Args:
        X: Integers, (H, W).
        kernel: The size of a window.
        stride: The step of a window.
        window: The number of the one to show, row by row; all of them unless told.
    """
    Y, places = (found[0] for found in max_pool2d(X[None], kernel, stride, return_indices=True))
    starts = [(stride * h, stride * w) for h, w in product(*map(range, Y.shape))]
    shown = range(len(starts)) if window is None else [min(window, len(starts) - 1)]
    covered = torch.zeros(X.shape, dtype=torch.bool)
    for h, w in starts:
        covered[h : h + kernel, w : w + kernel] = True
    won, chosen = torch.zeros(X.numel(), dtype=torch.bool), torch.zeros(Y.numel(), dtype=torch.bool)
    chosen[list(shown)] = True
    won[places.flatten()[chosen]] = True

    figure = new_figure(7.5, 3.6, f"Max-pooling, k = {kernel}, s = {stride}")
    left, right = figure.subplots(1, 2, width_ratios=(X.shape[1] + 1, max(Y.shape[1], 2) + 1))
    _numbers(left, X, won.view(X.shape), covered)
    _numbers(right, Y, chosen.view(Y.shape), torch.ones(Y.shape, dtype=torch.bool))
    for number in shown:
        _frame(left, *starts[number], kernel)
        _frame(right, *divmod(number, Y.shape[1]), 1)
    for axes, name, plane in ((left, "X^{(l)}", X), (right, "X^{(l+1)}", Y)):
        axes.set_title(f"${name}$, {plane.shape[0]} x {plane.shape[1]}", color=INK, fontsize=10)
        axes.set(xlim=(-1.1, plane.shape[1] + 0.1), ylim=(X.shape[0] - 0.4, -0.6))
        axes.set_aspect("equal")
        axes.axis("off")
    return figure


def _numbers(axes: Axes, plane: Tensor, won: Tensor, covered: Tensor) -> None:
    """A grid of integers: winners bold on orange, and what no window covers hatched."""
    for h, w in product(*map(range, plane.shape)):
        face, weight = ("#fbe3d2", "bold") if won[h, w] else ("white", "normal")
        hatch = None if covered[h, w] else "////"
        corner = (w - 0.5, h - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=face, edgecolor=PALE, hatch=hatch))
        axes.text(
            w, h, f"{plane[h, w]:.0f}", ha="center", va="center", fontsize=11, color=INK,
            fontweight=weight,
        )  # fmt: skip


def _frame(axes: Axes, h: int, w: int, size: int) -> None:
    """A frame around size x size cells, of which (h, w) is the first."""
    corner, side = (w - 0.44, h - 0.44), size - 0.12
    axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=BLUE, linewidth=2))


def windows_won(X: Tensor, won: Mapping[str, Tensor]) -> Figure:
    """Draws a plane and, for each kind of pooling, how many windows each of its neurons won."""
    figure = new_figure(10.5, 3, "How many windows each neuron won")
    first, *others = figure.subplots(1, 1 + len(won))
    reach = X.abs().max().item()
    heat_map(first, X, "$X^{(l)}$", DIVERGING, (-reach, reach))
    most = int(max(counts.max().item() for counts in won.values()))
    steps = ListedColormap(["white", *colormaps["Blues"](linspace(0.3, 1, most))])
    for axes, (name, counts) in zip(others, won.items(), strict=True):
        highest = int(counts.max())
        drawn = heat_map(axes, counts, f"{name}: up to {highest}", steps, (-0.5, most + 0.5))
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.75, aspect=25, ticks=range(most + 1))
    bar.set_label("windows won", color=INK)
    bar.outline.set_visible(False)
    return figure


def ties(X: Tensor, winners: Tensor, gradients: Mapping[str, Tensor]) -> Figure:
    """Draws a plane with its 2 x 2 windows and their winners, and several answers to dL/dX."""
    figure = new_figure(11, 2.9, "At a tie there are several slopes, and no derivative")
    first, *others = figure.subplots(1, 1 + len(gradients))
    heat_map(first, X, "$X^{(l)}$, and who won", "gray", (0, 1))
    rows, columns = X.shape
    h, w = winners.flatten() // columns, winners.flatten() % columns
    first.plot(w, h, "o", color=ORANGE, markersize=4)
    for axes, (name, gradient) in zip(others, gradients.items(), strict=True):
        drawn = heat_map(axes, gradient, name, "Blues", (0, 1))
    for axes in (first, *others):
        for line in range(2, rows, 2):
            axes.axhline(line - 0.5, color=ORANGE, linewidth=0.6)
        for line in range(2, columns, 2):
            axes.axvline(line - 0.5, color=ORANGE, linewidth=0.6)
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.7, aspect=25)
    bar.set_label("$dL/dX$", color=INK)
    bar.outline.set_visible(False)
    return figure


def bytes_kept(kept: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """Draws bars of bytes a number of X: for each size of plane, each library, each part."""
    figure = new_figure(8, 0.75 * len(kept) + 1.9, "What a 2 x 2 max-pool keeps")
    axes = figure.subplots()
    looks = {"the input": (BLUE, None), "the places": (ORANGE, "////")}
    labels, row = [], 0.0
    for size, libraries in kept.items():
        for library, parts in libraries.items():
            start = 0.0
            for part, amount in parts.items():
                color, hatch = looks[part]
                axes.barh(
                    row, amount, 0.72, start, color=color, hatch=hatch, edgecolor="white",
                    label=part if part not in axes.get_legend_handles_labels()[1] else None,
                )  # fmt: skip
                start += amount
            axes.annotate(f"{start:.2f}", (start, row), (5, 0), va="center", color=INK,
                          textcoords="offset points", fontsize=8)  # fmt: skip
            labels.append((row, f"{size}, {library}"))
            row -= 1
        row -= 0.5
    axes.set_yticks([place for place, _ in labels], [text for _, text in labels], fontsize=8)
    axes.set_xlabel("bytes for each number of X (single precision, so X itself has 4)", color=INK)
    axes.set_xlim(0, 7)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0, colors=INK)
    axes.legend(frameon=False, labelcolor=INK, loc="upper right", ncols=2, bbox_to_anchor=(1, 1.06))
    return figure


def where_delta_goes(X: Tensor, delta: Tensor, results: Mapping[str, Tensor]) -> Figure:
    """Draws a plane, the delta that comes back, and what each kind of pooling hands on."""
    figure = new_figure(10.5, 3, "The same δ, back through two kinds of pooling")
    places = figure.subplots(1, 2 + len(results))
    reach = X.abs().max().item()
    heat_map(places[0], X, "$X^{(l)}$", DIVERGING, (-reach, reach))
    largest = delta.abs().max().item()
    planes = {"$\\delta^{(l+1)}$": delta, **results}
    for axes, (name, plane) in zip(places[1:], planes.items(), strict=True):
        drawn = heat_map(axes, plane, name, "RdBu_r", (-largest, largest))
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.75, aspect=25)
    bar.outline.set_visible(False)
    return figure
