"""The pictures of notebook 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from torch import Tensor

from notebooks.figures.network import draw_network
from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure


def errors_of_quotients(
    steps: Sequence[float], errors: Mapping[str, Sequence[float]], slopes: Mapping[str, int]
) -> Figure:
    """Draws the error of each kind of quotient against its step, beside the power it should follow.

    Args:
        steps: Values of h, the largest first.
        errors: For each kind, the error at each step.
        slopes: For each kind, the power of h.
    """
    figure = new_figure(8, 4.2, "A smaller step is better, until rounding takes over")
    axes = figure.subplots()
    looks = zip((BLUE, ORANGE), ("o", "s"), strict=True)
    for (kind, measured), (color, marker) in zip(errors.items(), looks, strict=True):
        axes.loglog(steps, measured, marker, color=color, markersize=4, label=kind)
        power = [measured[2] * (h / steps[2]) ** slopes[kind] for h in steps]
        axes.loglog(steps, power, ":", color=color, linewidth=1)
        at = len(steps) // 3
        axes.annotate(
            f"$h^{slopes[kind]}$", (steps[at], power[at]), (10, 6), color=color,
            textcoords="offset points",
        )  # fmt: skip
    axes.loglog(
        steps, [1e-16 / h for h in steps], "--", color=PALE, label="in proportion to $10^{-16}/h$"
    )
    axes.set(xlabel="step h, smaller to the right", ylabel="relative error", ylim=(1e-12, 1))
    axes.invert_xaxis()
    axes.legend(frameon=False, labelcolor=INK)
    axes.grid(color=PALE, linewidth=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def jacobians(matrices: Mapping[str, Tensor]) -> Figure:
    """Draws matrices side by side; what is exactly zero stays empty."""
    figure = new_figure(9, 3.4, "Half of these Jacobians is zero, and the rest is repeated")
    largest = max(matrix.abs().max().item() for matrix in matrices.values())
    columns = [matrix.shape[1] for matrix in matrices.values()]
    places = figure.subplots(1, len(matrices), width_ratios=columns)
    for axes, (name, matrix) in zip(places, matrices.items(), strict=True):
        drawn = axes.imshow(matrix, "PuOr_r", vmin=-largest, vmax=largest)
        axes.set_title(name, color=INK, fontsize=10)
        for row, column in matrix.nonzero().tolist():
            value = matrix[row, column].item()
            color = "white" if abs(value) > 0.6 * largest else INK
            axes.text(
                column, row, f"{value:.2f}", ha="center", va="center", color=color, fontsize=7
            )
        rows, width = matrix.shape
        axes.set(xticks=range(width), yticks=range(rows), xticklabels=[], yticklabels=[])
        axes.set_xlabel(f"{rows} x {width}, {int((matrix == 0).sum())} zeros", color=INK)
        axes.set_xticks([c - 0.5 for c in range(1, width)], minor=True)
        axes.set_yticks([r - 0.5 for r in range(1, rows)], minor=True)
        axes.grid(which="minor", color=PALE, linewidth=0.5)
        axes.tick_params(which="both", length=0)
    figure.colorbar(drawn, ax=places, shrink=0.7, aspect=30).outline.set_visible(False)
    return figure


class Moment(NamedTuple):
    """A moment of a training step; see :func:`notebooks.figures.network.draw_network`."""

    title: str
    values: Sequence[Tensor]
    weights: Sequence[Tensor]
    deltas: Sequence[Tensor | None] = ()
    through: Sequence[Tensor | None] = ()
    gradients: Sequence[Tensor | None] = ()


def moments(each: Sequence[Moment]) -> Figure:
    """Draws moments of a training step, two in a row: numbers in circles are activations."""
    rows = -(-len(each) // 2)
    figure = new_figure(11 if len(each) > 1 else 6.5, 3.3 * rows + 0.4, "A step back")
    places = figure.subplots(rows, min(2, len(each)), squeeze=False).flat
    for axes, moment in zip(places, each, strict=False):
        draw_network(axes, *moment[1:])
        axes.set_title(moment.title, color=INK, fontsize=9)
    for axes in figure.axes[len(each) :]:
        axes.axis("off")
    return figure
