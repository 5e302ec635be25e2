"""Notebook 8, solved."""

import torch
from torch import Tensor


def boxes(delta: Tensor, r: Tensor, centres: Tensor, stride: float) -> Tensor:
    """The exponential is its own derivative: db/dr = b - c, with its sign, each side for itself."""
    signs = stride * r.new_tensor([-1.0, -1.0, 1.0, 1.0])
    return delta * signs * r.exp()


def cross_entropy(delta: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(1 - y) p - y (1 - p) is p - y, p = sigmoid(x): the score less its target, over the count."""
    return delta * (torch.sigmoid(x) - y) / x.numel()


def overlap(delta: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """An end of a that bounds the intersection I moves I alone, and one that does not, the union U.

    For intervals that overlap, U reaches from the lesser left to the greater right end. From
    L = 1 - I / U: dL/dI = -1 / U, dL/dU = I / U^2.
    """
    shared = torch.minimum(a[:, 1], b[:, 1]) - torch.maximum(a[:, 0], b[:, 0])
    union = torch.maximum(a[:, 1], b[:, 1]) - torch.minimum(a[:, 0], b[:, 0])
    by_shared, by_union = -delta / union, delta * shared / union**2
    left = torch.where(a[:, 0] > b[:, 0], -by_shared, -by_union)
    right = torch.where(a[:, 1] < b[:, 1], by_shared, by_union)
    return torch.stack([left, right], 1)
