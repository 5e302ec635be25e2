"""Matrices with their numbers, laid out in rows with signs between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from manualnn.layers.geometry import Geometry
from recipes.common.pictures import INK, PALE, new_figure

Place = tuple[int, int]
Box = tuple[int, int, int, int]  # top, left, height, width

CELL = 0.29  # inches
VALUES, ERRORS, WEIGHTS = "Blues", "Oranges", "PuOr_r"  # X, delta, W
MARK = "#f3b58a"


@dataclass(frozen=True)
class Grid:
    """A matrix with its numbers.

    Attributes:
        values: (rows, columns).
        title: Above it.
        tint: The name of a colormap; its pale half is used, so that the numbers stay legible.
        note: Below it.
        frames: Boxes to draw a thick line around.
        faint: Where a number is not of the data, such as the zeros of the padding.
        hatched: Where nothing ever comes.
        hidden: Where no number is shown.
        marked: Where the cell is orange, and the number bold.
    """

    values: Tensor
    title: str
    tint: str = VALUES
    note: str = ""
    frames: Sequence[Box] = ()
    faint: Tensor | None = None
    hatched: Tensor | None = None
    hidden: Tensor | None = None
    marked: Tensor | None = None


def sheet(title: str, rows: Sequence[Sequence[Grid | str]], cell: float = CELL) -> Figure:
    """Draws rows of grids and signs, every cell of one size."""
    figure = new_figure(5, 3, title)
    axes = figure.subplots()
    y, widest = 0.0, 0.0
    for row in rows:
        grids = [item for item in row if isinstance(item, Grid)]
        tallest = max(len(grid.values) for grid in grids)
        x = 0.0
        for item in row:
            if isinstance(item, str):
                middle = y + 1 + tallest / 2
                axes.text(x + 0.35, middle, item, ha="center", va="center", color=INK, fontsize=12)
                x += 1.2
                continue
            height, width = item.values.shape
            room = max(float(width), 2.6)  # for the title
            _draw(axes, item, x + (room - width) / 2, y + 1 + (tallest - height) / 2)
            x += room + 0.5
        widest = max(widest, x - 0.5)
        y += tallest + 1.3 + 0.5 * any(grid.note for grid in grids)
    axes.set(xlim=(-0.1, widest + 0.1), ylim=(y - 0.1, -0.2))
    axes.set_aspect("equal")
    axes.axis("off")
    figure.set_size_inches(max(5.5, widest * cell + 0.3), y * cell + 0.6)
    return figure


def _draw(axes: Axes, grid: Grid, left: float, top: float) -> None:
    height, width = grid.values.shape
    most = grid.values.abs().max().item() or 1.0
    tints = colormaps[grid.tint]
    middle = left + width / 2
    axes.text(middle, top - 0.22, grid.title, ha="center", va="bottom", color=INK, fontsize=9)
    if grid.note:
        low = top + height + 0.2
        axes.text(middle, low, grid.note, ha="center", va="top", color=INK, fontsize=8)
    for row, column in product(range(height), range(width)):
        value, place = grid.values[row, column].item(), (row, column)
        is_hidden = _is(grid.hidden, place)
        share = value / most
        tint: object = tints(0.5 + 0.28 * share if grid.tint == WEIGHTS else 0.4 * max(share, 0))
        if _is(grid.marked, place):
            tint = MARK
        color = "white" if is_hidden or _is(grid.faint, place) else tint
        x, y = left + column, top + row
        draw_cell(axes, x, y, color, _is(grid.hatched, place))
        if not is_hidden:
            color = PALE if _is(grid.faint, place) else INK
            text = f"{value:g}"
            size = 8 if len(text) < 4 else 7
            weight = "bold" if _is(grid.marked, place) else "normal"
            axes.text(
                x + 0.5, y + 0.5, text, ha="center", va="center", color=color, fontsize=size,
                fontweight=weight,
            )  # fmt: skip
    for first, start, tall, wide in grid.frames:
        corner = (left + start, top + first)
        axes.add_patch(Rectangle(corner, wide, tall, fill=False, edgecolor=INK, linewidth=1.8))


def draw_cell(axes: Axes, x: float, y: float, color: object, hatched: bool) -> None:
    """Draws a square of side 1 with its corner above left at (x, y)."""
    hatch = "////" if hatched else None
    axes.add_patch(
        Rectangle((x, y), 1, 1, facecolor=color, edgecolor=PALE, linewidth=0.6, hatch=hatch)
    )


def _is(mask: Tensor | None, place: Place) -> bool:
    return mask is not None and bool(mask[place])


def with_margin(X: Tensor, padding: int) -> tuple[Tensor, Tensor]:
    """X with zeros around, and where they are."""
    sides = (padding,) * 4
    padded = torch.nn.functional.pad(X, sides)
    return padded, torch.nn.functional.pad(torch.zeros_like(X), sides, value=1.0).bool()


def outside(plane: Tensor, box: Box) -> Tensor:
    """All but a box."""
    top, left, height, width = box
    is_out = torch.ones_like(plane, dtype=torch.bool)
    is_out[top : top + height, left : left + width] = False
    return is_out


def in_no_window(padded: Tensor, meets: Geometry) -> Tensor:
    """The elements of a padded plane that no window covers."""
    is_met = [torch.zeros(size, dtype=torch.bool) for size in padded.shape]
    axes = zip(is_met, meets.output_size, meets.kernel_size, meets.stride, strict=True)
    for met, places, k, s in axes:
        for number in range(places):
            met[s * number : s * number + k] = True
    rows, columns = is_met
    return ~(rows[:, None] & columns)
