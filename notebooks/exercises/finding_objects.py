"""The exercises of notebook 8."""

from functools import partial

import torch
from torch import Tensor

from notebooks.lesson import Exercise

_random = torch.Generator().manual_seed(8)
_tensor = partial(torch.randn, dtype=torch.float64, generator=_random)
_uniform = partial(torch.rand, dtype=torch.float64, generator=_random)


def cells_boxes(r: Tensor, centres: Tensor, stride: float) -> Tensor:
    """Boxes c + s (-e^r1, -e^r2, e^r3, e^r4): (N, P, 4), (P, 2) -> (N, P, 4)."""
    signs = stride * r.new_tensor([-1.0, -1.0, 1.0, 1.0])
    return centres.repeat(1, 2) + signs * r.exp()


def cross_entropy_of_scores(x: Tensor, y: Tensor) -> Tensor:
    """The mean of -(y log sigmoid(x) + (1 - y) log sigmoid(-x)), over all elements."""
    rises, falls = torch.sigmoid(x).log(), torch.sigmoid(-x).log()
    return -(y * rises + (1 - y) * falls).mean()


def overlap_of_intervals(a: Tensor, b: Tensor) -> Tensor:
    """1 - intersection / union, row by row, of intervals (left, right) that overlap: (R)."""
    shared = torch.minimum(a[:, 1], b[:, 1]) - torch.maximum(a[:, 0], b[:, 0])
    union = (a[:, 1] - a[:, 0]) + (b[:, 1] - b[:, 0]) - shared
    return 1 - shared / union


boxes = Exercise(
    "8.1, boxes from outputs",
    cells_boxes,
    (_tensor(3, 5, 4),),
    "Write one side of one box as a function of its one r. What is the derivative of the "
    "exponential, and what has become of the sign before it?",
    (40 * _uniform(5, 2), 8.0),
)
cross_entropy = Exercise(
    "8.2, the cross-entropy of scores",
    cross_entropy_of_scores,
    (2 * _tensor(3, 5),),
    "What are the derivatives of log sigmoid(x) and log sigmoid(-x)? Put the two together before "
    "you think of the mean: most of it cancels.",
    (_uniform(3, 5),),
)
overlap = Exercise(
    "8.3, the overlap of intervals",
    overlap_of_intervals,
    (
        torch.tensor(
            [[1.0, 4.0], [2.5, 9.0], [0.5, 8.5], [3.0, 5.0], [6.0, 7.5], [1.2, 6.1], [4.4, 9.3]],
            dtype=torch.float64,
        ),
    ),
    "Of the two ends that meet at the left, which one bounds the intersection, and which one the "
    "union? Four kinds of overlap are among the examples: longer left, longer right, inside, "
    "around.",
    (
        torch.tensor(
            [[2.0, 7.0], [1.5, 6.0], [2.0, 5.0], [1.0, 8.0], [5.5, 9.0], [3.3, 7.0], [2.9, 5.2]],
            dtype=torch.float64,
        ),
    ),
)
