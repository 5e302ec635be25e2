"""Adaptive max-pooling in one, two and three dimensions: the maxima of H' x W' parts of the plane.

Part h' goes from the row where h' / H' of the plane begins to the one where (h' + 1) / H' of it
ends, so that neighbouring parts may share a row::

    Y[r, c, h', w'] = max X[r, c, h, w],      floor(h' H / H') <= h < ceil((h' + 1) H / H'),
                                              floor(w' W / W') <= w < ceil((w' + 1) W / W')

From here on it is max-pooling (pooling.py): Y moves with the neuron at the place m that was the
maximum, and Eq. 51, dL/dX = delta scattered to m, does not ask what shape the windows had. Its two
Functions are the derivatives of this one, at every order.

Kept for the backward pass: m alone, in the smallest integer that holds a place in the plane.

Shapes: X (R, C, H, W), Y, m and delta (R, C, H', W'); one or three axes in place of H, W.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_float32, led_nowhere
from manualnn.layers.average_pooling import OutputSize, parts_per_axis
from manualnn.layers.geometry import Size, check_axes
from manualnn.layers.pooling import (
    MaxPoolGatherFunction,
    MaxPoolGradInputFunction,
    Plane,
    smallest_integer,
)


@dataclass(frozen=True)
class Grid:
    """How many parts each axis is divided into, H' and W'."""

    size: tuple[int, ...]


def adaptive_max_pool_forward(input: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Y, the maximum of every part, and the places m: (R, C, H, W) -> twice (R, C, H', W')."""
    pools = (
        nn.functional.adaptive_max_pool1d,
        nn.functional.adaptive_max_pool2d,
        nn.functional.adaptive_max_pool3d,
    )
    output, places = pools[input.dim() - 3](input, grid.size, return_indices=True)
    if input.dim() == 3:  # a view, which autograd would not let anybody change in place
        output = output.clone()
    return output, places.to(smallest_integer(math.prod(input.shape[2:])))


class AdaptiveMaxPoolFunction(Function):
    """Y, and m."""

    @staticmethod
    def forward(input: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        return adaptive_max_pool_forward(input, grid)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        _, places = output
        ctx.plane = Plane(tuple(inputs[0].shape[2:]))
        ctx.mark_non_differentiable(places)
        ctx.save_for_backward(places)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor, _: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return apply(MaxPoolGradInputFunction, grad_output, places, ctx.plane), None

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, _: None) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return apply(MaxPoolGatherFunction, d_input, places), None


def adaptive_max_pool1d(
    input: Tensor, output_size: Size, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """:func:`torch.nn.functional.adaptive_max_pool1d`; see :func:`adaptive_max_pool2d`."""
    return _adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """:func:`torch.nn.functional.adaptive_max_pool2d` with the report's backward pass (Eq. 51).

    Args:
        input: (R, C, H, W), or (C, H, W) for one sample.
        output_size: H' and W', or one number for both; None keeps H or W.
        return_indices: also return the places of the maxima in the plane, row by row.

    Returns:
        Y (R, C, H', W'), or Y and the places (int64, same shape); (C, H', W') for one sample.

    Raises:
        RuntimeError: if the shape or the size does not fit.
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """:func:`torch.nn.functional.adaptive_max_pool3d`; see :func:`adaptive_max_pool2d`."""
    return _adaptive_max_pool(3, input, output_size, return_indices)


def _adaptive_max_pool(
    axes: int, input: Tensor, output_size: OutputSize, return_indices: bool
) -> Tensor | tuple[Tensor, Tensor]:
    check_axes(input, axes)
    if axes == 3:  # as torch's autocast on a CPU
        (input,) = autocast_float32(input, devices=("cpu",))
    grid = Grid(parts_per_axis(output_size, input, axes))
    one_sample = input.dim() == axes + 1
    batch = input.unsqueeze(0) if one_sample else input
    output, places = apply(AdaptiveMaxPoolFunction, batch, grid)
    if one_sample:
        output, places = output.squeeze(0), places.squeeze(0)
    return (output, places.long()) if return_indices else output


class _HandDerivedAdaptiveMaxPool(nn.modules.pooling._AdaptiveMaxPoolNd):
    """The forward pass of the three layers below; all else is torch.nn's."""

    axes: int
    output_size: Any  # an OutputSize; torch's annotation has a None that torch refuses

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Y, and the places of the maxima if ``return_indices``."""
        return _adaptive_max_pool(self.axes, input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_HandDerivedAdaptiveMaxPool, nn.AdaptiveMaxPool1d):
    """:class:`torch.nn.AdaptiveMaxPool1d` with the report's backward pass, over (R, C, W)."""

    axes = 1


class AdaptiveMaxPool2d(_HandDerivedAdaptiveMaxPool, nn.AdaptiveMaxPool2d):
    """:class:`torch.nn.AdaptiveMaxPool2d` with the report's backward pass, over (R, C, H, W).

    Same arguments and errors as its twin. Source: Eq. 51.

    >>> AdaptiveMaxPool2d((1, None))(torch.randn(2, 3, 16, 16)).shape
    torch.Size([2, 3, 1, 16])
    """

    axes = 2


class AdaptiveMaxPool3d(_HandDerivedAdaptiveMaxPool, nn.AdaptiveMaxPool3d):
    """:class:`torch.nn.AdaptiveMaxPool3d` with the report's backward pass, (R, C, D, H, W)."""

    axes = 3
