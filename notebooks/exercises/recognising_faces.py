"""The exercises of notebook 7."""

from functools import partial

import torch
from torch import Tensor

from notebooks.lesson import Exercise

_random = torch.Generator().manual_seed(7)
_tensor = partial(torch.randn, dtype=torch.float64, generator=_random)


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """The squared distance of each pair of rows: (R, D), (R, D) -> (R)."""
    return (a - b).square().sum(1)


def direction_of_sum(X: Tensor) -> Tensor:
    """The sum of the views of each face, at unit length: (V, R, D) -> (R, D)."""
    total = X.sum(0)
    return total / total.norm(dim=1, keepdim=True)


def all_cosines(X: Tensor, W: Tensor) -> Tensor:
    """The cosine of every row of X with every row of W: (R, D), (C, D) -> (R, C)."""
    return (X / X.norm(dim=1, keepdim=True)) @ (W / W.norm(dim=1, keepdim=True)).T


distance = Exercise(
    "7.1, the distance of a pair",
    squared_distance,
    (_tensor(5, 3), _tensor(5, 3)),
    "There is one number of the cotangent for each pair. Which elements of a reach it? And what "
    "happens to the distance when both move by the same amount?",
)
direction = Exercise(
    "7.2, one direction from several views",
    direction_of_sum,
    (_tensor(7, 5, 3),),
    "Give the sum a name, and go back in two steps: to the sum, then to one view. Does it matter "
    "to the sum which view a change comes from?",
)
cosines = Exercise(
    "7.3, the cosines of all with all",
    all_cosines,
    (_tensor(5, 3), _tensor(7, 3)),
    "With the unit vectors given, this is a product of two matrices, and you know both of its "
    "gradients. Whose length, of an embedding or of a class, stands in which column of C?",
)
