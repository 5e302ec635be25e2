"""Pictures with objects, checked on loading and held in memory at the size the net sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import TensorDataset

from recipes.common.files import UNREADABLE, open_picture

PAPER = 128  # gray beside a picture that does not fill the size
NAMED = 20  # errors in one message


@dataclass(frozen=True)
class Box:
    """An object as a data set states it.

    Attributes:
        name: Its class.
        corners: Left, top, right and bottom in pixels of the picture file.
        where: File and line that state it.
    """

    name: str
    corners: tuple[float, float, float, float]
    where: str


@dataclass(frozen=True)
class Annotated:
    """A picture file and its objects; ``where`` names the file and line that ask for it."""

    path: Path
    where: str
    boxes: list[Box] = field(default_factory=list)


class Faulty(ValueError):
    """Pictures or boxes that cannot be learnt from, named with file and line."""


class Scenes(TensorDataset):
    """Pictures (N, 3, H, W) as bytes, boxes (N, M, 4) in pixels, labels (N, M), -1 for no object.

    A whole batch is fetched by one indexing.
    """

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, ...]:
        return self[indices]


def load(
    annotated: Iterable[Annotated],
    classes: Sequence[str],
    size: tuple[int, int],
    skip_bad: bool = False,
) -> tuple[Scenes, Counter[str]]:
    """Reads pictures with their objects, and checks every one.

    Args:
        annotated: What there is, from one of ``layouts.py``.
        classes: The names that are known.
        size: Height and width to which the pictures are brought; their proportions stay.
        skip_bad: Leave out what is faulty, instead of refusing all.

    Returns:
        The scenes, and how many boxes and pictures were left out, by reason.

    Raises:
        Faulty: If there is no object at all, or something is faulty and is not skipped.
    """
    pictures, boxes, labels, faults = [], [], [], []
    for one in annotated:
        try:
            picture = open_picture(one.path, "RGB")
        except UNREADABLE as error:
            missing = isinstance(error, FileNotFoundError)
            reason = "missing picture" if missing else "unreadable picture"
            faults.append((reason, f"{one.where}: {reason} {one.path}: {error}"))
            continue
        wrong = [(box, fault(box, classes, picture.size)) for box in one.boxes]
        faults += [(reason, f"{box.where}: {reason} {box}") for box, reason in wrong if reason]
        good = [box for box, reason in wrong if not reason]
        small, scale = fitted(picture, size)
        pictures.append(small)
        boxes.append(scale * torch.tensor([box.corners for box in good]).view(-1, 4))
        labels.append(torch.tensor([classes.index(box.name) for box in good], dtype=torch.long))
    counts = Counter(reason for reason, _ in faults)
    if faults and not skip_bad:
        lines = [line for _, line in faults[:NAMED]]
        if len(faults) > NAMED:
            lines.append(f"and {len(faults) - NAMED} more")
        raise Faulty("\n".join([*lines, "--data.skip_bad true leaves these out"]))
    if not any(map(len, labels)):
        raise Faulty(f"no object in {len(pictures)} pictures")
    return Scenes(
        torch.from_numpy(np.stack(pictures)),
        torch.nn.utils.rnn.pad_sequence(boxes, batch_first=True),
        torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-1),
    ), counts


def fault(box: Box, classes: Sequence[str], size: tuple[int, int]) -> str:
    """Returns what is wrong with a box in a picture of some width and height; "" for nothing."""
    left, top, right, bottom = box.corners
    width, height = size
    if box.name not in classes:
        return "unknown class"
    if not (right > left and bottom > top):
        return "box without area"
    if left < 0 or top < 0 or right > width or bottom > height:
        return f"box outside the picture of {width} x {height}"
    return ""


def fitted(picture: Image.Image, size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Brings a picture to a size: as large as fits, above left, gray beside it.

    Args:
        picture: Of any size.
        size: Height and width.

    Returns:
        The picture as bytes (3, H, W), and by how much it was enlarged.
    """
    height, width = size
    scale = min(width / picture.width, height / picture.height)
    sides = [max(1, round(side * scale)) for side in picture.size]
    canvas = Image.new("RGB", (width, height), (PAPER,) * 3)
    canvas.paste(picture.resize(sides, Image.Resampling.BILINEAR), (0, 0))
    return np.asarray(canvas).transpose(2, 0, 1), scale


def objects_of(boxes: Tensor, labels: Tensor) -> Iterator[dict[str, Tensor]]:
    """Yields each picture's objects as torchmetrics wants them: ``boxes`` (M, 4), ``labels``."""
    for some, known in zip(boxes, labels, strict=True):
        yield {"boxes": some[known >= 0], "labels": known[known >= 0]}
