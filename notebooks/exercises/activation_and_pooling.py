"""The exercises of notebook 4."""

from functools import partial

import torch
from torch import Tensor

from notebooks.lesson import Exercise

_random = torch.Generator().manual_seed(4)
_tensor = partial(torch.randn, dtype=torch.float64, generator=_random)


def clipped(X: Tensor, low: float, high: float) -> Tensor:
    """X, but no lower than low and no higher than high; any shape."""
    return X.clamp(low, high)


def mean_of_windows(X: Tensor, k: int) -> Tensor:
    """The means of k x k windows side by side: (R, H, W) -> (R, H // k, W // k)."""
    R, H, W = X.shape
    covered = X[:, : H // k * k, : W // k * k]
    return covered.reshape(R, H // k, k, W // k, k).mean((2, 4))


def maximum_of_windows(X: Tensor, k: int, s: int) -> Tensor:
    """The maxima of windows k wide, s apart: (R, W) -> (R, (W - k) // s + 1)."""
    return X.unfold(1, k, s).amax(-1)


hard_tanh = Exercise(
    "4.1, a tanh with corners",
    clipped,
    (_tensor(3, 2, 5, 4),),
    "Draw the graph. What is its slope in each of its three parts, and in which part does an "
    "element lie?",
    (-0.5, 1.0),
)
average_pooling = Exercise(
    "4.2, average pooling",
    mean_of_windows,
    (_tensor(2, 7, 11),),
    "In how many windows does one X lie, and with which factor? Look at the last row and the last "
    "columns as well: 7 and 11 are no multiples of 3.",
    (3,),
)
overlapping_maxima = Exercise(
    "4.3, maxima of windows that overlap",
    maximum_of_windows,
    (_tensor(3, 12),),
    "Go through the windows one after the other. Whom does each of them owe its delta to, and what "
    "if an earlier window has paid the same X already?",
    (3, 2),
)
