"""The mistakes of a detector, sorted by kind."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat
from torchvision.ops import box_iou

from recipes.objects.boxes import surest

KINDS = ("right", "missed", "found twice", "wrong class", "box off", "background")
RIGHT, MISSED, TWICE, WRONG_CLASS, BOX_OFF, BACKGROUND = range(len(KINDS))
MATCH = 0.5  # intersection over union of a box in the right place
NEAR = 0.1  # of a box that means an object, but is off
PATCH = 64  # pixels of a patch's side
MARGIN = 0.3  # around a box, as a share of its longer side


def kinds(found: dict[str, Tensor], truth: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Says of each detection what it is, and of each object whether it was found.

    The surest detection chooses first. One that matches an object of its class is right, or found
    twice where a surer one was right; one that matches only objects of other classes has the wrong
    class; one that merely touches an object of its class is off; all others show background.

    Args:
        found: A picture's ``boxes`` (D, 4), ``scores`` (D) and ``labels`` (D), the surest first.
        truth: Its objects' ``boxes`` (M, 4) and ``labels`` (M).

    Returns:
        The detections' places in ``KINDS`` (D), and which objects were found (M).
    """
    matched = torch.zeros(len(truth["labels"]), dtype=torch.bool, device=truth["labels"].device)
    result = torch.full_like(found["labels"], BACKGROUND)
    if not len(matched):
        return result, matched
    overlaps = box_iou(found["boxes"], truth["boxes"])
    for place, (overlap, label) in enumerate(zip(overlaps, found["labels"], strict=True)):
        same = truth["labels"] == label
        free = torch.where(same & ~matched, overlap, 0)
        if free.max() >= MATCH:
            matched[free.argmax()] = True
            result[place] = RIGHT
        elif (overlap * same).max() >= MATCH:
            result[place] = TWICE
        elif overlap.max() >= MATCH:
            result[place] = WRONG_CLASS
        elif (overlap * same).max() >= NEAR:
            result[place] = BOX_OFF
    return result, matched


class Mistakes(Metric):
    """Counts the kinds of a test set's detections, and keeps a patch of picture of each mistake.

    Args:
        shown: Lowest score of a detection that counts.
    """

    counts: Tensor
    patches: list[Tensor]
    kind: list[Tensor]
    score: list[Tensor]

    def __init__(self, shown: float = 0.3) -> None:
        super().__init__()
        self.shown = shown
        self.add_state("counts", torch.zeros(len(KINDS), dtype=torch.long), dist_reduce_fx="sum")
        for name in ("patches", "kind", "score"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self, pictures: Tensor, found: list[dict[str, Tensor]], truth: Iterable[dict[str, Tensor]]
    ) -> None:
        """Sorts the surest detection of each place in pictures (N, 3, H, W) from 0 to 1."""
        for picture, some, known in zip(pictures, found, truth, strict=True):
            sure = surest(some, self.shown)
            kind, matched = kinds(sure, known)
            missed = known["boxes"][~matched]
            kind = torch.cat([kind, torch.full((len(missed),), MISSED).to(kind)])
            boxes = torch.cat([sure["boxes"], missed])
            score = torch.cat([sure["scores"], torch.ones(len(missed)).to(sure["scores"])])
            self.counts += torch.bincount(kind, minlength=len(KINDS))
            wrong = kind != RIGHT
            nothing = picture.new_zeros(0, 3, PATCH, PATCH)
            self.patches.append(torch.cat([nothing, *(patch(picture, b) for b in boxes[wrong])]))
            self.kind.append(kind[wrong])
            self.score.append(score[wrong])

    def compute(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns counts (6), and of the W mistakes patches (W, 3, 64, 64), kinds and scores."""
        patches, kind, score = map(dim_zero_cat, (self.patches, self.kind, self.score))
        return self.counts, patches, kind, score


def patch(picture: Tensor, box: Tensor) -> Tensor:
    """Cuts a square around a box out of a picture (3, H, W), and draws the box: (1, 3, 64, 64)."""
    middle, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    half = (0.5 + MARGIN) * sides.max().clamp_min(1)
    size = torch.tensor(picture.shape[:0:-1]).to(box)
    across = torch.linspace(-1, 1, PATCH).to(box)
    x, y = ((middle + half * across[:, None]) / size * 2 - 1).unbind(1)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    cut = F.grid_sample(picture[None], grid[None], padding_mode="border", align_corners=False)
    away = (across[:, None] * half).abs() - sides / 2  # (64, 2), from the box's sides
    edge = torch.maximum(away[None, :, 0], away[:, None, 1]).abs() < half / PATCH * 1.2
    return torch.where(edge, torch.tensor([[[1.0]], [[0.9]], [[0.0]]]).to(cut), cut)
