"""The pictures of notebook 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter
from torch import Tensor

from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure

GREY = "#7a8791"
DIVERGING = "PuOr_r"
LOOKS = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREY, "^", ":"))  # colour, marker, line


def sets(samples: int, channels: int, side: int) -> Figure:
    """Draws X as a table of maps, and the set of values that shares a mean and a variance."""
    figure = new_figure(5.2, 3.2, "One mean and one variance for each channel")
    axes = figure.subplots()
    cell, gap = 1.0, 1.6
    step = side * cell + gap
    for r, c in product(range(samples), range(channels)):
        for h, w in product(range(side), range(side)):
            tint = {"facecolor": BLUE, "alpha": 0.55} if c == 1 else {"facecolor": "white"}
            place = (c * step + w * cell, -r * step - h * cell)
            axes.add_patch(Rectangle(place, cell, cell, edgecolor="none", **tint))
            axes.add_patch(Rectangle(place, cell, cell, fill=False, edgecolor=GREY, linewidth=0.7))
    for c in range(channels):
        at = c * step + side * cell / 2
        color = BLUE if c == 1 else INK
        axes.text(at, cell + 0.4, f"channel {c}", ha="center", color=color, fontsize=9)
        below = -(samples - 1) * step - side * cell + 0.1
        text = f"$\\mu_{c},\\ \\sigma_{c}^2$"
        axes.text(at, below, text, ha="center", va="center", color=color, fontsize=11)
    for r in range(samples):
        at = -r * step - (side - 2) * cell / 2
        axes.text(-0.6, at, f"sample {r}", ha="right", va="center", color=INK, fontsize=9)
    axes.set(xlim=(-4.6, channels * step - gap + 0.5), ylim=(-samples * step, cell + 1.3))
    axes.set_aspect("equal")
    axes.axis("off")
    return figure


def histograms(before: Tensor, after: Tensor, channels: Sequence[int]) -> Figure:
    """Draws how the values of some channels are spread, (R, C, H, W) before and after."""
    figure = new_figure(10, 3, "Each channel comes out with mean 0 and deviation 1")
    bins = torch.linspace(-4, 4, 65).tolist()
    for axes, c in zip(figure.subplots(1, len(channels), sharey=True), channels, strict=True):
        x, y = before[:, c].flatten(), after[:, c].flatten()
        axes.hist(y, bins, density=True, color=BLUE, alpha=0.35, label="after")
        axes.hist(
            x, bins, density=True, color=ORANGE, histtype="step", linewidth=1.3, label="before"
        )
        axes.set_title(f"channel {c}", color=INK, fontsize=10)
        axes.set_xlabel(f"before: {x.mean():.2f} ± {x.std():.2f}", color=INK, fontsize=9)
        axes.set(xticks=range(-4, 5, 2), yticks=[])
        axes.spines[["top", "right", "left"]].set_visible(False)
    figure.axes[0].legend(frameon=False, labelcolor=INK, fontsize=8, loc="upper left")
    figure.axes[0].set_ylabel("share of the values", color=INK)
    return figure


def spreads(each: Mapping[str, Sequence[float]]) -> Figure:
    """Draws the deviation between samples, layer after layer, for each net."""
    figure = new_figure(6, 3.4, "Without normalisation the samples become alike")
    axes = figure.subplots()
    for (name, measured), (color, marker, line) in zip(each.items(), LOOKS, strict=False):
        layers = range(1, len(measured) + 1)
        axes.semilogy(layers, measured, line, marker=marker, color=color, markersize=5, label=name)
    axes.set(xlabel="fully connected layer", ylabel="deviation between samples")
    _quiet(axes)
    axes.legend(frameon=False, labelcolor=INK)
    return figure


def running_variance(
    population: float, each: Mapping[str, Sequence[float]], batch: int, alpha: float
) -> Figure:
    """Draws running variances over the batches seen, beside that of the population."""
    title = f"Running variance of one neuron: batches of {batch}, $\\alpha$ = {alpha}"
    figure = new_figure(7.5, 3.6, title)
    axes = figure.subplots()
    axes.axhline(population, color=INK, linewidth=1)
    axes.annotate(
        "all digits", (1, population), (-4, 4), xycoords=("axes fraction", "data"), ha="right",
        textcoords="offset points", color=INK, fontsize=9,
    )  # fmt: skip
    for (name, values), (color, _, line) in zip(each.items(), LOOKS, strict=False):
        axes.plot(values, line, color=color, linewidth=1.3, label=name)
    axes.set(xlabel="batches seen", ylabel="variance", ylim=(0, 1.9 * population))
    _quiet(axes)
    axes.legend(frameon=False, labelcolor=INK, loc="upper right", ncols=2)
    return figure


def three_ways() -> Figure:
    """Draws how X reaches L: by itself, over the mean, and over the variance."""
    figure = new_figure(9.5, 3.5, "Three ways from X to L")
    axes = figure.subplots()
    axes.set(xlim=(-0.7, 9.6), ylim=(-1.9, 1.9))
    axes.set_aspect("equal")
    axes.axis("off")
    places = {
        "$X$": (0, 0), "$\\mu$": (2.6, 1.45), "$\\sigma^2$": (2.6, -1.45), "$\\hat X$": (5.4, 0),
        "$X^{(l+1)}$": (7.3, 0), "$L$": (9.1, 0),
    }  # fmt: skip
    arrows = [
        ("$X$", "$\\hat X$", "$(\\sigma^2+\\epsilon)^{-1/2}$", 0.68, (0, 0.26)),
        ("$X$", "$\\mu$", "$1/n$", 0.5, (-0.3, 0.22)),
        ("$\\mu$", "$\\hat X$", "$-(\\sigma^2+\\epsilon)^{-1/2}$", 0.5, (0.8, 0.25)),
        ("$X$", "$\\sigma^2$", "$2(X-\\mu)/n$", 0.5, (-0.75, -0.2)),
        ("$\\sigma^2$", "$\\hat X$", "$-\\frac{1}{2}(X-\\mu)(\\sigma^2+\\epsilon)^{-3/2}$", 0.5,
         (1.35, -0.25)),
        ("$\\hat X$", "$X^{(l+1)}$", "$\\gamma$", 0.5, (0, 0.24)),
        ("$X^{(l+1)}$", "$L$", "$\\delta^{(l+1)}$", 0.5, (0, 0.26)),
        ("$\\mu$", "$\\sigma^2$", "adds up to 0", 0.72, (0.75, 0)),
    ]  # fmt: skip
    for start, end, text, share, (right, up) in arrows:
        (x0, y0), (x1, y1) = places[start], places[end]
        faint = start == "$\\mu$" and end == "$\\sigma^2$"
        arrow = FancyArrowPatch(
            (x0, y0), (x1, y1), arrowstyle="-|>", mutation_scale=12, shrinkA=19, shrinkB=21,
            color=GREY if faint else BLUE, linewidth=1.2, linestyle=":" if faint else "-",
        )  # fmt: skip
        axes.add_patch(arrow)
        at = (x0 + share * (x1 - x0) + right, y0 + share * (y1 - y0) + up)
        around = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        color = GREY if faint else ORANGE
        axes.text(*at, text, ha="center", va="center", color=color, fontsize=10, bbox=around)
    for name, (x, y) in places.items():
        box = FancyBboxPatch(
            (x - 0.3, y - 0.17), 0.6, 0.34, boxstyle="round,pad=0.1", facecolor="white",
            edgecolor=BLUE, linewidth=1.4,
        )  # fmt: skip
        axes.add_patch(box)
        axes.text(x, y, name, ha="center", va="center", color=INK, fontsize=11)
    return figure


def jacobians(matrices: Mapping[str, Tensor], block: int) -> Figure:
    """Draws matrices side by side, each by its own scale; white is exactly zero.

    Args:
        matrices: By their titles.
        block: After how many columns and rows the channel changes.
    """
    figure = new_figure(10, 3.7, "A value reaches the whole of its channel, and no other channel")
    places = figure.subplots(1, len(matrices))
    for axes, (title, matrix) in zip(places, matrices.items(), strict=True):
        largest = matrix.abs().max().item()
        axes.imshow(matrix, DIVERGING, vmin=-largest, vmax=largest)
        axes.set_title(title, color=INK, fontsize=11)
        rows, columns = matrix.shape
        axes.set_xticks([k - 0.5 for k in range(0, columns + 1, block)], [])
        axes.set_yticks([k - 0.5 for k in range(0, rows + 1, min(block, rows // 2))], [])
        axes.grid(color=GREY, linewidth=0.6)
        axes.tick_params(length=0)
        axes.set_xlabel(f"{rows} x {columns}, largest {largest:.2f}", color=INK, fontsize=9)
    return figure


class Terms(NamedTuple):
    """The three terms of Eq. 65 for one channel, (R, places) each, and xhat beside them."""

    title: str
    terms: Sequence[Tensor]
    xhat: Tensor


NAMES = ("itself", "over $\\mu$", "over $\\sigma^2$", "sum, $\\delta^{(l)}$")
SHOWN = 5  # samples


def three_terms(each: Sequence[Terms]) -> Figure:
    """Draws the three terms and their sum as heat maps, and their parts along 1 and xhat."""
    figure = new_figure(10.5, 2.4 * len(each) + 0.4, "The three terms of Eq. 65, and their sum")
    widths = [1, 1, 1, 1, 2.6]
    places = figure.subplots(len(each), 5, width_ratios=widths, squeeze=False)
    for row, (title, terms, xhat) in zip(places, each, strict=True):
        maps = [*terms, sum(terms[1:], terms[0])]
        largest = max(values.abs().max().item() for values in maps)
        for axes, values, name in zip(row, maps, NAMES, strict=False):
            axes.imshow(values[:SHOWN], DIVERGING, vmin=-largest, vmax=largest, aspect="auto")
            axes.set_title(name, color=INK, fontsize=10)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(title, color=INK, fontsize=9)
        row[0].set_xlabel("places", color=INK, fontsize=9)
        _parts(row[4], [_coordinates(values, xhat) for values in maps])
    return figure


def _coordinates(values: Tensor, xhat: Tensor) -> tuple[float, float, float]:
    """The parts of a vector along 1 and along xhat, which are orthogonal, and what is left."""
    ones = torch.ones_like(xhat)
    along_1 = ((values * ones).sum() / ones.norm()).item()
    along_xhat = ((values * xhat).sum() / xhat.norm()).item()
    left = (values.square().sum() - along_1**2 - along_xhat**2).clamp(min=0).sqrt().item()
    return along_1, along_xhat, left


def _parts(axes: Axes, coordinates: Sequence[tuple[float, float, float]]) -> None:
    looks = (
        ("along 1", BLUE, "//"),
        ("along $\\hat X$", ORANGE, ".."),
        ("the rest", PALE, ""),
    )
    for k, (label, color, hatch) in enumerate(looks):
        heights = [each[k] for each in coordinates]
        at = [place + 0.27 * (k - 1) for place in range(len(coordinates))]
        axes.bar(at, heights, 0.25, color=color, hatch=hatch, edgecolor="white", label=label)
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set_xticks(range(len(coordinates)), NAMES)
    axes.set_ylabel("length of the part", color=INK, fontsize=9)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8, bottom=False)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8, ncols=3, loc="upper right")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.22 * (high - low))


def errors_by_size(sizes: Sequence[float], each: Mapping[str, Sequence[float]]) -> Figure:
    """Draws the relative error of gradients against the size of delta."""
    figure = new_figure(7, 3.6, "A gradient whose error depends on the size of $\\delta$")
    axes = figure.subplots()
    for (name, errors), (color, marker, line) in zip(each.items(), LOOKS, strict=False):
        axes.loglog(sizes, errors, line, marker=marker, color=color, markersize=4, label=name)
    axes.set(xlabel="size of $\\delta^{(l+1)}$ (deviation)", ylabel="relative error")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_minor_formatter(NullFormatter())
    _quiet(axes)
    axes.legend(frameon=False, labelcolor=INK)
    return figure


Agreement = Mapping[str, Sequence[tuple[float, float]]]


def agreements(each: Mapping[str, Agreement]) -> Figure:
    """Draws the cosine between wrong and right gradients of each parameter, by its place.

    Args:
        each: For each panel, by its title, for each kind of parameter the layer (0 is the first)
            and the cosine of each.
    """
    rows = -(-len(each) // 3)
    columns = min(3, len(each))
    title = "Cosine of the angle between the author's gradient and the derivative"
    figure = new_figure(3.5 * columns, 2.7 * rows + 0.5, title)
    places = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    for axes, (title, kinds) in zip(places, each.items(), strict=False):
        for (kind, points), (color, marker, line) in zip(kinds.items(), LOOKS, strict=True):
            layers, cosines = zip(*points, strict=True)
            axes.plot(
                layers, cosines, line, marker=marker, color=color, markersize=5, linewidth=0.9,
                label=kind,
            )  # fmt: skip
        axes.axhline(0, color=INK, linewidth=0.6)
        axes.set_title(title, color=INK, fontsize=10)
        axes.set(ylim=(-1.12, 1.12), xlabel="layer, from the input on")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _quiet(axes)
    for axes in figure.axes[::columns]:
        axes.set_ylabel("cosine")
    figure.axes[0].legend(frameon=False, labelcolor=INK, fontsize=8, loc="lower right")
    return figure


class Run(NamedTuple):
    """One training."""

    net: str
    norm: str
    learning_rate: float
    losses: Sequence[float]
    accuracy: float


def loss_curves(runs: Sequence[Run], title: str) -> Figure:
    """Draws the loss of each run over its steps."""
    figure = new_figure(6.5, 3.6, title)
    axes = figure.subplots()
    for run, (color, _, line) in zip(runs, LOOKS, strict=False):
        label = f"{run.norm}: {run.accuracy:.1%} of the test digits"
        axes.semilogy(range(1, len(run.losses) + 1), run.losses, line, color=color, label=label)
    axes.set(xlabel="step", ylabel="loss of the batch")
    _quiet(axes)
    axes.legend(frameon=False, labelcolor=INK, fontsize=9, loc="lower left")
    low, high = axes.get_ylim()
    axes.set_ylim(low / 5, high)  # room for the legend
    return figure


def accuracies(runs: Sequence[Run]) -> Figure:
    """Draws the accuracy after training against the learning rate: a panel a net, a dot a run."""
    figure = new_figure(10, 3.8, "Accuracy on the test digits")
    nets, norms = (list(dict.fromkeys(run[k] for run in runs)) for k in (0, 1))
    places = figure.subplots(1, len(nets), sharey=True, squeeze=False)[0]
    for axes, net in zip(places, nets, strict=True):
        for norm, (color, marker, line) in zip(norms, LOOKS, strict=False):
            of_it = [run for run in runs if (run.net, run.norm) == (net, norm)]
            rates = sorted({run.learning_rate for run in of_it})
            scores = [[run.accuracy for run in of_it if run.learning_rate == r] for r in rates]
            means = [sum(some) / len(some) for some in scores]
            axes.semilogx(rates, means, line, color=color, linewidth=1.2)
            for rate, some in zip(rates, scores, strict=True):
                axes.plot([rate] * len(some), some, marker, color=color, markersize=5)
            axes.plot([], [], line, marker=marker, color=color, label=norm)
        axes.set_title(net, color=INK, fontsize=10)
        axes.set(xlabel="learning rate", ylim=(0, 1))
        axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        _quiet(axes)
    handles, labels = places[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=3, frameon=False, labelcolor=INK
    )
    return figure


def _quiet(axes: Axes) -> None:
    axes.grid(color=PALE, linewidth=0.4)
    axes.spines[["top", "right"]].set_visible(False)
