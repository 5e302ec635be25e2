"""A network of neurons as circles and lines, with numbers in and beside them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from matplotlib.axes import Axes
from matplotlib.patches import Circle
from torch import Tensor

from recipes.common.pictures import BLUE, INK, ORANGE, PALE

RADIUS = 0.3
ACROSS, DOWN = 3.0, 1.35


def draw_network(
    axes: Axes,
    values: Sequence[Tensor],
    weights: Sequence[Tensor],
    deltas: Sequence[Tensor | None] = (),
    through: Sequence[Tensor | None] = (),
    gradients: Sequence[Tensor | None] = (),
) -> None:
    """Draws layers of neurons, left to right.

    Args:
        axes: To draw on.
        values: The activation of each layer, (width) or (1, width): written into the circles.
        weights: Of each pair of neighbours, (in, out): written on the lines.
        deltas: For each layer, what comes back to it, like its values: orange, below the circles.
        through: For each layer, that times f', likewise.
        gradients: For each weight, its gradient, (in, out): orange, below the weights.
    """
    values = [layer.flatten() for layer in values]
    tallest = max(len(layer) for layer in values)
    axes.set(xlim=(-0.8, ACROSS * (len(values) - 1) + 0.8), ylim=(-DOWN * tallest + 0.4, 0.35))
    axes.set_aspect("equal")
    axes.axis("off")
    gradients = [*gradients, *[None] * (len(weights) - len(gradients))]
    for level, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
        for i, o in product(*map(range, weight.shape)):
            start, end = place(level, i, values, tallest), place(level + 1, o, values, tallest)
            color = PALE if gradient is None else ORANGE
            axes.plot(*zip(start, end, strict=True), color=color, linewidth=1, zorder=0)
            share = 0.3 + 0.4 * ((i + o) % 2)  # side by side, numbers would lie on each other
            x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
            text = f"{weight[i, o]:.2f}"
            _label(axes, x, y, text, INK)
            if gradient is not None:
                _label(axes, x, y - 0.19, f"$\\partial$ {gradient[i, o]:.3f}", ORANGE)
    for level, layer in enumerate(values):
        for number, value in enumerate(layer.tolist()):
            x, y = place(level, number, values, tallest)
            axes.add_patch(Circle((x, y), RADIUS, facecolor="white", edgecolor=BLUE, linewidth=1.5))
            axes.text(x, y, f"{value:.2f}", ha="center", va="center", color=BLUE, fontsize=8)
            for below, name, each in ((0.43, "\\delta", deltas), (0.63, "\\Delta", through)):
                if level < len(each) and (delta := each[level]) is not None:
                    text = f"${name}$ = {delta.flatten()[number]:.3f}"
                    axes.text(
                        x, y - below, text, ha="center", va="center", color=ORANGE, fontsize=8
                    )


def place(level: int, number: int, values: Sequence[Tensor], tallest: int) -> tuple[float, float]:
    """Where a neuron lies: layers side by side, each in the middle of the tallest."""
    return ACROSS * level, -DOWN * (number + (tallest - len(values[level])) / 2) - 0.1


def _label(axes: Axes, x: float, y: float, text: str, color: str) -> None:
    around = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    axes.text(x, y, text, ha="center", va="center", color=color, fontsize=7, bbox=around)
