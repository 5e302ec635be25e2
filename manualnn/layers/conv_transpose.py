"""Transposed convolution in one, two and three dimensions: convolution's dL/dX as a layer.

Convolution takes X to Y, and its backward pass delta = dL/dY to dL/dX (Eq. 41-42). Here this map is
the forward pass: X stands in delta's place, Y in that of dL/dX. With stride s, padding p, dilation
d and output padding o, every neuron paints the kernel, scaled by itself, and overlaps add up::

    Y[r, c', h', w'] = b[c'] + sum_{c, h, w} W[c, c', j, i] X[r, c, h, w]
                       over the h, w for which j = (h' + p - s h) / d and
                       i = (w' + p - s w) / d are whole numbers from 0 to k - 1
    H' = s (H - 1) + d (k - 1) + 1 - 2 p + o

o adds rows at the end that a convolution with this stride would not reach. W is the weight of the
convolution that takes Y back to X, with c for its output channels and c' for its input channels.

The trilinear form T of that convolution (conv.py) has the other two derivatives::

    T(Y, W, X) = <Y, dL/dX(X, W)> = <X, conv(Y, W)> = <W, dL/dW(Y, X)>

and with delta = dL/dY in the place of Y::

    dL/dX    = conv(delta, W)                   Eq. 39, without a bias
    dL/dW    = conv's dL/dW(delta, X)           Eq. 43
    dL/db    = sum_{r, h', w'} delta

So nothing is left to derive: the three Functions of convolution are the derivatives of this one.

With o >= s (for which d > s) that convolution has more steps than X has rows; X then gets
floor(o / s) rows of zeros at its end, which paint nothing, and o mod s is left.

The report has no such layer; its Eq. 42 is the formula. Shapes: X (R, C, H, W), W (C, C' / groups,
k, k), b (C'), Y and delta (R, C', H', W'); one or three axes in place of H, W.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_lower, led_nowhere
from manualnn.layers.conv import (
    ConvFunction,
    ConvGradInputFunction,
    ConvGradWeightFunction,
    conv_grad_bias,
)
from manualnn.layers.geometry import Geometry, Size, check_axes, per_axis
from manualnn.layers.padding import pad


def conv_transpose_forward(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry
) -> Tensor:
    """Y = dL/dX(X, W) + b, Eq. 42: (R, C, H, W), (C, C' / groups, k, k) -> (R, C', H', W')."""
    stride, padding, dilation = geometry.stride, geometry.padding, geometry.dilation
    output_padding, groups = geometry.unreached, geometry.groups
    return torch.convolution(
        input, weight, bias, stride, padding, dilation, True, output_padding, groups
    )


class ConvTransposeFunction(Function):
    """Y = dL/dX(X, W) + b, with the geometry of the convolution that takes Y to X."""

    @staticmethod
    def forward(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        return conv_transpose_forward(input, weight, bias, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, weight, _, ctx.geometry = inputs
        needs_input, needs_weight, _, _ = ctx.needs_input_grad
        ctx.save_for_backward(input if needs_weight else None, weight if needs_input else None)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        (input, weight), geometry = ctx.saved_tensors, ctx.geometry
        needs_input, needs_weight, needs_bias, _ = ctx.needs_input_grad
        return (
            apply(ConvFunction, grad_output, weight, None, geometry) if needs_input else None,
            apply(ConvGradWeightFunction, grad_output, input, geometry) if needs_weight else None,
            conv_grad_bias(grad_output) if needs_bias else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, d_weight: Tensor, d_bias: Tensor | None, _: None) -> Tensor:
        input, weight = ctx.saved_tensors
        by_input = apply(ConvGradInputFunction, d_input, weight, ctx.geometry)
        return by_input + apply(ConvTransposeFunction, input, d_weight, d_bias, ctx.geometry)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """:func:`torch.nn.functional.conv_transpose1d`; see :func:`conv_transpose2d`."""
    options = (stride, padding, output_padding, groups, dilation)
    return _conv_transpose(1, input, weight, bias, *options)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """:func:`torch.nn.functional.conv_transpose2d` with the report's formulas (Eq. 39, 42, 43).

    Args:
        input: (R, C, H, W), or (C, H, W) for one sample.
        weight: (C, C' / groups, kH, kW).
        bias: (C'), or None.
        stride: step from one painted kernel to the next, at least 1; one number or one per axis.
        padding: rows cut off both sides of Y, at least 0.
        output_padding: rows added at the end of Y, less than the stride or the dilation.
        groups: divides C and C'.
        dilation: step between the kernel's elements, at least 1.

    Returns:
        (R, C', H', W'), or (C', H', W') for one sample.

    Raises:
        RuntimeError: if shapes, dtypes or options do not fit each other.
    """
    options = (stride, padding, output_padding, groups, dilation)
    return _conv_transpose(2, input, weight, bias, *options)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """:func:`torch.nn.functional.conv_transpose3d`; see :func:`conv_transpose2d`."""
    options = (stride, padding, output_padding, groups, dilation)
    return _conv_transpose(3, input, weight, bias, *options)


def _conv_transpose(
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
) -> Tensor:
    check_axes(input, axes)
    options = (stride, padding, output_padding, groups, dilation)
    if input.dim() == axes + 1:
        return _conv_transpose(axes, input.unsqueeze(0), weight, bias, *options).squeeze(0)
    _check_channels(input, weight, axes, groups)
    input, weight, bias = autocast_lower(input, weight, bias)
    stride = per_axis(stride, axes, "stride", least=1)
    padding = per_axis(padding, axes, "padding", least=0)
    dilation = per_axis(dilation, axes, "dilation", least=1)
    added = per_axis(output_padding, axes, "output_padding", least=0)
    if any(o >= max(s, d) for o, s, d in zip(added, stride, dilation, strict=True)):
        raise RuntimeError(
            f"output_padding must be less than the stride or the dilation, but got {added} with "
            f"stride={stride} and dilation={dilation}"
        )
    zeros = [o // s for o, s in zip(added, stride, strict=True)]
    if any(zeros):
        added = tuple(o % s for o, s in zip(added, stride, strict=True))
        input = pad(input, tuple(chain.from_iterable((0, rows) for rows in reversed(zeros))))
    kernel_size = tuple(weight.shape[2:])
    each = zip(input.shape[2:], kernel_size, stride, padding, dilation, added, strict=True)
    output_size = tuple(s * (h - 1) + d * (k - 1) + 1 - 2 * p + o for h, k, s, p, d, o in each)
    geometry = Geometry(output_size, kernel_size, stride, padding, dilation, groups)
    return apply(ConvTransposeFunction, input, weight, bias, geometry)


def _check_channels(input: Tensor, weight: Tensor, axes: int, groups: int) -> None:
    if weight.dim() != axes + 2:
        raise RuntimeError(f"expected {axes + 2} axes in weight, but got {tuple(weight.shape)}")
    if groups < 1 or weight.shape[0] % groups != 0:
        raise RuntimeError(
            f"groups must be at least 1 and divide the weight's {weight.shape[0]} input channels, "
            f"but got {groups}"
        )
    if input.shape[1] != weight.shape[0]:
        raise RuntimeError(
            f"expected {weight.shape[0]} channels in the input, for a weight "
            f"{tuple(weight.shape)}, but got an input {tuple(input.shape)}"
        )


class _HandDerivedConvTranspose(nn.modules.conv._ConvTransposeNd):
    """The forward pass of the three layers below; all else is torch.nn's."""

    @led_nowhere
    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Y, with the output padding that makes it of the size asked for."""
        name, axes = type(self).__name__, len(self.kernel_size)
        if self.padding_mode != "zeros":
            raise ValueError(f"{name} pads with 'zeros' only, but got {self.padding_mode!r}")
        check_axes(input, axes)
        sizes: Any = (self.stride, self.padding, self.kernel_size, axes, self.dilation)
        output_padding = self._output_padding(input, output_size, *sizes)
        options: Any = (self.stride, self.padding, output_padding, self.groups, self.dilation)
        return _conv_transpose(axes, input, self.weight, self.bias, *options)


class ConvTranspose1d(_HandDerivedConvTranspose, nn.ConvTranspose1d):
    """:class:`torch.nn.ConvTranspose1d` by the report's Eq. 42: (R, C, W) -> (R, C', W')."""


class ConvTranspose2d(_HandDerivedConvTranspose, nn.ConvTranspose2d):
    """:class:`torch.nn.ConvTranspose2d` by the report's Eq. 42: (R, C, H, W) -> (R, C', H', W').

    Same arguments, initialisation, state_dict and errors as its twin.

    >>> layer = ConvTranspose2d(3, 8, kernel_size=3, stride=2, padding=1)
    >>> layer(torch.randn(2, 3, 8, 8), output_size=[16, 16]).shape
    torch.Size([2, 8, 16, 16])
    """


class ConvTranspose3d(_HandDerivedConvTranspose, nn.ConvTranspose3d):
    """:class:`torch.nn.ConvTranspose3d` by the report's Eq. 42, over (R, C, D, H, W)."""
