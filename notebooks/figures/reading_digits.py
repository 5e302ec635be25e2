"""The pictures of notebook 6, and digits that nobody wrote: pen strokes on paper, made by code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image
from scipy import ndimage
from scipy.interpolate import CubicSpline
from torch import Tensor
from torchvision.transforms.functional import InterpolationMode, rotate
from torchvision.utils import make_grid

from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure

GRAY = "#7a8894"
FIVE = (BLUE, ORANGE, INK, "#117733", "#882255")
PARTNERS = (0, 1, 2, 0, 3, 4, 3, 4, 1, 2)  # which of the five: those that share one lie far apart
STYLES = ("-", "--", "-.", ":")


def losses_by_lead(
    leads: Tensor, losses: Mapping[str, Tensor], slopes: Mapping[str, Tensor]
) -> Figure:
    """Draws losses, and how steep they are, by the lead of the right class's number."""
    figure = new_figure(9, 3.6, "Surely wrong: one loss pulls at its hardest, the other lets go")
    places = figure.subplots(1, 2)
    for axes, curves, name in zip(
        places, (losses, slopes), ("loss", "size of its derivative"), strict=True
    ):
        for (label, values), color, style in zip(
            curves.items(), (BLUE, ORANGE), ("-", "--"), strict=True
        ):
            axes.plot(leads, values, style, color=color, label=label)
        axes.set_title(name, color=INK, fontsize=10)
        axes.set_xlabel("lead of the right class: $z_y - z_{\\mathrm{other}}$", color=INK)
        axes.axvline(0, color=PALE, linewidth=0.8, zorder=0)
        _quiet(axes)
    places[0].legend(frameon=False, labelcolor=INK)
    return figure


def digits_and_distortions(rows: Tensor, original: Tensor, distorted: Tensor) -> Figure:
    """Draws digits (rows, columns, H, W), and one of them (H, W) beside distortions (N, H, W)."""
    figure = new_figure(9, 5.0, "Handwritten digits, and one of them distorted")
    columns = rows.shape[1]
    upper, lower = figure.subplots(2, 1, height_ratios=[len(rows), 2.2])
    _mosaic(upper, rows.flatten(0, 1), columns)
    upper.set_title(f"{columns} of each class of the test set", color=INK, fontsize=10)
    _mosaic(lower, torch.cat([original.unsqueeze(0), distorted]), columns)
    lower.set_title("as it is, above left, and as it may be met in a batch", color=INK, fontsize=10)
    return figure


def side_by_side(
    losses: Mapping[str, Sequence[float]],
    pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]],
) -> Figure:
    """Draws two courses of the loss, and of pairs of courses how far they are from each other."""
    figure = new_figure(9, 3.4, "The same seed, hand-derived and by torch's autograd")
    left, right = figure.subplots(1, 2)
    looks = zip((BLUE, ORANGE), ("-", ":"), (4, 2), strict=True)
    for (name, course), (color, style, width) in zip(losses.items(), looks, strict=True):
        steps = range(1, len(course) + 1)
        left.plot(steps, course, style, color=color, linewidth=width, label=name)
    left.set_title("loss, double precision", color=INK, fontsize=10)
    for (name, pair), color, style in zip(
        pairs.items(), (GRAY, INK, BLUE), ("^:", "o-", "s--"), strict=True
    ):
        gaps = [max(abs(a - b), 1e-17) for a, b in zip(*pair, strict=True)]
        right.semilogy(range(1, len(gaps) + 1), gaps, style, markersize=4, color=color, label=name)
    right.set_title("difference of two losses", color=INK, fontsize=10)
    right.set_ylim(1e-17, 1e5)
    for axes in (left, right):
        axes.set_xlabel("step", color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, labelcolor=INK, fontsize=7.5, loc="upper right")
        _quiet(axes)
    return figure


def feature_maps(image: Tensor, maps: Mapping[str, Tensor], most: int = 8) -> Figure:
    """Draws an image (H, W) and of each layer the channels (C, H, W) with the largest values."""
    figure = new_figure(8, 0.92 * (len(maps) + 1) + 0.4, "One digit on its way through the layers")
    places = figure.subplots(len(maps) + 1, most)
    for axes in places.flat:
        axes.axis("off")
    places[0, 0].imshow(image, "gray_r")
    _beside(places[0, 0], "what goes in")
    for row, (name, channels) in zip(places[1:], maps.items(), strict=True):
        chosen = channels.flatten(1).norm(dim=1).argsort(descending=True)[:most].sort().values
        for axes, number in zip(row, chosen.tolist(), strict=True):
            axes.imshow(channels[number], "gray_r", vmin=0)
            axes.set_title(f"{number}", color=GRAY, fontsize=7, pad=2)
        _beside(row[0], name)
    return figure


def pulls(images: Tensor, gradients: Tensor, names: Sequence[str]) -> Figure:
    """Draws images (N, H, W), and below each the gradient of a number by its pixels."""
    figure = new_figure(9, 2.7, "Where more ink would raise a class's lead, and where lower it")
    places = figure.subplots(2, len(images))
    for image, gradient, name, (upper, lower) in zip(
        images, gradients, names, places.T, strict=True
    ):
        upper.imshow(image, "gray_r")
        upper.set_title(name, color=INK, fontsize=9)
        furthest = gradient.abs().max().item()
        drawn = lower.imshow(gradient, "PuOr_r", vmin=-furthest, vmax=furthest)
        lower.contour(image, [0.5], colors=INK, linewidths=0.6)
    for axes in places.flat:
        axes.axis("off")
    bar = figure.colorbar(drawn, ax=places, shrink=0.7, aspect=25, ticks=[-furthest, 0, furthest])
    bar.ax.set_yticklabels(["lower", "0", "raise"], color=INK, fontsize=8)
    bar.outline.set_visible(False)
    return figure


def wanted(rows: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Draws images (10, H, W) found for each class, with the probability that they are read so."""
    figure = new_figure(9, 1.05 * len(rows) + 0.4, "What a class wants to see")
    places = figure.subplots(len(rows), 10)
    for row, (name, (images, probabilities)) in zip(places, rows.items(), strict=True):
        for digit, (axes, image) in enumerate(zip(row, images, strict=True)):
            axes.imshow(image, "gray", vmin=0)
            axes.set_title(f"{digit}: {100 * probabilities[digit]:.0f} %", color=INK, fontsize=8)
            axes.axis("off")
        _beside(row[0], name)
    return figure


class Plane(NamedTuple):
    """Samples in the plane in which they lie furthest apart.

    Attributes:
        points: (N, 2).
        share: Of the variance, that the plane shows.
        nearest: Share of the samples that lie nearest to the mean of their own class, in all
            dimensions.
    """

    points: Tensor
    share: float
    nearest: float


def plane(features: Tensor, labels: Tensor) -> Plane:
    """Projects features (N, D) on their two principal components, by their inner products."""
    centred = features - features.mean(0)
    squares, directions = torch.linalg.eigh((centred @ centred.T).double())
    points = directions[:, -2:].flip(1) * squares[-2:].flip(0).clamp_min(0).sqrt()
    furthest = points.gather(0, points.abs().argmax(0, keepdim=True))
    points = points * furthest.sign()  # an axis has two directions: choose one
    means = torch.stack([centred[labels == digit].mean(0) for digit in range(10)])
    nearest = (torch.cdist(centred, means).argmin(1) == labels).double().mean().item()
    return Plane(points, (squares[-2:].sum() / squares.sum()).item(), nearest)


def planes(each: Mapping[str, Plane], labels: Tensor) -> Figure:
    """Draws samples as the digit that they are, and a large one in the middle of each class."""
    columns = min(3, len(each))
    rows = -(-len(each) // columns)
    width, height = (9.5, 3.5 * rows + 0.4) if len(each) > 1 else (6, 5.6)
    figure = new_figure(
        width, height, "The test digits in the plane in which they lie furthest apart"
    )
    places = figure.subplots(rows, columns, squeeze=False)
    for axes, (name, (points, share, nearest)) in zip(places.flat, each.items(), strict=False):
        for digit in range(10):
            x, y = points[labels == digit].T
            axes.scatter(x, y, 20, FIVE[PARTNERS[digit]], f"${digit}$", linewidths=0, alpha=0.6)
        middles = torch.stack([points[labels == d].median(0).values for d in range(10)])
        for digit, (x, y) in enumerate(_apart(middles, points).tolist()):
            color = FIVE[PARTNERS[digit]]
            axes.text(
                x, y, str(digit), color=color, fontsize=15, fontweight="bold", ha="center",
                va="center", path_effects=[withStroke(linewidth=3, foreground="white")],
            )  # fmt: skip
        text = (
            f"{name}\n{100 * nearest:.0f} % nearest to their own mean; plane: {100 * share:.0f} %"
        )
        axes.set_title(text, color=INK, fontsize=8)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(PALE)
    return figure


def turned(image: Tensor, angles: Sequence[float]) -> Tensor:
    """The image (1, H, W), turned to the left by each of the angles: (N, 1, H, W)."""
    return torch.stack([rotate(image, angle, InterpolationMode.BILINEAR) for angle in angles])


def reading(image: Tensor, probabilities: Tensor, title: str) -> Figure:
    """Draws an image (H, W) beside the probabilities (10) of what it is."""
    figure = new_figure(7, 3.2, title)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.6])
    left.imshow(image, "gray_r", vmin=0, vmax=1)
    left.axis("off")
    read = int(probabilities.argmax())
    colors = [BLUE if digit == read else PALE for digit in range(10)]
    right.bar(range(10), probabilities, color=colors)
    right.set(xticks=range(10), ylim=(0, 1))
    right.set_xlabel("read as", color=INK)
    right.yaxis.set_major_formatter(PercentFormatter(1))
    _quiet(right)
    return figure


def readings_by_angle(
    angles: Sequence[float], images: Tensor, probabilities: Tensor, digit: int
) -> Figure:
    """Draws an image at some angles (N, H, W), above what it is read as at each: (N, 10)."""
    figure = new_figure(9, 4.2, f"A {digit}, turned")
    upper, lower = figure.subplots(2, 1, height_ratios=[1, 3], sharex=True)
    step = (len(angles) - 1) // 12
    for angle, image in zip(angles[::step], images[::step], strict=True):
        upper.imshow(image, "gray_r", vmin=0, vmax=1, extent=(angle - 14, angle + 14, 0, 1))
    upper.set(ylim=(0, 1), aspect="auto")
    upper.axis("off")
    shown = [c for c in range(10) if probabilities[:, c].max() > 0.5]
    for number, c in enumerate(shown):
        color = FIVE[number % 5]
        lower.plot(angles, probabilities[:, c], linestyle=STYLES[number % 4], color=color)
        top = int(probabilities[:, c].argmax())
        place = (angles[top], probabilities[top, c].item() + 0.03)
        lower.annotate(str(c), place, color=color, fontweight="bold", ha="center")
    rest = probabilities.sum(1) - probabilities[:, shown].sum(1)
    lower.fill_between(angles, rest, color=PALE, linewidth=0, label="all others together")
    lower.set(xlim=(angles[0] - 15, angles[-1] + 15), ylim=(0, 1.15), xticks=angles[::step])
    lower.set_yticks([0, 0.5, 1])
    lower.set_xlabel("turned to the left, degrees", color=INK)
    lower.set_ylabel("probability", color=INK)
    lower.yaxis.set_major_formatter(PercentFormatter(1))
    lower.legend(frameon=False, labelcolor=INK, fontsize=8, loc="upper right")
    _quiet(lower)
    return figure


# Points on the way of a pen, in hundredths of a box, x to the right and y down; / lifts the pen
STROKES = {
    0: "50,3 22,30 24,75 50,97 78,70 76,25 45,4",
    2: "15,25 35,5 70,10 75,35 50,65 12,95 / 12,95 50,90 90,95",
    3: "20,15 50,3 75,20 60,42 40,47 / 40,47 75,55 80,80 50,98 15,88",
    4: "55,5 38,35 12,62 / 12,62 90,58 / 68,30 64,98",
    5: "80,6 30,7 / 30,7 25,45 / 25,45 60,38 82,62 65,92 20,93",
    6: "68,5 35,30 20,65 35,95 70,90 75,65 50,55 23,70",
    7: "12,10 85,7 / 85,7 60,50 42,98 / 33,52 82,48",
    8: "72,20 50,3 27,20 50,46 77,75 50,97 23,75 50,46 72,20",
}


class Sheet(NamedTuple):
    """Something written by nobody: what, with what, on what."""

    digit: int
    pen: float  # width of the stroke, of the digit's height
    ink: float  # gray levels, 0 to 255
    paper: float
    lean: float = 0  # degrees, to the right
    lines: float = 0  # distance of the paper's lines, pixels; 0 for none
    squared: bool = False
    shadow: float = 0  # gray levels that the paper darkens by from left to right


SHEETS = {
    "pencil, squared": Sheet(3, 0.035, 110, 225, lines=28, squared=True),
    "felt pen": Sheet(5, 0.13, 25, 235, lean=-8),
    "ball pen, lined": Sheet(2, 0.03, 60, 240, lean=12, lines=48),
    "chalk": Sheet(8, 0.08, 225, 45),
    "in the shadow": Sheet(4, 0.06, 20, 190, shadow=110),
    "a barred seven": Sheet(7, 0.06, 40, 240),
    "leaning": Sheet(6, 0.07, 40, 230, lean=25, shadow=40),
    "faint": Sheet(0, 0.06, 185, 220),
}


def written_by_nobody(folder: Path) -> Iterator[Path]:
    """Writes a picture file for each of the sheets, and yields where it lies."""
    random = np.random.default_rng(6)
    for name, sheet in SHEETS.items():
        path = folder / f"{name}.png"
        Image.fromarray(_photograph(sheet, random)).save(path)
        yield path


def _photograph(sheet: Sheet, random: np.random.Generator, side: int = 200) -> np.ndarray:
    """A sheet in gray, (side, side) bytes, as a camera with some noise might see it."""
    height = random.uniform(0.5, 0.62) * side
    corner = random.uniform(0.15, 0.3, 2) * side
    pixels = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).astype(float)
    distance = np.full((side, side), np.inf)
    for stroke in STROKES[sheet.digit].split("/"):
        points = np.array([point.split(",") for point in stroke.split()], float) / 100
        x, y = (points + random.normal(0, 0.012, points.shape)).T
        x = x * 0.75 + (0.5 - y) * np.tan(np.radians(sheet.lean))
        course = CubicSpline(
            np.arange(len(x)), np.stack([x, y], 1) * height + corner, bc_type="natural"
        )
        for point in course(np.linspace(0, len(x) - 1, 60 * len(x))):
            distance = np.minimum(distance, np.hypot(*(pixels - point).transpose(2, 0, 1)))
    grain = ndimage.gaussian_filter(random.normal(0, 1, (side, side)), 1.2) * 2.5
    cover = np.clip(sheet.pen * height / 2 - distance + 0.4 * grain + 0.5, 0, 1)
    paper = sheet.paper - sheet.shadow * pixels[..., 0] / side
    if sheet.lines:
        ruled = (pixels % sheet.lines < 1.2).astype(float)
        paper = paper - 30 * (ruled.max(-1) if sheet.squared else ruled[..., 1])
    photo = paper * (1 - cover) + sheet.ink * cover + random.normal(0, 4, (side, side))
    return np.clip(ndimage.gaussian_filter(photo, 0.7), 0, 255).astype(np.uint8)


def _mosaic(axes: Axes, images: Tensor, columns: int) -> None:
    tiles = make_grid(images.unsqueeze(1), columns, padding=2, pad_value=0)[0]
    axes.imshow(tiles, "gray_r", vmin=0, vmax=1)
    axes.axis("off")


def _beside(axes: Axes, text: str) -> None:
    place = axes.transAxes
    axes.text(-0.15, 0.5, text, transform=place, color=INK, ha="right", va="center", fontsize=8)


def _apart(places: Tensor, among: Tensor, gap: float = 0.075) -> Tensor:
    """Moves places (N, 2) aside until a label at one does not cover that of another."""
    low, high = among.min(0).values, among.max(0).values
    places = (places - low) / (high - low)
    for _ in range(60):
        away = places.unsqueeze(1) - places.unsqueeze(0)
        distance = away.norm(dim=2, keepdim=True).clamp_min(1e-6)
        push = (gap - distance).clamp_min(0) * away / distance
        places = places + push.sum(1) / 4
    return low + places * (high - low)


def _quiet(axes: Axes) -> None:
    axes.grid(color=PALE, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, labelsize=8)
