"""Pictures that every recipe draws, and their common look."""

from __future__ import annotations

import csv
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, PercentFormatter

INK = "#22303c"
PALE = "#c9d3da"
BLUE = "#1f6fb4"
ORANGE = "#e07b39"


def new_figure(width: float, height: float, title: str) -> Figure:
    """Returns an empty figure of width x height inches under a title."""
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1)
    figure = Figure(figsize=(width, height), layout=layout, dpi=150)
    figure.suptitle(title, color=INK, fontweight="bold")
    return figure


def learning_curves(metrics: Path, score: str) -> Figure:
    """Draws loss and score over the epochs, of the images learnt from and of those validated on.

    Args:
        metrics: The run's ``metrics.csv`` with columns such as ``train_loss`` and ``val_loss``.
        score: Name of a score from 0 to 1, e.g. ``accuracy``.
    """
    with metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    figure = new_figure(9, 3.8, "Learning curves")
    losses, scores = figure.subplots(1, 2)
    for axes, quantity in ((losses, "loss"), (scores, score)):
        for part, color, name in (("train", ORANGE, "learning"), ("val", BLUE, "validation")):
            measured = [row for row in rows if row.get(f"{part}_{quantity}")]
            if measured:
                epochs = [int(row["epoch"]) + 1 for row in measured]
                values = [float(row[f"{part}_{quantity}"]) for row in measured]
                axes.plot(epochs, values, "o-", color=color, markersize=3, label=name)
        axes.set_title(quantity, color=INK, fontsize=10)
        axes.set_xlabel("epoch", color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(PALE)
        axes.tick_params(colors=INK, labelsize=8)
        axes.grid(color=PALE, linewidth=0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, labelcolor=INK)
    scores.yaxis.set_major_formatter(PercentFormatter(1))
    return figure
