"""Which cell answers for which object: task-aligned assignment.

A cell is worth as much to an object as it already finds it, in class and in place::

    t = score^0.5 IoU^4,        for cells with their centre inside the object's box, 0 for others

Each object takes the ten cells of most worth; a cell that several objects want goes to the one it
overlaps most. So the net itself decides from where it sees an object best, and gets better at it.

Source: Feng et al. 2021, "TOOD: Task-aligned one-stage object detection", arXiv 2108.07755.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recipes.objects.nets import STRIDE


@dataclass(frozen=True)
class Assignment:
    """What the cells of a batch of pictures are to predict.

    Attributes:
        classes: (N, P, classes), the targets of the scores: 0 but for the cells with an object.
        boxes: (N, P, 4), the object's box; any for cells without.
        chosen: (N, P), whether a cell has an object.
    """

    classes: Tensor
    boxes: Tensor
    chosen: Tensor


def assign(
    scores: Tensor,
    boxes: Tensor,
    centres: Tensor,
    truth: Tensor,
    labels: Tensor,
    cells: int = 10,
    floor: float = 0.5,
) -> Assignment:
    """Assigns the objects of a batch to cells.

    Args:
        scores: (N, P, classes), from 0 to 1.
        boxes: (N, P, 4), as predicted.
        centres: (P, 2), of the cells.
        truth: (N, M, 4), the objects' boxes.
        labels: (N, M), their classes; -1 where a picture has fewer than M.
        cells: Most cells of an object.
        floor: Target of the class of an object's least cell; its best cell's is at most 1.

    Returns:
        The targets; without gradient.
    """
    with torch.no_grad():
        real = labels >= 0
        overlap = box_overlap(truth, boxes) * inside(truth, centres) * real[..., None]  # (N, M, P)
        of_class = labels.clamp_min(0)[..., None].expand(overlap.shape)
        worth = scores.transpose(1, 2).gather(1, of_class).sqrt() * overlap**4
        best, places = worth.topk(min(cells, worth.shape[-1]))
        wanted = torch.zeros_like(worth).scatter(2, places, (best > 0).to(worth))
        shared, owner = (overlap * wanted).max(1)  # (N, P)
        chosen = shared > 0
        worth = worth.gather(1, owner[:, None]).squeeze(1) * chosen
        mine = torch.nn.functional.one_hot(owner, labels.shape[1]) * chosen[..., None]  # (N, P, M)
        most = (mine * worth[..., None]).amax(1)  # (N, M)
        closest = (mine * shared[..., None]).amax(1)
        share = worth * (closest / most.clamp_min(1e-9)).gather(1, owner)
        target = (floor + (1 - floor) * share) * chosen
        classes = torch.zeros_like(scores)
        classes.scatter_(2, labels.clamp_min(0).gather(1, owner)[..., None], target[..., None])
        places = owner[..., None].expand(*owner.shape, 4)
        return Assignment(classes, truth.gather(1, places), chosen)


def inside(truth: Tensor, centres: Tensor) -> Tensor:
    """Returns whether a cell's centre is in a box; a box is taken for a cell wide at least.

    Args:
        truth: (N, M, 4).
        centres: (P, 2).

    Returns:
        (N, M, P).
    """
    middle, half = (truth[..., :2] + truth[..., 2:]) / 2, (truth[..., 2:] - truth[..., :2]) / 2
    away = (centres - middle[:, :, None]).abs()
    return (away <= half[:, :, None].clamp_min(STRIDE / 2)).all(-1)


def box_overlap(first: Tensor, second: Tensor) -> Tensor:
    """Returns the intersection over union of all pairs: (N, M, 4) and (N, P, 4) to (N, M, P)."""
    first, second = first[:, :, None], second[:, None]
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    common = (high - low).clamp_min(0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (first, second)]
    return common / (sum(areas) - common).clamp_min(1e-9)
