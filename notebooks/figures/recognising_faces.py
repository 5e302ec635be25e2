"""The pictures of notebook 7. None shows a face of the ORL data unless the reader asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from notebooks.figures.directions import plain
from recipes.common.pictures import BLUE, INK, ORANGE, PALE, new_figure
from recipes.faces.metrics import FALSE_ACCEPTS, Pairs, roc, verification
from recipes.faces.normalise import drawn_face, standardise

LOOKS = ((BLUE, "-"), (INK, "--"), (ORANGE, "-."), (PALE, ":"))
WONG = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7f00", "#222222")
MARKS = tuple(zip((*WONG, BLUE, ORANGE), "osD^vPX<>h", strict=True))  # colour and shape


def laid(cut: Tensor, drawn: Tensor, alike: Tensor, in_place: Tensor) -> Figure:
    """Draws how a face is laid on the drawn one.

    Args:
        cut: (1, 1, H, W), as the detector's square says.
        drawn: (1, 1, H, W), the drawn face.
        alike: (D, D), how like the drawn face the other is at each shift.
        in_place: (1, 1, H, W), what came of it.
    """
    figure = new_figure(11, 3.3, "A face is laid on the drawn one (E. Collins; photograph: NASA)")
    places = figure.subplots(1, 6)
    reach = alike.shape[0] // 2
    shown = {
        "cut out": cut,
        "the drawn face": drawn,
        "as the net sees it": standardise(drawn),
        "laid on it": in_place,
        "as the net sees it ": standardise(in_place),
    }
    rest = [places[0], places[1], places[2], places[4], places[5]]
    for axes, (title, face) in zip(rest, shown.items(), strict=True):
        _face(axes, face[0, 0], title)
    axes = places[3]
    edges = (-reach - 0.5, reach + 0.5, reach + 0.5, -reach - 0.5)
    axes.imshow(alike, "viridis", extent=edges)
    down, right = np.unravel_index(int(alike.argmax()), alike.shape)
    axes.plot(int(right) - reach, int(down) - reach, "+", color="white", markersize=10)
    axes.set_title("how alike, at each shift", color=INK, fontsize=9)
    axes.set(xticks=(-reach, 0, reach), yticks=(-reach, 0, reach), xlabel="pixels")
    axes.tick_params(colors=INK, labelsize=7)
    return figure


def lights(faces: Tensor, titles: Sequence[str]) -> Figure:
    """Draws faces (N, 1, H, W) in several lights, the first as it is, above what the net sees."""
    title = "One face in several lights, and as the net sees it (E. Collins; photograph: NASA)"
    figure = new_figure(1.6 * len(faces), 4.4, title)
    seen = standardise(faces)
    above, below = figure.subplots(2, len(faces))
    for line, shown, low, high in ((above, faces, 0.0, 1.0), (below, seen, -2.5, 2.5)):
        spread = (shown[0] - shown[0].mean()).norm()
        for axes, each, name in zip(line, shown, titles, strict=True):
            _face(axes, each[0], name if shown is faces else "", low, high)
            away = 100 * (each - shown[0]).norm() / spread
            text = f"{away:.0f} % away" if away else ""
            axes.text(
                0.5, -0.03, text, ha="center", va="top", color=INK, fontsize=8,
                transform=axes.transAxes,
            )  # fmt: skip
    return figure


def varied(faces: Tensor) -> Figure:
    """Draws faces (N, 1, H, W) side by side."""
    figure = new_figure(
        1.25 * len(faces), 2.2, "Varied anew each time (E. Collins; photograph: NASA)"
    )
    for axes, face in zip(figure.subplots(1, len(faces)), faces[:, 0], strict=True):
        _face(axes, face, "", 0, 1)
    return figure


def planes(moments: Mapping[str, Tensor], people: Tensor) -> Figure:
    """Draws where embeddings lie in a plane (N, 2) at each moment, a mark for each face."""
    size = 3.6 if len(moments) > 1 else 5
    title = "People the net has never seen, as it learns others"
    figure = new_figure(size * len(moments), size + 0.5, title)
    places = figure.subplots(1, len(moments), squeeze=False)[0]
    for axes, (when, points) in zip(places, moments.items(), strict=True):
        for person, (color, marker) in zip(people.unique().tolist(), MARKS, strict=False):
            across, up = points[people == person].T
            axes.plot(across, up, marker, color=color, markersize=5, alpha=0.8)
            around = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5}
            axes.text(
                float(across.median()), float(up.median()), str(person + 1), color=INK,
                fontsize=9, fontweight="bold", ha="center", va="center", bbox=around,
            )  # fmt: skip
        axes.set_title(when, color=INK, fontsize=10)
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", "datalim")
        axes.spines[:].set_color(PALE)
    return figure


def main_plane(embeddings: Tensor) -> Tensor:
    """Returns embeddings (N, D) in the plane (N, 2) of their two main directions."""
    centred = embeddings - embeddings.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    points = centred @ directions[:2].T
    return points * points[0].sign()  # either sign will do, but the same each time


def similarities(moments: Mapping[str, Pairs]) -> Figure:
    """Draws how similar the pairs of one person are, and those of two, at each moment."""
    figure = new_figure(3 * len(moments), 3.4, "Similarity of pairs: one person, two people")
    places = figure.subplots(1, len(moments), sharex=True)
    lowest = min(float(pairs.similarity.min()) for pairs in moments.values())
    bins = np.linspace(lowest, 1, 61)
    for axes, (when, pairs) in zip(places, moments.items(), strict=True):
        same, other = pairs.similarity[pairs.same], pairs.similarity[~pairs.same]
        axes.hist(other, bins, density=True, color=ORANGE, histtype="step", label="two people",
                  hatch="////", linewidth=1)  # fmt: skip
        axes.hist(same, bins, density=True, color=BLUE, alpha=0.6, label="one person")
        rate = 100 * verification(pairs).equal_error_rate
        axes.set_title(f"{when}\nequal error rate {rate:.1f} %", color=INK, fontsize=9)
        axes.set_xlabel("similarity")
        axes.set_yticks([])
        plain(axes)
        axes.spines["left"].set_visible(False)
    places[0].legend(frameon=False, labelcolor=INK, fontsize=8, loc="upper left")
    return figure


def receivers(curves: Mapping[str, Pairs]) -> Figure:
    """Draws which share of the pairs of one person is accepted with which share of the others."""
    figure = new_figure(6.4, 4.6, "One person or two? The price of accepting more")
    axes = figure.subplots()
    for (name, pairs), (color, line) in zip(curves.items(), LOOKS, strict=False):
        false_accepts, true_accepts, _ = roc(pairs)
        rate, area, *_ = verification(pairs)
        text = f"{name}: area {area:.3f}, equal error rate {100 * rate:.1f} %"
        axes.plot(false_accepts, true_accepts, line, color=color, label=text)
    axes.axvline(FALSE_ACCEPTS, color=PALE, linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set(xlim=(3e-4, 1), ylim=(0, 1.01))
    axes.set_xlabel("false accepts: pairs of two people taken for one")
    axes.set_ylabel("true accepts: pairs of one person taken for one")
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    axes.legend(frameon=False, labelcolor=INK, loc="lower right")
    plain(axes)
    return figure


def kernels(weight: Tensor) -> Figure:
    """Draws kernels (C', 1, k, k): white is 0."""
    columns = 12
    rows = -(-len(weight) // columns)
    figure = new_figure(9, 0.75 * rows + 0.7, "The first layer's kernels")
    largest = float(weight.abs().max())
    for axes in figure.subplots(rows, columns).flat:
        axes.axis("off")
    for axes, kernel in zip(figure.axes, weight[:, 0], strict=False):
        drawn = axes.imshow(kernel, "PuOr_r", vmin=-largest, vmax=largest)
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.9, aspect=14)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7)
    return figure


def feature_maps(face: Tensor, stages: Mapping[str, Tensor]) -> Figure:
    """Draws some maps of each stage, the strongest, beside the face.

    Args:
        face: (H, W), as the net sees it.
        stages: For each, maps (C, H', W').
    """
    columns = 8
    figure = new_figure(
        10, 1.5 * len(stages) + 0.4, "What fires where (E. Collins; photograph: NASA)"
    )
    places = figure.subplots(len(stages), columns + 1)
    for axes in places.flat:
        axes.axis("off")
    _face(places[0, 0], face, "input")
    for row, (name, maps) in zip(places, stages.items(), strict=True):
        strongest = maps.flatten(1).std(1).argsort(descending=True)[:columns]
        for axes, number in zip(row[1:], strongest.tolist(), strict=True):
            axes.imshow(maps[number], "viridis", vmin=0)
        row[1].set_title(name, color=INK, fontsize=9, loc="left")
    return figure


def decides(faces: Mapping[str, Tensor], lost: Mapping[str, Tensor]) -> Figure:
    """Draws faces (H, W) above the similarity (H, W) that each loses where a part is hidden."""
    figure = new_figure(2.4 * len(faces) + 1, 5.8, "Similarity lost where a part is hidden")
    rows = figure.subplots(2, len(faces))
    largest = max(float(each.max()) for each in lost.values())
    for (above, below), (name, face) in zip(rows.T, faces.items(), strict=True):
        _face(above, face, name)
        heat = below.imshow(lost[name], "viridis", vmin=0, vmax=largest)
        below.contour(drawn_face()[0, 0], [0.5, 0.8], colors="white", linewidths=0.8)
        below.axis("off")
    bar = figure.colorbar(heat, ax=rows, shrink=0.6, aspect=30, label="similarity lost")
    bar.outline.set_visible(False)
    return figure


def thresholds(
    accepted: Mapping[str, Tensor], alone: Mapping[str, Tensor], chosen: float
) -> Figure:
    """Draws which share of similarities is accepted at each threshold.

    Args:
        accepted: For those known and for strangers, the similarity that decides of each picture.
        alone: For the same two, the similarities of pairs.
        chosen: A threshold.
    """
    figure = new_figure(9, 4, "One question is many: the most similar of a gallery counts")
    axes = figure.subplots()
    for curves, line in ((accepted, "-"), (alone, "--")):
        for (name, values), color in zip(curves.items(), (BLUE, ORANGE), strict=True):
            ordered = [1.0, *values.sort(descending=True).values.tolist(), -1.0]
            share = [*torch.linspace(0, 1, len(values) + 1).tolist(), 1.0]
            axes.step(ordered, share, line, where="post", color=color, label=name)
    axes.axvline(chosen, color=INK, linewidth=0.8, linestyle=":")
    axes.text(chosen, 1.01, " threshold", color=INK, fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="threshold", ylabel="share accepted")
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    figure.legend(frameon=False, labelcolor=INK, fontsize=9, loc="outside right center")
    plain(axes)
    return figure


def photographs(rows: Sequence[Sequence[Image.Image]], title: str) -> Figure:
    """Draws rows of pictures."""
    columns = len(rows[0])
    figure = new_figure(max(1.8 * columns, 7), 1.85 * len(rows) + 0.5, title)
    for places, pictures in zip(
        figure.subplots(len(rows), columns, squeeze=False), rows, strict=True
    ):
        for axes, shown in zip(places, pictures, strict=True):
            axes.imshow(shown)
            axes.axis("off")
    return figure


def people(faces: Tensor, columns: int = 10) -> Figure:
    """Draws faces (N, 1, H, W), some in a row: for the reader's own eyes."""
    rows = -(-len(faces) // columns)
    figure = new_figure(columns, 1.25 * rows + 0.5, "Some of the data; not to be passed on")
    for axes, face in zip(figure.subplots(rows, columns).flat, faces[:, 0], strict=False):
        _face(axes, face, "")
    return figure


def _face(
    axes: Axes, face: Tensor, title: str, low: float | None = None, high: float | None = None
) -> None:
    axes.imshow(face, "gray", vmin=low, vmax=high, interpolation="nearest")
    axes.axis("off")
    axes.set_title(title, color=INK, fontsize=9)
