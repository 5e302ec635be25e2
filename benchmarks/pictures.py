"""The figures as pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

Row = dict[str, Any]


def draw_nets(rows: list[Row]) -> Figure:
    """Time and saved bytes of whole nets, ours / torch's."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    names = list(dict.fromkeys(row["net"] for row in rows))
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    for axes, what, title in zip(
        figure.subplots(1, 2, sharey=True),
        ("step", "saved_ratio"),
        ("time of a training step", "bytes saved for backward"),
        strict=True,
    ):
        for place, variant in enumerate(variants):
            chosen = {row["net"]: row for row in rows if row["variant"] == variant}
            height = 0.8 / len(variants)
            at = [names.index(net) + place * height for net in chosen]
            bars = axes.barh(at, [row[what] for row in chosen.values()], height, label=variant)
            axes.bar_label(bars, fmt="%.2f", padding=2)
        axes.axvline(1, color="black", linewidth=1)
        axes.set_yticks([n + 0.4 - 0.4 / len(variants) for n in range(len(names))], names)
        axes.margins(x=0.12)
        axes.set_title(title)
        axes.set_xlabel("ours / torch.nn's, below 1 is better")
    axes.invert_yaxis()  # of both
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(variants))
    return figure


def draw_layers(rows: list[Row]) -> Figure:
    """Forward and backward time of single layers, ours / torch's."""
    figure = Figure(figsize=(9, 0.32 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    for what, marker in (("forward", "<"), ("backward", ">"), ("step", "o")):
        label = "both" if what == "step" else what
        axes.plot([row[what] for row in rows], range(len(rows)), marker, label=label)
    axes.set_yticks(range(len(rows)), [row["layer"] for row in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xticks([0.5, 0.7, 1, 1.5, 2, 3], ["0.5", "0.7", "1", "1.5", "2", "3"])
    axes.minorticks_off()
    axes.axvline(1, color="black", linewidth=1)
    axes.grid(axis="y", alpha=0.3)
    axes.set_xlabel("time, ours / torch.nn's")
    axes.legend()
    return figure


def draw_growth(rows: list[Row]) -> Figure:
    """Time against size, on logarithmic axes."""
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    alongs = list(dict.fromkeys(row["along"] for row in rows))
    figure = Figure(figsize=(4 * len(alongs), 3 * len(layers)), layout="constrained")
    grid = figure.subplots(len(layers), len(alongs), squeeze=False)
    for layer, line in zip(layers, grid, strict=True):
        for along, axes in zip(alongs, line, strict=True):
            chosen = [row for row in rows if (row["layer"], row["along"]) == (layer, along)]
            sizes = [row["size"] for row in chosen]
            for who, label in (("", "ours"), ("_torch", "torch.nn")):
                exponent = chosen[0][f"slope{who}"]
                milliseconds = [1000 * row[f"seconds{who}"] for row in chosen]
                axes.loglog(sizes, milliseconds, "o-", label=f"{label}, exponent {exponent:.2f}")
            axes.set_title(layer)
            axes.set_xlabel("pixels to a side" if along == "pixels" else along)
            axes.set_ylabel("ms")
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
            axes.legend()
    return figure


DRAW: dict[str, Callable[[list[Row]], Figure]] = {
    "nets": draw_nets,
    "layers": draw_layers,
    "growth": draw_growth,
}
