"""Max-pooling in one, two and three dimensions (report, sections 4.2.5 and 4.2.6).

Forward, Eq. 49, shown in two dimensions, over the k x k window that starts at (s h' - p, s w' - p);
what lies outside X is never the maximum::

    Y[r, c, h', w'] = max_{j, i} X[r, c, s h' + d j - p, s w' + d i - p]
    H' = floor((H + 2 p - d (k - 1) - 1) / s) + 1, or rounded up with ceil_mode          (Eq. 46-48)

Y moves with the one neuron that was the maximum and with no other (Eq. 50), whose place in the
plane is m[r, c, h', w']. A neuron may win several overlapping windows, so with delta = dL/dY::

    dL/dX[r, c, h, w] = sum_{h', w': m[r, c, h', w'] = (h, w)} delta[r, c, h', w']          (Eq. 51)

This scatters delta to the places m. It is linear in delta, and its adjoint gathers from them,
v[r, c, m[r, c, h', w']]: the forward mode of max-pooling itself. Two Functions that call one
another are closed under differentiation.

Kept for the backward pass: m alone, in the smallest integer that holds a place in the plane.

Corrected: Eq. 51 as printed forgets the sum over the windows that a neuron won; the text has it.
Chosen: of equal values the first in row-major order wins, and nan wins over all, as in PyTorch.

Shapes: X (R, C, H, W), Y, m and delta (R, C, H', W'); one or three axes in place of H, W in
MaxPool1d and MaxPool3d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, led_nowhere
from manualnn.layers.geometry import Size, check_axes, per_axis


@dataclass(frozen=True)
class Window:
    """The window's size k, stride s, padding p and dilation d per axis; and which way H' rounds."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool


@dataclass(frozen=True)
class Plane:
    """The size of one channel's plane, (H, W)."""

    size: tuple[int, ...]


def max_pool_forward(input: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Y of Eq. 49 and the places m: (R, C, H, W) -> twice (R, C, H', W')."""
    pools = (nn.functional.max_pool1d, nn.functional.max_pool2d, nn.functional.max_pool3d)
    output, places = pools[len(window.size) - 1](
        input, window.size, window.stride, window.padding, window.dilation, window.ceil_mode, True
    )
    if len(window.size) == 1:  # a view, which autograd would not let anybody change in place
        output = output.clone()
    return output, places.to(smallest_integer(math.prod(input.shape[2:])))


def max_pool_grad_input(grad_output: Tensor, places: Tensor, plane: Plane) -> Tensor:
    """dL/dX of Eq. 51, delta scattered to m: twice (R, C, H', W') -> (R, C, H, W)."""
    deltas = _flat(grad_output)  # (R, C, H' W')
    grad_input = deltas.new_zeros(*deltas.shape[:2], math.prod(plane.size))
    grad_input = grad_input.scatter_add(-1, _flat(places).long(), deltas)
    return grad_input.reshape(*deltas.shape[:2], *plane.size)


def max_pool_gather(tangent: Tensor, places: Tensor) -> Tensor:
    """v[r, c, m], the adjoint of :func:`max_pool_grad_input`: (R, C, H, W) -> (R, C, H', W')."""
    return _flat(tangent).gather(-1, _flat(places).long()).reshape(places.shape)


def _flat(planes: Tensor) -> Tensor:
    """Each plane as one row: (R, C, H, W) -> (R, C, H W)."""
    return planes.reshape(*planes.shape[:2], math.prod(planes.shape[2:]))


def smallest_integer(count: int) -> torch.dtype:
    """The smallest integer type that counts from 0 to count - 1."""
    candidates = (torch.uint8, torch.int16, torch.int32)
    return next((t for t in candidates if count - 1 <= torch.iinfo(t).max), torch.int64)


class MaxPoolFunction(Function):
    """Y of Eq. 49, and m."""

    @staticmethod
    def forward(input: Tensor, window: Window) -> tuple[Tensor, Tensor]:
        return max_pool_forward(input, window)

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


class MaxPoolGradInputFunction(Function):
    """dL/dX of Eq. 51, linear in delta."""

    @staticmethod
    def forward(grad_output: Tensor, places: Tensor, plane: Plane) -> Tensor:
        return max_pool_grad_input(grad_output, places, plane)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, places, ctx.plane = inputs
        ctx.save_for_backward(places)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return apply(MaxPoolGatherFunction, grad, places), None, None

    @staticmethod
    def jvp(ctx: Any, d_grad_output: Tensor, *_: None) -> Tensor:
        (places,) = ctx.saved_tensors
        return apply(MaxPoolGradInputFunction, d_grad_output, places, ctx.plane)


class MaxPoolGatherFunction(Function):
    """v[r, c, m], linear in v."""

    @staticmethod
    def forward(tangent: Tensor, places: Tensor) -> Tensor:
        return max_pool_gather(tangent, places)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        tangent, places = inputs
        ctx.plane = Plane(tuple(tangent.shape[2:]))
        ctx.save_for_backward(places)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return apply(MaxPoolGradInputFunction, grad, places, ctx.plane), None

    @staticmethod
    def jvp(ctx: Any, d_tangent: Tensor, _: None) -> Tensor:
        (places,) = ctx.saved_tensors
        return apply(MaxPoolGatherFunction, d_tangent, places)


def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """:func:`torch.nn.functional.max_pool1d`; see :func:`max_pool2d`, with one axis for two."""
    options = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return _max_pool(1, input, *options)


def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """:func:`torch.nn.functional.max_pool2d` with the report's backward pass (Eq. 49, 51).

    Args:
        input: (R, C, H, W), or (C, H, W) for one sample.
        kernel_size: of the window, at least 1; one number or one per axis.
        stride: step of the window, at least 1; the kernel's size if None.
        padding: on both sides, at most half of the kernel's size.
        dilation: step between the window's elements, at least 1.
        ceil_mode: round H' up instead of down.
        return_indices: also return the places of the maxima in the plane, row by row.

    Returns:
        Y (R, C, H', W'), or Y and the places (int64, same shape); (C, H', W') for one sample.

    Raises:
        RuntimeError: if the shape or an option does not fit.
    """
    options = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return _max_pool(2, input, *options)


def max_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """:func:`torch.nn.functional.max_pool3d`; see :func:`max_pool2d`, with three axes for two."""
    options = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return _max_pool(3, input, *options)


def _max_pool(
    axes: int,
    input: Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
    return_indices: bool,
) -> Tensor | tuple[Tensor, Tensor]:
    check_axes(input, axes)
    window = Window(
        size=per_axis(kernel_size, axes, "kernel_size", least=1),
        stride=per_axis(kernel_size if stride is None else stride, axes, "stride", least=1),
        padding=per_axis(padding, axes, "padding", least=0),
        dilation=per_axis(dilation, axes, "dilation", least=1),
        ceil_mode=ceil_mode,
    )
    one_sample = input.dim() == axes + 1
    output, places = apply(MaxPoolFunction, input.unsqueeze(0) if one_sample else input, window)
    if one_sample:
        output, places = output.squeeze(0), places.squeeze(0)
    return (output, places.long()) if return_indices else output


class _HandDerivedMaxPool(nn.modules.pooling._MaxPoolNd):
    """The forward pass of MaxPool1d, MaxPool2d and MaxPool3d; all else is torch.nn's."""

    axes: int

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Y of Eq. 49, and the places of the maxima if ``return_indices``."""
        options = (self.padding, self.dilation, self.ceil_mode, self.return_indices)
        return _max_pool(self.axes, input, self.kernel_size, self.stride, *options)


class MaxPool1d(_HandDerivedMaxPool, nn.MaxPool1d):
    """:class:`torch.nn.MaxPool1d` with the report's backward pass: (R, C, W) -> (R, C, W')."""

    axes = 1


class MaxPool2d(_HandDerivedMaxPool, nn.MaxPool2d):
    """:class:`torch.nn.MaxPool2d` with the report's backward pass: (R, C, H, W) -> (R, C, H', W').

    Same arguments and errors as its twin. Source: Eq. 49 and 51.

    >>> MaxPool2d(kernel_size=2)(torch.randn(2, 3, 16, 16)).shape
    torch.Size([2, 3, 8, 8])
    """

    axes = 2


class MaxPool3d(_HandDerivedMaxPool, nn.MaxPool3d):
    """:class:`torch.nn.MaxPool3d` with the report's backward pass, over (R, C, D, H, W)."""

    axes = 3
