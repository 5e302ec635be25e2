"""The pictures of notebook 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from manualnn.functional import conv2d
from manualnn.layers.conv import conv_grad_input
from manualnn.layers.conv_weight import conv_grad_weight, windows
from manualnn.layers.geometry import Geometry
from notebooks.figures.grid import (
    ERRORS,
    WEIGHTS,
    Grid,
    Place,
    draw_cell,
    in_no_window,
    outside,
    sheet,
    with_margin,
)
from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure

FEW_COLORS = colormaps[WEIGHTS].resampled(19)  # of a noisy picture fewer make a smaller file
FEW_GREYS = colormaps["gray"].resampled(32)


def geometry(
    size: Sequence[int], kernel: Sequence[int], stride: int = 1, padding: int = 0
) -> Geometry:
    """The geometry of a plain convolution: one stride and padding for both axes, no dilation."""
    return Geometry(
        tuple(size), tuple(kernel), (stride, stride), (padding, padding), (1, 1), groups=1
    )


def connections(size: int, kernel: int) -> Figure:
    """Draws the matrices of three layers of ``size`` neurons, in a line, each with its weights."""
    random = torch.Generator().manual_seed(3)
    near = torch.arange(size)[None] - torch.arange(size)[:, None] + kernel // 2
    is_near = (near >= 0) & (near < kernel)
    full = torch.rand(size, size, generator=random) * 2 - 1
    shared = torch.tensor([0.9, -0.35, -0.8])[near.clamp(0, kernel - 1)]
    matrices = {
        "fully connected": (full, size * size),
        "only to neighbours": (full * is_near, int(is_near.sum())),
        "and the same everywhere": (shared * is_near, kernel),
    }
    figure = new_figure(9, 3.4, "A convolution is a fully connected layer with few weights")
    for axes, (name, (matrix, weights)) in zip(
        figure.subplots(1, 3), matrices.items(), strict=True
    ):
        axes.imshow(matrix, WEIGHTS, vmin=-1, vmax=1)
        axes.set_title(name, color=INK, fontsize=10)
        axes.set_xlabel(f"neuron in X\n{weights} weights", color=INK)
        axes.set(xticks=[], yticks=[])
        axes.set_xticks([n - 0.5 for n in range(1, size)], minor=True)
        axes.set_yticks([n - 0.5 for n in range(1, size)], minor=True)
        axes.grid(which="minor", color=PALE, linewidth=0.5)
        axes.tick_params(which="both", length=0)
    figure.axes[0].set_ylabel("neuron in Y", color=INK)
    return figure


def edges(photograph: Tensor, results: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Draws a photograph, and beside it each kernel and what it makes of the photograph.

    Args:
        photograph: (H, W), grey.
        results: For each kernel's name the kernel and its output, (H', W').
    """
    figure = new_figure(9.2, 2.45, "What two kernels see in a photograph")
    ratios = [3.0, *[1.0, 3.0] * len(results)]
    first, *others = figure.subplots(1, len(ratios), width_ratios=ratios)
    first.imshow(photograph, FEW_GREYS, interpolation_stage="data")
    first.set_title("X", color=INK, fontsize=10)
    largest = max(output.abs().max().item() for _, output in results.values()) * 0.6
    for number, (name, (kernel, output)) in enumerate(results.items()):
        small, large = others[2 * number : 2 * number + 2]
        most = kernel.abs().max().item()
        small.imshow(kernel, WEIGHTS, vmin=-1.8 * most, vmax=1.8 * most)
        for j, i in product(*map(range, kernel.shape)):
            small.text(i, j, f"{kernel[j, i]:g}", ha="center", va="center", color=INK, fontsize=8)
        small.set_title("W", color=INK, fontsize=10)
        large.imshow(output, FEW_COLORS, vmin=-largest, vmax=largest, interpolation_stage="data")
        large.set_title(name, color=INK, fontsize=10)
    for axes in figure.axes:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(PALE)
    return figure


class Setting(NamedTuple):
    """How a kernel slides, and at which output it is now, counted row by row from 1."""

    stride: int
    padding: int
    place: int


def slidings(title: str, cases: Sequence[tuple[Tensor, Tensor, Setting]]) -> Figure:
    """Draws the sliding product of X and W as far as it has come, a row of grids for each case."""
    return sheet(title, [_sliding(X, W, *setting) for X, W, setting in cases])


def _sliding(X: Tensor, W: Tensor, stride: int, padding: int, place: int) -> list[Grid | str]:
    Y = conv2d(X[None, None], W[None, None], stride=stride, padding=padding)[0, 0]
    padded, is_margin = with_margin(X, padding)
    place = min(place, Y.numel())
    h, w = divmod(place - 1, Y.shape[1])
    meets = geometry(X.shape, W.shape, stride, padding)
    hidden = torch.arange(Y.numel()).view_as(Y) >= place
    margin = f", p = {padding}" if padding else ""
    return [
        Grid(
            padded,
            f"$X${margin}",
            frames=[(stride * h, stride * w, *W.shape)],
            faint=is_margin,
            hatched=in_no_window(padded, meets),
        ),
        "*",
        Grid(W, "$W$", WEIGHTS),
        "=",
        Grid(
            Y,
            f"$X * W$, s = {stride}",
            note=f"place {place} of {Y.numel()}",
            frames=[(h, w, 1, 1)],
            hidden=hidden,
        ),
    ]


def stops(sizes: Sequence[int], kernel: int, stride: int) -> Figure:
    """Draws where a kernel stops along axes of several sizes, and what it never meets."""
    figure = new_figure(
        8, 0.85 * len(sizes) + 0.5, f"Where a kernel stops: k = {kernel}, s = {stride}"
    )
    axes = figure.subplots()
    for row, size in enumerate(sizes):
        places = (size - kernel) // stride + 1
        reached = stride * (places - 1) + kernel
        y = 1.6 * row
        for h in range(size):
            draw_cell(axes, h, y, "white", hatched=h >= reached)
            axes.text(h + 0.5, y + 0.5, str(h), ha="center", va="center", color=INK, fontsize=8)
        for number in range(places):
            color, low = ((BLUE, 1.14), (ORANGE, 1.3))[number % 2]
            start = stride * number
            line = [start + 0.08, start + kernel - 0.08]
            axes.plot(line, [y + low] * 2, color=color, linewidth=2.5, solid_capstyle="butt")
        exact = (size - kernel) / stride + 1
        axes.text(-0.3, y + 0.5, f"H = {size}", ha="right", va="center", color=INK, fontsize=9)
        text = f"(H - k)/s + 1 = {exact:g}, so H' = {places}"
        axes.text(max(sizes) + 0.4, y + 0.5, text, va="center", color=INK, fontsize=9)
    axes.set(xlim=(-1.8, max(sizes) + 6.3), ylim=(1.6 * len(sizes), -0.1))
    axes.axis("off")
    return figure


def strided(photograph: Tensor, printed: Tensor, corrected: Tensor, seen: Place) -> Figure:
    """Draws a photograph and its sliding product with a stride, as printed and corrected.

    Args:
        photograph: (H, W), grey.
        printed: By Eq. 39 as printed, (H', W').
        corrected: With the stride, (H', W').
        seen: How many rows and columns of the photograph the printed form meets.
    """
    figure = new_figure(8, 2.5, "Eq. 39 with a stride")
    titles = ["X, and what is met as printed", "as printed", "corrected"]
    for axes, plane, title in zip(
        figure.subplots(1, 3), (photograph, printed, corrected), titles, strict=True
    ):
        axes.imshow(plane, FEW_GREYS, vmin=0, vmax=1, interpolation_stage="data")
        axes.set_title(title, color=INK, fontsize=10)
        axes.set_xlabel(f"{plane.shape[0]} x {plane.shape[1]}", color=INK)
        axes.set(xticks=[], yticks=[])
    height, width = seen
    box = Rectangle((-0.5, -0.5), width, height, fill=False, edgecolor=ORANGE, linewidth=2)
    figure.axes[0].add_patch(box)
    return figure


def rows_of_windows(X: Tensor, W: Tensor, stride: int, row: int, pixel: Place) -> Figure:
    """Draws the sliding product as a product of matrices, each window of X a row.

    Args:
        X: (H, W).
        W: (k, k).
        stride: Of the windows.
        row: The window to draw a frame around, from 0; the last at most.
        pixel: The element of X to follow.
    """
    meets = geometry(X.shape, W.shape, stride)
    numbers = torch.arange(X.numel(), dtype=torch.float64).view_as(X)

    def im2row(plane: Tensor) -> Tensor:
        return windows(plane[None, None], meets)[0, 0].flatten(2).flatten(0, 1).t()

    rows, sources = im2row(X), im2row(numbers)
    row = min(row, len(rows) - 1)
    top, left = (stride * n for n in divmod(row, meets.output_size[1]))
    followed = numbers[pixel]
    band = (row, 0, 1)
    return sheet(
        "The same as one product of matrices",
        [
            [
                Grid(X, "$X$", frames=[(top, left, *W.shape)], marked=numbers == followed),
                "→",
                Grid(rows, "im2row($X$)", frames=[(*band, W.numel())], marked=sources == followed),
                "·",
                Grid(W.reshape(-1, 1), "vec($W$)", WEIGHTS),
                "=",
                Grid(rows @ W.reshape(-1, 1), "vec($Y$)", frames=[(*band, 1)]),
            ]
        ],
    )


def copies(counts: Mapping[str, Tensor]) -> Figure:
    """Draws how many windows each element of X lies in, side by side; none is hatched."""
    grids: list[Grid | str] = [
        Grid(count, name, ERRORS, hatched=count == 0, faint=count == 0)
        for name, count in counts.items()
    ]
    return sheet("How many windows an element lies in: row2im(im2row(ones))", [grids])


def scattered(cases: Sequence[tuple[Tensor, Tensor, int, Place]]) -> Figure:
    """Draws how each delta is sent back through the weights of its window, and their sum.

    Args:
        cases: delta (H', W'), W (k, k), the stride, and the size of X.
    """
    rows: list[list[Grid | str]] = []
    for delta, W, stride, size in cases:
        meets = geometry(size, W.shape, stride)
        row: list[Grid | str] = [Grid(delta, r"$\delta^{(l+1)}$", ERRORS), Grid(W, "$W$", WEIGHTS)]
        for h, w in product(*map(range, delta.shape)):
            alone = torch.zeros_like(delta)
            alone[h, w] = delta[h, w]
            part = _grad_input(alone, W, meets)
            box = (stride * h, stride * w, *W.shape)
            title = rf"${delta[h, w]:g}\,W$"
            row += [
                "+" if h or w else ":",
                Grid(part, title, ERRORS, frames=[box], hidden=outside(part, box)),
            ]
        total = _grad_input(delta, W, meets)
        unreached = in_no_window(total, meets)
        title = rf"$\delta^{{(l)}}$, s = {stride}"
        row += ["=", Grid(total, title, ERRORS, hatched=unreached, faint=unreached)]
        rows.append(row)
    return sheet("Each delta goes back to where its neuron looked", rows, cell=0.265)


def gathered(
    spread: Callable[..., Tensor], cases: Sequence[tuple[Tensor, Tensor, Place, Setting]]
) -> Figure:
    """Draws delta^(l) as a sliding product of delta, spread out, and the turned kernel.

    Args:
        spread: Spreads delta out: of delta, the kernel's size, X's size, stride and padding.
        cases: delta (H', W'), W (k, k), the size of X, and stride, padding and place.
    """
    rows = [_gathered(spread, delta, W, size, *setting) for delta, W, size, setting in cases]
    return sheet("The same as a sliding product: Eq. 42", rows)


def _gathered(
    spread: Callable[..., Tensor],
    delta: Tensor,
    W: Tensor,
    size: Place,
    stride: int,
    padding: int,
    place: int,
) -> list[Grid | str]:
    kernel = (int(W.shape[0]), int(W.shape[1]))
    meets = geometry(size, kernel, stride, padding)
    wide = spread(delta, kernel, size, stride, padding)
    is_delta = spread(torch.ones_like(delta), kernel, size, stride, padding) > 0
    total = _grad_input(delta, W, meets)
    place = min(place, total.numel())
    h, w = divmod(place - 1, size[1])
    unreached = in_no_window(with_margin(total, padding)[0], meets)
    unreached = unreached[padding : size[0] + padding, padding : size[1] + padding]
    return [
        Grid(delta, r"$\delta^{(l+1)}$", ERRORS),
        "→",
        Grid(
            wide,
            rf"$\tilde\delta$, s = {stride}, p = {padding}",
            ERRORS,
            frames=[(h, w, *kernel)],
            faint=~is_delta,
        ),
        "*",
        Grid(W.flip(0, 1), r"rot180($W$)", WEIGHTS),
        "=",
        Grid(
            total,
            r"$\delta^{(l)}$",
            ERRORS,
            frames=[(h, w, 1, 1)],
            hatched=unreached,
            faint=unreached,
            hidden=torch.arange(total.numel()).view_as(total) >= place,
        ),
    ]


def compared(title: str, rows: Sequence[Mapping[str, Tensor]]) -> Figure:
    """Draws matrices side by side, under their names."""
    return sheet(
        title, [[Grid(values, name, ERRORS) for name, values in row.items()] for row in rows]
    )


def weight_gradients(cases: Sequence[tuple[Tensor, Tensor, Place, int, Place]]) -> Figure:
    """Draws which elements of X a weight has met, and the sum that is its gradient.

    Args:
        cases: X (H, W), delta (H', W'), the kernel's size, the stride, and the weight (j, i).
    """
    rows: list[list[Grid | str]] = []
    for X, delta, kernel, stride, (j, i) in cases:
        meets = geometry(X.shape, kernel, stride)
        gradient = conv_grad_weight(X[None, None], delta[None, None], meets)[0, 0]
        j, i = min(j, kernel[0] - 1), min(i, kernel[1] - 1)
        is_met = torch.zeros_like(X, dtype=torch.bool)
        height, width = delta.shape
        below, right = j + stride * (height - 1) + 1, i + stride * (width - 1) + 1
        is_met[j:below:stride, i:right:stride] = True
        rows.append(
            [
                Grid(X, f"$X$ as $W_{{{j},{i}}}$ met it", marked=is_met),
                r"$\odot$",
                Grid(delta, r"$\delta^{(l+1)}$", ERRORS),
                "→",
                Grid(gradient, f"$dL/dW$, s = {stride}", WEIGHTS, frames=[(j, i, 1, 1)]),
            ]
        )
    return sheet("What a weight has met, times delta", rows)


def learnt(losses: Mapping[str, Sequence[float]], kernels: Mapping[str, Tensor]) -> Figure:
    """Draws the loss of each way to learn, and pairs of kernels.

    Args:
        losses: For each way, the loss before each step.
        kernels: For each title a pair of kernels, (2, 1, k, k).
    """
    figure = new_figure(10, 3.2, "Two kernels that are learnt from what they should give")
    ((left, right),) = figure.subfigures(1, 2, squeeze=False, width_ratios=[1, 1.2])
    curves = left.subplots()
    for (name, values), color, style in zip(
        losses.items(), (BLUE, ORANGE), ("-", "--"), strict=True
    ):
        curves.semilogy(values, style, color=color, label=name)
    curves.set_xlabel("steps", color=INK)
    curves.set_ylabel("loss", color=INK)
    curves.legend(frameon=False, labelcolor=INK)
    curves.grid(color=PALE, linewidth=0.4)
    curves.spines[["top", "right"]].set_visible(False)
    places = right.subplots(2, len(kernels))
    largest = max(pair.abs().max().item() for pair in kernels.values()) * 1.8
    for column, (name, pair) in enumerate(kernels.items()):
        for row, kernel in enumerate(pair[:, 0]):
            axes = places[row, column]
            axes.imshow(kernel, WEIGHTS, vmin=-largest, vmax=largest)
            for j, i in product(*map(range, kernel.shape)):
                text = f"{kernel[j, i]:.1f}".replace("-0.0", "0.0")
                axes.text(i, j, text, ha="center", va="center", color=INK, fontsize=7)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(PALE)
        places[0, column].set_title(name, color=INK, fontsize=9)
    return figure


def _grad_input(delta: Tensor, W: Tensor, meets: Geometry) -> Tensor:
    return conv_grad_input(delta[None, None], W[None, None], meets)[0, 0]
