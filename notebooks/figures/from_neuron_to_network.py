"""The pictures of notebook 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from notebooks.figures.network import draw_network, place
from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure


def neuron(x: Tensor, w: Tensor, b: float) -> Figure:
    """Draws a neuron with a sigmoid: what it adds up, and what f makes of it.

    Args:
        x: Its inputs, (in).
        w: Their weights, (in).
        b: Its bias.
    """
    z = float(x @ w) + b
    y = float(torch.sigmoid(torch.tensor(z)))
    figure = new_figure(9.5, 4.4, "A neuron: weigh, add, bend")
    net, curve = figure.subplots(1, 2, width_ratios=(1, 1.1))
    inputs = torch.cat([x, torch.ones(1)])
    weights = torch.cat([w, torch.tensor([b])]).unsqueeze(1)
    draw_network(net, [inputs, torch.tensor([y])], [weights])
    names = [*(f"$x_{i}$" for i in range(len(x))), "bias"]
    for number, name in enumerate(names):
        across, down = place(0, number, [inputs], len(inputs))
        net.text(across - 0.45, down, name, ha="right", va="center", color=INK, fontsize=9)
    across, down = place(1, 0, [inputs, torch.ones(1)], len(inputs))
    net.text(across, down - 0.5, "$f(z)$", ha="center", va="center", color=INK, fontsize=9)
    net.set_xlim(-1.7, across + 0.8)
    line = torch.linspace(-6, 6, 121)
    curve.plot(line, torch.sigmoid(line), color=BLUE)
    curve.plot([z, z, -6], [0, y, y], ":", color=ORANGE)
    curve.plot(z, y, "o", color=ORANGE)
    curve.set_title(f"z = {z:.2f}, f(z) = {y:.2f}", color=INK, fontsize=10)
    curve.set(xlabel="the sum z", ylabel="f(z), the sigmoid", xlim=(-6, 6), ylim=(0, 1.02))
    _quiet(curve)
    return figure


def element_by_element(X: Tensor, values: Tensor, slopes: Tensor, jacobian: Tensor) -> Figure:
    """Draws a matrix, f and f' of its elements, and the derivative of all f by all elements."""
    figure = new_figure(9.5, 3.6, "f' has a number for each element: the diagonal of the Jacobian")
    shown = {"X": X, "f(X)": values, "f'(X)": slopes, "each of f(X) by each of X": jacobian}
    places = figure.subplots(1, 4, width_ratios=(3, 3, 3, 5))
    for axes, (name, matrix) in zip(places, shown.items(), strict=True):
        largest = matrix.abs().max().item()
        axes.imshow(matrix, "PuOr_r", vmin=-largest, vmax=largest)
        axes.set_title(name, color=INK, fontsize=10)
        rows, columns = matrix.shape
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(f"{rows} x {columns}", color=INK)
        axes.set_xticks([c - 0.5 for c in range(1, columns)], minor=True)
        axes.set_yticks([r - 0.5 for r in range(1, rows)], minor=True)
        axes.grid(which="minor", color=PALE, linewidth=0.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_color(PALE)
        for row, column in torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).tolist():
            number = matrix[row, column].item()
            text = f"{number:.2f}" if number or rows == 2 else "0"
            color = "white" if abs(number) > 0.6 * largest else INK
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    return figure


class Activation(NamedTuple):
    """An activation and its slope at the places ``x``, and quotients measured at ``at``."""

    x: Tensor
    values: Tensor
    slopes: Tensor
    at: Tensor
    quotients: Tensor


def activations(each: Mapping[str, Activation]) -> Figure:
    """Draws activations side by side, each with its derivative and what was measured of it."""
    figure = new_figure(10, 3.8, "Three activations and their slopes")
    places = figure.subplots(1, len(each))
    for axes, (name, drawn) in zip(places, each.items(), strict=True):
        axes.plot(drawn.x, drawn.values, color=BLUE, label="f")
        jumps = [*torch.nonzero(drawn.slopes.diff().abs() > 0.5).flatten().add(1).tolist()]
        ends = [0, *jumps, len(drawn.x)]
        for start, end in pairwise(ends):
            label = "f', by formula" if start == 0 else None
            axes.plot(drawn.x[start:end], drawn.slopes[start:end], "--", color=ORANGE, label=label)
        axes.plot(
            drawn.at, drawn.quotients, "o", color=ORANGE, fillstyle="none", markersize=5,
            label="f', by quotient",
        )  # fmt: skip
        for jump in jumps:
            axes.plot(drawn.x[jump - 1], drawn.slopes[jump - 1], "o", color=ORANGE, markersize=5)
            axes.annotate(
                "chosen", (drawn.x[jump - 1], drawn.slopes[jump - 1]), (8, 6), color=INK,
                textcoords="offset points", fontsize=8,
            )  # fmt: skip
        axes.set_title(name, color=INK, fontsize=10)
        axes.set_xlabel("x")
        _quiet(axes)
    places[0].legend(frameon=False, labelcolor=INK, fontsize=8, loc="upper left")
    return figure


def floating_point(
    large: Tensor, printed: Tensor, whole: Tensor, small: Tensor, errors: Mapping[str, Tensor]
) -> Figure:
    """Draws tanh as printed beside the package's, far from zero and close to it.

    Args:
        large: Values of x from 0 on.
        printed: Eq. 9 at each of them, nan where it fails.
        whole: The package's tanh there.
        small: Values of x above 0.
        errors: Relative errors there, of Eq. 9 and of the package, in this order.
    """
    figure = new_figure(10, 3.8, "tanh as printed fails far from zero, and wears out close to it")
    far, close = figure.subplots(1, 2)
    far.plot(large, whole, color=PALE, linewidth=5, label="manualnn")
    far.plot(large, printed, color=ORANGE, label="Eq. 9 as printed")
    lost = large[printed.isnan()]
    far.axvspan(lost.min().item(), large.max().item(), color=PALE, alpha=0.3, linewidth=0)
    far.text(lost.mean().item(), 0.5, r"$\infty / \infty$", ha="center", color=INK)
    far.set(xlabel="x", ylabel="tanh(x), float64", ylim=(0, 1.1))
    for (name, error), color, marker in zip(errors.items(), (ORANGE, BLUE), "os", strict=True):
        floor = error.clamp(min=1e-17)
        close.loglog(small, floor, marker, color=color, markersize=4, label=name)
    close.loglog(small, 1e-16 / small, ":", color=INK, linewidth=1, label="$10^{-16}/x$")
    close.set(xlabel="x", ylabel="relative error (at least $10^{-17}$)")
    for axes in (far, close):
        _quiet(axes)
        axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    far.legend(frameon=False, labelcolor=INK, fontsize=8, loc="center")
    return figure


def planes(
    x: Tensor, outputs: Mapping[str, Tensor], title: str = "Same weights, three networks"
) -> Figure:
    """Draws what networks make of the plane, with lines of equal output.

    Args:
        x: Places along both axes, (n).
        outputs: For each network, (n, n), the rows along the second axis.
        title: Above all.
    """
    figure = new_figure(10, 3.8, title)
    for axes, (name, output) in zip(figure.subplots(1, len(outputs)), outputs.items(), strict=True):
        largest = output.abs().max().item()
        axes.contourf(x, x, output, 15, cmap="PuOr_r", vmin=-largest, vmax=largest)
        axes.contour(x, x, output, 15, colors=INK, linewidths=0.4, linestyles="solid")
        axes.set_title(name, color=INK, fontsize=10)
        axes.set(xlabel="$x_0$", ylabel="$x_1$", aspect="equal")
        _quiet(axes, grid=False)
    return figure


def passes(
    X: Tensor, hidden: Tensor, outputs: Tensor, weights: Sequence[Tensor], x: Tensor, plane: Tensor
) -> Figure:
    """Draws a network once for each of four samples, and what it makes of the plane.

    Args:
        X: The samples, (4, 2).
        hidden: The hidden layer of each, (4, n).
        outputs: Of each, (4, 1).
        weights: Of the two layers.
        x: Places along both axes of the plane, (n).
        plane: The output there, (n, n), the rows along the second axis.
    """
    figure = new_figure(12, 3.9, "Are the two inputs different? The network, for each pair")
    places = figure.subplot_mosaic("012;342", width_ratios=(1.35, 1.35, 1))
    for sample, name in enumerate("0134"):
        axes = places[name]
        draw_network(axes, [X[sample], hidden[sample], outputs[sample]], weights)
        x0, x1 = X[sample].int().tolist()
        axes.set_title(f"({x0}, {x1}) gives {outputs[sample].item():.0f}", color=INK, fontsize=10)
    axes = places["2"]
    drawn = axes.contourf(x, x, plane, torch.linspace(0, 1, 11), cmap="Blues")
    figure.colorbar(
        drawn, ax=axes, shrink=0.7, label="output", ticks=(0, 0.5, 1)
    ).outline.set_visible(False)
    for value, marker, color in ((0, "s", ORANGE), (1, "o", BLUE)):
        of_value = X[outputs.flatten() == value]
        axes.plot(
            *of_value.T, marker, color=color, markersize=9, markeredgecolor="white",
            label=f"wanted: {value}",
        )  # fmt: skip
    axes.set(xlabel="$x_0$", ylabel="$x_1$", aspect="equal")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    _quiet(axes, grid=False)
    return figure


class Valley(NamedTuple):
    """A loss of two parameters: its values at places ``w`` and ``b``, (b, w), and its minimum."""

    w: Tensor
    b: Tensor
    loss: Tensor
    minimum: Tensor


def gradient_field(
    valley: Valley,
    points: Tensor,
    gradients: Tensor,
    angles: Tensor,
    slopes: Tensor,
    gradient: Tensor,
) -> Figure:
    """Draws gradients on the contours of a loss, and its slope in every direction at one place.

    Args:
        valley: The loss.
        points: Places, (n, 2); the slopes were measured at the first.
        gradients: There, (n, 2).
        angles: Directions, in degrees.
        slopes: The slope measured in each.
        gradient: At the first place, (2).
    """
    figure = new_figure(10, 4.6, "The gradient points to where the loss rises most")
    field, rose = figure.subplots(1, 2)
    _contours(field, valley)
    arrows = gradients / gradients.norm(dim=1, keepdim=True)
    colors = [ORANGE] + [INK] * (len(points) - 1)
    field.quiver(*points.T, *arrows.T, color=colors, width=0.006, scale=12, angles="xy")
    field.plot(*points[0], "o", color=ORANGE)
    field.set_aspect("equal")
    field.set_title("contours of L, directions of its gradient", color=INK, fontsize=10)
    steepest = torch.rad2deg(torch.atan2(gradient[1], gradient[0])).item()
    around = torch.linspace(angles.min().item(), angles.max().item(), 181)
    cosine = gradient.norm() * torch.cos(torch.deg2rad(around - steepest))
    rose.plot(around, cosine, "--", color=BLUE, label=r"$\|\nabla L\| \cos$ (angle between)")
    rose.plot(angles, slopes, "o", color=ORANGE, fillstyle="none", label="slope, by quotient")
    rose.axvline(
        steepest, color=INK, linewidth=0.8, linestyle=":", label=r"direction of $\nabla L$"
    )
    rose.set_title("slope of L at the orange dot", color=INK, fontsize=10)
    rose.set(xlabel="direction, degrees", xticks=range(-180, 181, 90))
    rose.legend(
        facecolor="white", edgecolor="none", framealpha=1, labelcolor=INK, fontsize=8,
        loc="lower center",
    )  # fmt: skip
    rose.set_ylim(bottom=cosine.min().item() * 1.7)
    _quiet(rose)
    return figure


def descents(
    valley: Valley, paths: Mapping[float, Tensor], losses: Mapping[float, Tensor]
) -> Figure:
    """Draws the way of gradient descent over the contours, for each learning rate.

    Args:
        valley: The loss.
        paths: For each rate, the parameters at each step, (steps + 1, 2).
        losses: For each rate, the loss at each step.
    """
    columns = min(3, len(paths) + 1)
    rows = -(-(len(paths) + 1) // columns)
    title = "The same start, other learning rates" if len(paths) > 1 else "Gradient descent"
    figure = new_figure(3.3 * columns, 3.5 * rows + 0.3, title)
    places = figure.subplots(rows, columns, squeeze=False).flat
    last = places[len(paths)]
    looks = zip((BLUE, BLUE, INK, ORANGE, ORANGE), (":", "--", "-", "-.", "-"), strict=True)
    for axes, (rate, path), (color, line) in zip(places, paths.items(), looks, strict=False):
        _contours(axes, valley)
        axes.plot(*path.T, ".-", color=ORANGE, linewidth=1, markersize=5)
        axes.set(xlim=(valley.w[0], valley.w[-1]), ylim=(valley.b[0], valley.b[-1]))
        axes.set_aspect("equal")
        axes.set_title(f"$\\alpha$ = {rate:g}", color=INK, fontsize=10)
        last.semilogy(losses[rate], line, color=color, label=f"{rate:g}")
    last.set_title("loss", color=INK, fontsize=10)
    last.set(xlabel="step", ylim=(0.1, 1e3), box_aspect=1)
    last.xaxis.set_major_locator(MaxNLocator(integer=True))
    last.legend(frameon=False, labelcolor=INK, fontsize=8, title="$\\alpha$", ncols=2)
    _quiet(last)
    for axes in figure.axes[len(paths) + 1 :]:
        axes.axis("off")
    return figure


class Snapshot(NamedTuple):
    """A network at a moment of its training.

    Attributes:
        title: Says which moment.
        output: On a grid over the plane, (n, n), the rows along the second axis.
        weight: Of the first layer, (2, hidden).
        bias: Of the first layer, (hidden).
    """

    title: str
    output: Tensor
    weight: Tensor
    bias: Tensor


def boundaries(
    each: Sequence[Snapshot], x: Tensor, X: Tensor, y: Tensor, title: str, columns: int = 3
) -> Figure:
    """Draws where a network decides, and the line at which each neuron of its first layer turns.

    Args:
        each: The moments.
        x: Places along both axes of the plane, (n).
        X: Samples, (R, 2).
        y: 0 or 1 for each, (R, 1).
        title: Above all.
        columns: Pictures in a row.
    """
    columns = min(columns, len(each))
    rows = -(-len(each) // columns)
    size = {1: 4.4, 4: 2.7}.get(columns, 3.1)
    figure = new_figure(size * columns + 0.9, (size + 0.3) * rows + 0.4, title)
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes, moment in zip(places, each, strict=False):
        levels = torch.linspace(0, 1, 11)
        drawn = axes.contourf(x, x, moment.output, levels, cmap="PuOr", vmin=-0.6, vmax=1.6)
        if moment.output.min() < 0.5 < moment.output.max():
            axes.contour(x, x, moment.output, [0.5], colors=INK, linewidths=1.8)
        for (w0, w1), b in zip(moment.weight.T.tolist(), moment.bias.tolist(), strict=True):
            if moment.weight.shape[1] <= 4:
                axes.axline(
                    (-b * w0 / (w0**2 + w1**2), -b * w1 / (w0**2 + w1**2)), slope=-w0 / w1,
                    color=INK, linewidth=0.8, linestyle="--",
                )  # fmt: skip
        for value, marker, color in ((0, "^", ORANGE), (1, "o", BLUE)):
            chosen = X[y.flatten() == value]
            axes.plot(*chosen.T, marker, color=color, markersize=3.5, markeredgewidth=0)
        axes.set_title(moment.title, color=INK, fontsize=9)
        axes.set(
            xlim=(x[0], x[-1]), ylim=(x[0], x[-1]), xticks=[-1, 0, 1], yticks=[-1, 0, 1],
            aspect="equal",
        )  # fmt: skip
        _quiet(axes, grid=False)
    for axes in figure.axes[len(each) :]:
        axes.axis("off")
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.6, aspect=30, label=r"$\hat y$")
    bar.outline.set_visible(False)
    return figure


def loss_curves(curves: Mapping[str, Sequence[float]], guess: float) -> Figure:
    """Draws the loss of networks over the epochs.

    Args:
        curves: For each network, the loss after each epoch.
        guess: The loss of one and the same answer for all.
    """
    figure = new_figure(8, 3.6, "Alone, the neuron learns nothing")
    axes = figure.subplots()
    looks = zip((BLUE, ORANGE), ("-", "--"), strict=True)
    for (name, losses), (color, line) in zip(curves.items(), looks, strict=True):
        axes.semilogy(range(1, len(losses) + 1), losses, line, color=color, label=name)
    axes.axhline(guess, color=INK, linewidth=0.8, linestyle=":", label="1/2 for every sample")
    axes.set(xlabel="epoch", ylabel="L over all samples")
    axes.legend(frameon=False, labelcolor=INK)
    _quiet(axes)
    return figure


def _contours(axes: Axes, valley: Valley) -> None:
    low, high = valley.loss.min().item(), valley.loss.max().item()
    levels = low + (high - low) * torch.linspace(0.05, 1, 9) ** 2
    axes.contour(valley.w, valley.b, valley.loss, levels, cmap="viridis", linewidths=0.8)
    axes.plot(*valley.minimum, "x", color=INK)
    axes.set(xlabel="w", ylabel="b")
    _quiet(axes, grid=False)


def _quiet(axes: Axes, grid: bool = True) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, labelsize=8)
    if grid:
        axes.grid(color=PALE, linewidth=0.4)
