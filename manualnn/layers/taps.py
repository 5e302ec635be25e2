"""Linear maps that look at few places along each axis: averaging windows, interpolation.

Along one axis, output i is a weighted sum over K places of the input, its taps::

    Y[i] = sum_t w[i, t] X[m[i, t]],                                    t = 0 ... K - 1

so X[j] reaches L through every tap that is at j, and with delta = dL/dY::

    dL/dX[j] = sum_{i, t: m[i, t] = j} w[i, t] delta[i]

In two and three dimensions the weight of a place is the product of its weights along the axes. Then
the sum is taken one axis at a time, H' -> H, then W' -> W.

A tap may lie at H, just outside of X, and counts for nothing: windows of all lengths fit one table.

Chosen: a table of the taps instead of the (H', H) matrix that they are the nonzero elements of. In
a product with that matrix 0 * inf = nan would carry one bad number to every place of the axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Taps:
    """Where each output along an axis looks, and how much it takes from there.

    Attributes:
        size: of the input along the axis, H.
        places: m, (H', K) integers, 0 ... H; what is at H counts for nothing.
        weights: w, (H', K); (H', 1) if an output takes as much from all; None for 1 from all.
    """

    size: int
    places: Tensor
    weights: Tensor | None


def taps_grad_input(grad_output: Tensor, taps: Sequence[Taps]) -> Tensor:
    """dL/dX, one of ``taps`` for each of the last axes: (..., H', W') -> (..., H, W)."""
    grad_input = grad_output.to(precise(grad_output.dtype))
    for axis, along in enumerate(taps, start=-len(taps)):
        grad_input = _taps_grad_input(grad_input, along, axis)
    return grad_input.to(grad_output.dtype).contiguous()


def _taps_grad_input(grad_output: Tensor, taps: Taps, axis: int) -> Tensor:
    """dL/dX[j] = sum of w delta over the taps at j: (..., H', ...) -> (..., H, ...)."""
    size = [*grad_output.shape]
    size[axis] = taps.size + 1  # one place more, to be cut off again
    grad_input, shares = grad_output.new_zeros(size), grad_output
    for t, m in enumerate(taps.places.unbind(1)):  # (H',)
        if taps.weights is not None and t < taps.weights.shape[1]:
            w = taps.weights.select(1, t).reshape(-1, *(1,) * (-1 - axis))  # (H', 1, ...)
            shares = w * grad_output
        grad_input.index_add_(axis, m, shares)
    return grad_input.narrow(axis, 0, taps.size)


def precise(dtype: torch.dtype) -> torch.dtype:
    """What weights are computed in: float64 for float64, else float32, as torch does."""
    return torch.float64 if dtype == torch.float64 else torch.float32
