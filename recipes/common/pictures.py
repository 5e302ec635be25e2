"""Pictures that every recipe draws, and their common look."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#22303c"
PALE = "#c9d3da"
BLUE = "#1f6fb4"
ORANGE = "#e07b39"


def new_figure(width: float, height: float, title: str) -> Figure:
    """Returns an empty figure of width x height inches under a title."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    figure.suptitle(title, color=INK, fontweight="bold")
    return figure


def tidy(axes: Axes, **labels: Any) -> None:
    """Gives axes with numbers the common look, and sets e.g. ``title`` or ``xlabel``."""
    axes.set(**labels)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, labelsize=8)
    axes.grid(color=PALE, linewidth=0.5)


def learning_curves(metrics: Path, score: str) -> Figure:
    """Draws loss and score over the epochs, of the images learnt from and of those validated on.

    Args:
        metrics: The run's ``metrics.csv`` with columns such as ``train_loss`` and ``val_loss``.
        score: Name of the score, e.g. ``accuracy``.
    """
    with metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    figure = new_figure(9, 3.8, "Learning curves")
    for axes, quantity in zip(figure.subplots(1, 2), ("loss", score), strict=True):
        for part, color, name in (("train", ORANGE, "learning"), ("val", BLUE, "validation")):
            column = f"{part}_{quantity}"
            points = [(int(row["epoch"]) + 1, float(row[column])) for row in rows if row.get(column)]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", color=color, markersize=3, label=name)
        tidy(axes, xlabel="epoch", ylabel=quantity)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)
    return figure
