"""Finding objects in a person's own pictures: from files to pictures with boxes and a JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.font_manager import findfont
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.functional import pil_to_tensor, to_pil_image
from torchvision.utils import draw_bounding_boxes

from recipes.common.files import UNREADABLE, open_picture, written_whole
from recipes.objects.pictures import colors
from recipes.objects.scenes import fitted


class PictureFiles(Dataset):
    """Picture files, read a batch at a time.

    Args:
        paths: Of the files.
        size: Height and width to which each is brought.

    Attributes:
        read: The files that could be read, in order.
        unreadable: Why each of the others could not.
    """

    def __init__(self, paths: Sequence[Path], size: tuple[int, int]) -> None:
        self.paths = paths
        self.size = size
        self.read: list[Path] = []
        self.unreadable: dict[Path, str] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitems__(self, indices: list[int]) -> list[Tensor]:
        """Returns pictures (N, 3, H, W) as bytes, and by how much each was enlarged (N)."""
        pictures, scales = [], []
        for index in indices:
            path = self.paths[index]
            try:
                picture, scale = fitted(open_picture(path, "RGB"), self.size)
            except UNREADABLE as error:
                self.unreadable[path] = str(error)
            else:
                self.read.append(path)
                pictures.append(torch.from_numpy(np.ascontiguousarray(picture)))
                scales.append(scale)
        empty = torch.zeros(0, 3, *self.size, dtype=torch.uint8)
        return [torch.stack(pictures) if pictures else empty, torch.tensor(scales)]


def results(
    found: Sequence[dict[str, Tensor]], paths: Sequence[Path], classes: Sequence[str]
) -> Iterator[dict[str, object]]:
    """Yields every detection in COCO's result format, with the file's and the class's name.

    Pictures count from 1 in the order of the files, categories in the order of the classes.
    """
    for image, (path, objects) in enumerate(zip(paths, found, strict=True), 1):
        parts = (objects[name].tolist() for name in ("boxes", "scores", "labels"))
        for (left, top, right, bottom), score, label in zip(*parts, strict=True):
            yield {
                "image_id": image,
                "category_id": label + 1,
                "bbox": [round(value, 2) for value in (left, top, right - left, bottom - top)],
                "score": round(score, 4),
                "file_name": str(path),
                "category_name": classes[label],
            }


def save_results(rows: Sequence[dict[str, object]], target: Path) -> None:
    """Writes detections as JSON, a line for each."""
    with written_whole(target) as part:
        lines = ",\n".join(json.dumps(row) for row in rows)
        part.write_text(f"[\n{lines}\n]\n")


def save_with_boxes(
    source: Path, target: Path, objects: dict[str, Tensor], classes: Sequence[str]
) -> None:
    """Writes a picture with its detections drawn in.

    Args:
        source: The picture's file.
        target: A PNG or JPEG file.
        objects: ``boxes`` in the picture's pixels, ``scores`` and ``labels``.
        classes: Names of the classes.
    """
    boxes, scores, labels = (objects[name].cpu() for name in ("boxes", "scores", "labels"))
    picture = pil_to_tensor(open_picture(source, "RGB"))
    line = max(2, round(min(picture.shape[1:]) / 240))
    palette = [tuple(round(255 * part) for part in color[:3]) for color in colors(len(classes))]
    if len(boxes):
        picture = draw_bounding_boxes(
            picture,
            boxes,
            labels=[
                f"{classes[label]} {score:.0%}" for label, score in zip(labels, scores, strict=True)
            ],
            colors=[palette[label] for label in labels],
            width=line,
            font=findfont("DejaVu Sans"),
            font_size=7 * line,
        )
    with written_whole(target) as part:
        to_pil_image(picture).save(part)
