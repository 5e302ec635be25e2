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
    stride: int,
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
        stride: Side of a cell in pixels.
        cells: Most cells of an object.
        floor: Target of the class of an object's least cell; its best cell's is at most 1.

    Returns:
        The targets; without gradient.
    """
    known = labels.clamp_min(0)
    with torch.no_grad():
        candidate = inside(truth, centres, stride) & (labels >= 0)[..., None]
        overlap = box_overlap(truth, boxes) * candidate  # (N, M, P)
        of_class = scores.transpose(1, 2).gather(1, known[..., None].expand(overlap.shape))
        worth = of_class.sqrt() * overlap**4
        owner, mine = owners(worth, overlap, cells)
        worth, overlap = worth * mine, overlap * mine
        best = overlap.amax(2) / worth.amax(2).clamp_min(1e-9)  # (N, M)
        share = (worth * best[..., None]).amax(1)  # (N, P), its object's best cell: its overlap
        chosen = mine.any(1)
        target = (floor + (1 - floor) * share) * chosen
        classes = torch.zeros_like(scores)
        classes.scatter_(2, known.gather(1, owner)[..., None], target[..., None])
        return Assignment(classes, truth.gather(1, owner[..., None].expand(-1, -1, 4)), chosen)


def owners(worth: Tensor, overlap: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Says which object each cell belongs to.

    Args:
        worth: (N, M, P), of a cell to an object.
        overlap: (N, M, P).
        cells: Most cells of an object.

    Returns:
        A cell's object (N, P), any where it has none, and whether it is an object's (N, M, P).
    """
    best, places = worth.topk(min(cells, worth.shape[2]))
    wanted = torch.zeros_like(worth).scatter(2, places, (best > 0).to(worth))
    shared, owner = (overlap * wanted).max(1)
    objects = torch.arange(worth.shape[1], device=owner.device)[:, None]
    return owner, (owner[:, None] == objects) & (shared > 0)[:, None]


def inside(truth: Tensor, centres: Tensor, stride: int) -> Tensor:
    """Returns whether a cell's centre is in a box; a box is taken for a cell wide at least.

    Args:
        truth: (N, M, 4).
        centres: (P, 2).
        stride: Side of a cell in pixels.

    Returns:
        (N, M, P).
    """
    middle, half = (truth[..., :2] + truth[..., 2:]) / 2, (truth[..., 2:] - truth[..., :2]) / 2
    away = (centres - middle[:, :, None]).abs()
    return (away <= half[:, :, None].clamp_min(stride / 2)).all(-1)


def box_overlap(first: Tensor, second: Tensor) -> Tensor:
    """Returns the intersection over union of all pairs: (N, M, 4) and (N, P, 4) to (N, M, P)."""
    first, second = first[:, :, None], second[:, None]
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    common = (high - low).clamp_min(0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (first, second)]
    return common / (sum(areas) - common).clamp_min(1e-9)
