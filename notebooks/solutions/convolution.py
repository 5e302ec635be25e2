"""Notebook 3, solved."""

import torch
from torch import Tensor


def bias(delta: Tensor, b: Tensor, Z: Tensor) -> Tensor:
    """b[c', h'] is added in every sample and column, with the factor 1: those are summed."""
    return delta.sum((0, 3))


def line(delta: Tensor, X: Tensor, W: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Each delta goes back to its window of X through W, and to W through its window."""
    grad_X, grad_W = torch.zeros_like(X), torch.zeros_like(W)
    for place in range(delta.shape[1]):
        window = slice(stride * place, stride * place + len(W))
        grad_X[:, window] += delta[:, place, None] * W  # windows overlap: a sum
        grad_W += delta[:, place] @ X[:, window]
    return grad_X, grad_W


def depthwise(delta: Tensor, X: Tensor, W: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 41 without the sum over c', Eq. 43 with c' = c; weight (j, i) meets every second X."""
    grad_X, grad_W = torch.zeros_like(X), torch.zeros_like(W)
    height, width = delta.shape[2:]
    for j in range(W.shape[1]):
        for i in range(W.shape[2]):
            met = (..., slice(j, j + 2 * height - 1, 2), slice(i, i + 2 * width - 1, 2))
            grad_X[met] += delta * W[:, j, i, None, None]
            grad_W[:, j, i] = (delta * X[met]).sum((0, 2, 3))
    return grad_X, grad_W
