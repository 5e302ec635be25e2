"""Boxes of a picture's cells: from the net's outputs to boxes, and from boxes to detections.

Boxes are (left, top, right, bottom) in pixels. A cell of s pixels' side, the net's stride, with its
centre at (x, y) and the outputs r, one for each side, stands for the box::

    b = (x, y, x, y) + s (-e^r1, -e^r2, e^r3, e^r4),        db/dr = b - (x, y, x, y)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import batched_nms, clip_boxes_to_image, nms

from manualnn.autograd import apply
from manualnn.layers.activations import elementwise

ExpFunction = elementwise("ExpFunction", torch.exp, lambda delta, output: delta * output)
EXP = {"manual": lambda input: apply(ExpFunction, input), "torch": torch.exp}


def centres(pictures: Tensor, stride: int) -> Tensor:
    """Returns the cells' centres (P, 2) as x, y in pixels, row by row, of pictures (N, 3, H, W)."""
    rows, columns = (
        stride * (torch.arange(side // stride, device=pictures.device) + 0.5)
        for side in pictures.shape[-2:]
    )
    return torch.cartesian_prod(rows, columns).flip(1).to(pictures)


def to_boxes(sides: Tensor, centres: Tensor, stride: int, layers: str) -> Tensor:
    """Returns the cells' boxes.

    Args:
        sides: (N, P, 4), logarithms of distances in strides.
        centres: (P, 2).
        stride: Side of a cell in pixels.
        layers: ``manual`` or ``torch``: whose exponential function.

    Returns:
        (N, P, 4) in pixels.
    """
    signs = stride * sides.new_tensor([-1.0, -1.0, 1.0, 1.0])
    return EXP[layers](sides) * signs + centres.repeat(1, 2)


def reflected(boxes: Tensor, size: Sequence[int], axes: Sequence[int]) -> Tensor:
    """Returns where boxes (..., 4) of a picture lie once some of its axes are reversed.

    Args:
        boxes: (..., 4) in pixels.
        size: Height and width of the picture in pixels.
        axes: Some of -1 (left and right change places) and -2 (top and bottom).
    """
    height, width = size
    left, top, right, bottom = boxes.unbind(-1)
    if -1 in axes:
        left, right = width - right, width - left
    if -2 in axes:
        top, bottom = height - bottom, height - top
    return torch.stack([left, top, right, bottom], -1)


def surest(found: dict[str, Tensor], score: float, overlap: float = 0.5) -> dict[str, Tensor]:
    """Returns what a person is shown of a picture's detections: one of each place.

    Args:
        found: ``boxes`` (D, 4), ``scores`` (D) and ``labels`` (D).
        score: Lowest score.
        overlap: Intersection over union above which the less sure of two goes, whatever its class.
    """
    sure = {name: part[found["scores"] >= score] for name, part in found.items()}
    kept = nms(sure["boxes"], sure["scores"], overlap)
    return {name: part[kept] for name, part in sure.items()}


@dataclass(frozen=True)
class Selection:
    """What of a picture's cells is kept as detections.

    Args:
        score: Lowest score of a detection, from 0 to 1.
        candidates: Best cells and classes of a picture, before overlapping ones are removed.
        overlap: Intersection over union above which the less sure of two boxes of a class goes.
        detections: Most detections of a picture.
    """

    score: float = 0.01
    candidates: int = 300
    overlap: float = 0.5
    detections: int = 100

    def __call__(
        self, scores: Tensor, boxes: Tensor, size: Sequence[int]
    ) -> list[dict[str, Tensor]]:
        """Returns the detections of each picture, the surest first.

        Args:
            scores: (N, P, classes), from 0 to 1.
            boxes: (N, P, 4).
            size: Height and width of the pictures in pixels.

        Returns:
            For each picture ``boxes`` (D, 4), ``scores`` (D) and ``labels`` (D).
        """
        return [self._of_picture(*one, size) for one in zip(scores, boxes, strict=True)]

    def _of_picture(self, scores: Tensor, boxes: Tensor, size: Sequence[int]) -> dict[str, Tensor]:
        best, places = scores.flatten().topk(min(self.candidates, scores.numel()))
        places, best = places[best > self.score], best[best > self.score]
        cells, labels = places // scores.shape[1], places % scores.shape[1]
        found = clip_boxes_to_image(boxes[cells], size)
        kept = batched_nms(found, best, labels, self.overlap)[: self.detections]
        return {"boxes": found[kept], "scores": best[kept], "labels": labels[kept]}
