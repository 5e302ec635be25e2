"""Pictures of what a net makes of faces: where it puts them, what it confuses, what it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from manualnn.functional import normalize
from recipes.common.files import open_picture
from recipes.common.pictures import BLUE, INK, ORANGE, PALE, learning_curves, new_figure
from recipes.faces.data import Faces
from recipes.faces.eigenfaces import eigenfaces
from recipes.faces.metrics import FALSE_ACCEPTS, Pairs, all_pairs, roc
from recipes.faces.module import FaceRecogniser
from recipes.faces.normalise import standardise

COLUMNS = 7
PATCH, STRIDE = 12, 4  # pixels
MOST_IN_PLANE, STEPS_IN_PLANE = 400, 300
NEIGHBOURHOOD = 0.1  # the difference in similarity that counts


def plane(embeddings: Tensor, people: Tensor, enrolled: Tensor) -> Figure:
    """Draws embeddings (N, D) in a plane where the similar ones lie together, a number per face."""
    chosen = torch.linspace(0, len(people) - 1, min(len(people), MOST_IN_PLANE)).long()
    people, enrolled = people[chosen], enrolled[chosen]
    places = beside_the_similar(embeddings[chosen]).cpu()
    figure = new_figure(8, 8, "Embeddings: similar faces lie together, a number is a person")
    axes = figure.subplots()
    shades = {person: number for number, person in enumerate(people.unique().tolist())}
    for (x, y), person, known in zip(
        places.tolist(), people.tolist(), enrolled.tolist(), strict=True
    ):
        hue = (shades[person] * 0.381966) % 1  # the golden section: neighbours differ
        color = (*hsv_to_rgb((hue, 0.9, 0.75)), 0.4 if known else 1.0)
        axes.text(x, y, str(person + 1), ha="center", va="center", fontsize=8, color=color)
    axes.update_datalim(places.numpy())
    axes.autoscale_view()
    text = "only who is near whom counts: directions and large distances mean nothing"
    axes.set_xlabel(text + ("; pale: learnt" if enrolled.any() else ""), color=INK)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(PALE)
    return figure


def beside_the_similar(embeddings: Tensor) -> Tensor:
    """Places embeddings (N, D), of unit length, in the plane (N, 2), the similar ones together.

    Stochastic neighbour embedding (van der Maaten and Hinton 2008) with one width for all, from the
    two main directions on: the shares of neighbours in the plane are to be those of the embeddings.
    """
    with torch.inference_mode(False), torch.enable_grad():  # a test runs without gradients
        embeddings = embeddings.clone()
        alone = torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
        closeness = (embeddings @ embeddings.T / NEIGHBOURHOOD).masked_fill(alone, -torch.inf)
        shares = closeness.softmax(1)
        shares = (shares + shares.T) / (2 * len(embeddings))
        centred = embeddings - embeddings.mean(0)
        _, _, directions = torch.linalg.svd(centred, full_matrices=False)
        places = (centred @ directions[:2].T).requires_grad_()
        optimizer = torch.optim.Adam([places], lr=0.3)
        for _ in range(STEPS_IN_PLANE):
            likeness = -torch.log1p((places.unsqueeze(1) - places).square().sum(2))
            total = likeness.masked_fill(alone, -torch.inf).flatten().logsumexp(0)
            optimizer.zero_grad()
            (total - (shares * likeness).sum()).backward()
            optimizer.step()
    return places.detach()


def receiver_curves(curves: dict[str, Pairs]) -> Figure:
    """Draws which share of the pairs of one person is accepted with which share of the others."""
    figure = new_figure(6.4, 5, "One person or two? All pairs of the faces in question")
    axes = figure.subplots()
    for (name, pairs), color in zip(curves.items(), (BLUE, ORANGE), strict=False):
        *curve, _ = roc(pairs)
        axes.plot(*(part.numpy(force=True) for part in curve), color=color, label=name)
    axes.axvline(FALSE_ACCEPTS, color=PALE, linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set(xlim=(1e-4, 1), ylim=(0, 1.01))
    axes.set_xlabel("false accepts: pairs of two people taken for one", color=INK)
    axes.set_ylabel("true accepts: pairs of one person taken for one", color=INK)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    axes.grid(color=PALE, linewidth=0.5)
    axes.legend(frameon=False, labelcolor=INK, loc="lower right")
    _plain(axes)
    return figure


def confusable(faces: Tensor, people: Tensor, pairs: Pairs) -> Figure:
    """Draws the pairs of two people most alike, and the pairs of one person least alike.

    Of every two people, and of every person, it is the worst pair.

    Args:
        faces: (N, 1, H, W).
        people: (N).
        pairs: Of these faces.
    """
    figure = new_figure(1.5 * COLUMNS, 5.2, "The most confusable pairs, and how similar they are")
    rows = figure.subplots(2, COLUMNS)
    for axes in rows.flat:
        axes.axis("off")
    for line, kind, same in zip(rows, ("two people", "one person"), (False, True), strict=True):
        order = pairs.similarity.argsort(descending=not same)
        shown: dict[tuple[int, int], int] = {}
        for pair in order[pairs.same[order] == same].tolist():
            one, other = people[pairs.first[pair]], people[pairs.second[pair]]
            shown.setdefault((int(min(one, other)) + 1, int(max(one, other)) + 1), pair)
            if len(shown) == COLUMNS:
                break
        for axes, (numbers, pair) in zip(line, shown.items(), strict=False):
            two = faces[[int(pairs.first[pair]), int(pairs.second[pair])], 0]
            axes.imshow(two.flatten(0, 1).numpy(force=True), "gray")
            who = " and ".join(map(str, dict.fromkeys(numbers)))
            text = f"{kind}\n{who}: {float(pairs.similarity[pair]):.2f}"
            axes.set_title(text, fontsize=8, color=INK)
    return figure


def prepared(pictures: Sequence[Image.Image], faces: Tensor) -> Figure:
    """Draws pictures above what becomes of them: faces (N, 1, H, W) in place, and standardised."""
    figure = new_figure(
        1.5 * len(faces), 5.6, "As it is, laid on the drawn face, as the net sees it"
    )
    rows = figure.subplots(3, len(faces))
    standard = standardise(faces)
    for line, images in zip(rows, (pictures, faces[:, 0], standard[:, 0]), strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image, "gray")
            axes.axis("off")
    return figure


@torch.inference_mode()
def occlusion(module: FaceRecogniser, faces: Tensor) -> Figure:
    """Draws which parts of faces (N, 1, H, W), from 0 to 1, their embeddings depend on."""
    maps = torch.stack([occlusion_map(module, face) for face in faces])
    figure = new_figure(
        1.5 * len(faces), 4.1, "What decides: similarity lost where a part is hidden"
    )
    largest = maps.max().item()
    for number, (above, below) in enumerate(figure.subplots(2, len(faces)).T):
        above.imshow(faces[number, 0].numpy(force=True), "gray")
        below.imshow(faces[number, 0].numpy(force=True), "gray")
        heat = maps[number].numpy(force=True)
        drawn = below.imshow(
            heat, "inferno", alpha=0.65, vmin=0, vmax=largest, interpolation="bicubic"
        )
        above.axis("off")
        below.axis("off")
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.7, aspect=30, label="similarity lost")
    bar.outline.set_visible(False)
    return figure


def occlusion_map(module: FaceRecogniser, face: Tensor) -> Tensor:
    """Returns how much similarity (H, W) to itself a face (1, H, W) loses behind a grey patch.

    The net sees the face as it is, in no other view. A pixel's loss is the mean of those of the
    patches that hide it.
    """
    height, width = face.shape[1:]
    corners = torch.cartesian_prod(
        torch.arange(-PATCH // 2, height - PATCH // 2, STRIDE),
        torch.arange(-PATCH // 2, width - PATCH // 2, STRIDE),
    ).to(face.device)  # (P, 2)
    rows = torch.arange(height, device=face.device).view(1, -1, 1) - corners[:, :1, None]
    columns = torch.arange(width, device=face.device).view(1, 1, -1) - corners[:, 1:, None]
    hidden = (rows >= 0) & (rows < PATCH) & (columns >= 0) & (columns < PATCH)  # (P, H, W)
    occluded = torch.where(hidden, face.mean(), face).unsqueeze(1)
    faces = torch.cat([face.unsqueeze(0), occluded])
    embeddings = normalize(module.embed(standardise(faces)).float())
    lost = 1 - embeddings[1:] @ embeddings[0]
    return (hidden * lost.view(-1, 1, 1)).sum(0) / hidden.sum(0)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, labelsize=8)


class Pictures(Callback):
    """Draws the run's pictures into its folder."""

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        metrics = Path(trainer.log_dir or trainer.default_root_dir) / "metrics.csv"
        for logger in trainer.loggers:
            logger.save()
        if trainer.is_global_zero and metrics.exists():
            learning_curves(metrics, "accuracy").savefig(metrics.with_name("curves.png"))

    def on_test_end(self, trainer: Trainer, module: LightningModule) -> None:
        assert isinstance(module, FaceRecogniser)
        data = cast(Faces, trainer.datamodule)  # type: ignore[attr-defined]
        embeddings, people, numbers, enrolled = module.test_faces.compute()
        folder = Path(trainer.log_dir or trainer.default_root_dir)  # every process has to ask
        if not trainer.is_global_zero:
            return
        everything = data.everything.faces.to(embeddings) / 255
        faces = everything[numbers]
        baseline = eigenfaces(everything[data.parts.learn], faces)
        pairs = all_pairs(embeddings, people, enrolled)
        curves = {"this net": pairs, "eigenfaces": all_pairs(baseline, people, enrolled)}
        plane(embeddings, people, enrolled).savefig(folder / "embeddings.png")
        receiver_curves(curves).savefig(folder / "roc.png")
        confusable(faces, people, pairs).savefig(folder / "confusable.png")
        asked = (~enrolled).nonzero().flatten()
        shown = asked[:: max(1, len(asked) // COLUMNS)][:COLUMNS]
        originals = [open_picture(data.everything.paths[each], "L") for each in numbers[shown]]
        prepared(originals, faces[shown].cpu()).savefig(folder / "prepared.png")
        occlusion(module, faces[shown]).savefig(folder / "occlusion.png")
