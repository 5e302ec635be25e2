"""Twins of torchvision's layers: frozen batch norm, stochastic depth, focal and box losses.

Frozen batch norm is batch norm with given statistics (batchnorm.py), all four of its vectors
constant, so that with delta = dL/dY it is a scale for each channel::

    Y = gamma (X - mu) / sqrt(var + eps) + beta,       dL/dX = delta gamma / sqrt(var + eps)

Stochastic depth drops a whole residual branch with probability p, for a sample of its own ("row")
or for the batch together ("batch"), and enlarges what survives, so that its mean stays::

    Y = b X,       b = 0 with probability p, 1 / (1 - p) else,       dL/dX = b delta

The focal loss is derived in losses/focal.py, the box losses in losses/box_iou.py.

torchvision is imported when one of its two classes is first asked for, and not before: manualnn
does without it.

Sources: Ioffe and Szegedy 2015, arXiv 1502.03167; Huang et al. 2016, arXiv 1603.09382.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import led_nowhere
from manualnn.layers.arithmetic import mul
from manualnn.layers.batchnorm import batch_norm
from manualnn.losses.box_iou import (
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
)
from manualnn.losses.focal import sigmoid_focal_loss

__all__ = [
    "FrozenBatchNorm2d",
    "StochasticDepth",
    "complete_box_iou_loss",
    "distance_box_iou_loss",
    "generalized_box_iou_loss",
    "sigmoid_focal_loss",
    "stochastic_depth",
]

FrozenBatchNorm2d: type[nn.Module]  # both are made on use, by __getattr__
StochasticDepth: type[nn.Module]
_CLASSES = ("FrozenBatchNorm2d", "StochasticDepth")


def frozen_batch_norm(
    input: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, eps: float
) -> Tensor:
    """Batch norm with given statistics, in the dtype to which input and statistics are promoted.

    Args:
        input: X, (N, C, H, W), or whatever can be broadcast with (1, C, 1, 1).
        mean: mu, (C).
        var: (C).
        weight: gamma, (C).
        bias: beta, (C).
        eps: added to the variance.

    Returns:
        Y, (N, C, H, W).

    Raises:
        RuntimeError: if the input cannot be broadcast with (1, C, 1, 1).
    """
    dtype = torch.promote_types(input.dtype, weight.dtype)
    shape = torch.broadcast_shapes(input.shape, (1, weight.numel(), 1, 1))
    vectors = (vector.to(dtype).expand(shape[-3]) for vector in (mean, var, weight, bias))
    mean, var, weight, bias = vectors
    images = input.to(dtype).expand(shape).flatten(0, -4)  # (N, C, H, W)
    return batch_norm(images, mean, var, weight, bias, eps=eps).reshape(shape)


def survivors(input: Tensor, p: float, mode: str) -> Tensor:
    """Draw b for each sample, (N, 1, ...), or for all, (1, 1, ...), as torchvision does."""
    shape = [1] * input.dim()
    if mode == "row":
        shape[0] = input.shape[0]
    drawn = input.new_empty(shape).bernoulli_(1 - p)
    return drawn.div_(1 - p) if p < 1 else drawn


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """``torchvision.ops.stochastic_depth``, derived by hand; torchvision is not needed.

    Args:
        input: X, (N, ...).
        p: the probability that a sample is dropped, from 0 to 1.
        mode: "row", each sample for itself, or "batch", all or none.
        training: whether to drop at all.

    Returns:
        Y, of the input's shape; the input itself where nothing can be dropped.

    Raises:
        ValueError: if p is not from 0 to 1, or the mode is unknown.
    """
    if p < 0 or p > 1:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode!r}")
    if not training or p == 0:
        return input
    return mul(input, survivors(input, p, mode))


def __getattr__(name: str) -> Any:
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for twin in _twins():
        globals()[twin.__name__] = twin
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *_CLASSES})


def _twins() -> tuple[type[nn.Module], type[nn.Module]]:
    """The classes, which pickle finds by their names in this module."""
    from torchvision import ops

    class FrozenBatchNorm2d(ops.FrozenBatchNorm2d):
        """``torchvision.ops.FrozenBatchNorm2d`` with a backward pass by hand."""

        __qualname__ = "FrozenBatchNorm2d"

        @led_nowhere
        def forward(self, x: Tensor) -> Tensor:
            """Y = gamma (X - mu) / sqrt(var + eps) + beta: (N, C, H, W) -> (N, C, H, W)."""
            return frozen_batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, self.eps
            )

    class StochasticDepth(ops.StochasticDepth):
        """``torchvision.ops.StochasticDepth`` with a backward pass by hand."""

        __qualname__ = "StochasticDepth"

        @led_nowhere
        def forward(self, input: Tensor) -> Tensor:
            """Y = b X in training, X in evaluation; the input's shape."""
            return stochastic_depth(input, self.p, self.mode, self.training)

    return FrozenBatchNorm2d, StochasticDepth
