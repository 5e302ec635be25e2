"""Convolution in one, two and three dimensions (report, sections 4.2.1 and 4.2.2).

Forward, Eq. 39, shown in two dimensions, with stride s, padding p (X is zero outside) and
dilation d; the report has d = 1 and no bias::

    Y[r, c', h', w'] = b[c'] + sum_{c, j, i} X[r, c, s h' + d j - p, s w' + d i - p] W[c', c, j, i]
    H' = floor((H + 2 p - d (k - 1) - 1) / s) + 1                                        (Eq. 34-36)

Let delta = dL/dY. The chain rule gives one sum for each argument::

    dL/dX[r, c, h, w]  = sum_{c', h', w'} W[c', c, j, i] delta[r, c', h', w']               (Eq. 41)
                         over the h', w' for which j = (h + p - s h') / d and
                         i = (w + p - s w') / d are whole numbers from 0 to k - 1
    dL/dW[c', c, j, i] = sum_{r, h', w'} delta[r, c', h', w'] X[r, c, s h' + d j - p, ...]  (Eq. 43)
    dL/db[c']          = sum_{r, h', w'} delta[r, c', h', w']

* Eq. 42: dL/dX is the sliding product (cross-correlation) of delta, spread out by s and padded by
  d (k - 1) - p zeros, with W rotated by 180 degrees, over c' instead of c. That is what
  ``torch.convolution(..., transposed=True)`` computes.
* Eq. 43: dL/dW is the sliding product of X with delta as the kernel. The batch takes the place of
  the channels that are summed over, and stride and dilation change places: a step of one along the
  kernel moves d along X, a step of one along delta moves s.

Y, dL/dX and dL/dW are the three derivatives of one trilinear form, by delta, by X and by W::

    T(X, W, delta) = <delta, Y(X, W)> = <X, dL/dX(delta, W)> = <W, dL/dW(X, delta)>

so the derivative of each is made of the other two, with the new cotangent in the place that its
result has. Three Functions that call one another are closed under differentiation, at every order.

Corrected: Eq. 39 forgets the stride; Eq. 40 prints "h' + j = h" twice; Eq. 41 holds for s = 1 only
and names W^(l+1) for the layer's own W^(l); Eq. 43 sums over c' and divides by R, and must not.

Groups split the channels of X and Y into equal parts; each part is a convolution of its own.

Shapes: X (R, C, H, W), W (C', C / groups, k, k), b (C'), Y and delta (R, C', H', W'); one or three
axes in place of H, W in Conv1d and Conv3d.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_lower, is_unwatched, led_nowhere
from manualnn.layers.conv_weight import conv_grad_weight
from manualnn.layers.geometry import Geometry, Size, check_axes, per_axis
from manualnn.layers.padding import pad


def conv_forward(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Y of Eq. 39: (R, C, H, W), (C', C / groups, k, k) -> (R, C', H', W')."""
    stride, padding, dilation = geometry.stride, geometry.padding, geometry.dilation
    zeros = (0,) * len(stride)
    return torch.convolution(
        input, weight, bias, stride, padding, dilation, False, zeros, geometry.groups
    )


def conv_grad_input(grad_output: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """dL/dX of Eq. 41-42: (R, C', H', W'), (C', C / groups, k, k) -> (R, C, H, W)."""
    stride, padding, dilation = geometry.stride, geometry.padding, geometry.dilation
    output_padding, groups = geometry.unreached, geometry.groups  # makes H of H' again
    is_wide_step = any(s > 1 for s in stride) and not any(padding)
    if is_wide_step and set(geometry.kernel_size) == {1} and groups == 1 and is_unwatched():
        return conv_grad_input_by_steps(grad_output, weight, geometry)
    return torch.convolution(
        grad_output, weight, None, stride, padding, dilation, True, output_padding, groups
    )


def conv_grad_input_by_steps(grad_output: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """The same for k = 1: a step s > 1 reaches few places of X, all others have dL/dX = 0."""
    (channels_out, channels_in), samples = weight.shape[:2], len(grad_output)
    reached = weight.view(channels_out, channels_in).t() @ grad_output.flatten(2)  # (R, C, H' W')
    grad_input = grad_output.new_zeros(samples, channels_in, *geometry.input_size)
    steps = grad_input
    for axis, s in enumerate(geometry.stride, start=2):
        steps = steps.unfold(axis, 1, s).squeeze(-1)
    steps.copy_(reached.view(steps.shape))
    return grad_input


def conv_grad_bias(grad_output: Tensor) -> Tensor:
    """dL/db[c'] = sum_{r, h', w'} delta: (R, C', H', W') -> (C',)."""
    return grad_output.sum((0, *range(2, grad_output.dim())))


class ConvFunction(Function):
    """Y = X * W + b, Eq. 39."""

    @staticmethod
    def forward(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        return conv_forward(input, weight, bias, geometry)

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
            apply(ConvGradInputFunction, grad_output, weight, geometry) if needs_input else None,
            apply(ConvGradWeightFunction, input, grad_output, geometry) if needs_weight else None,
            conv_grad_bias(grad_output) if needs_bias else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, d_weight: Tensor, d_bias: Tensor | None, _: None) -> Tensor:
        input, weight = ctx.saved_tensors
        by_input = apply(ConvFunction, d_input, weight, None, ctx.geometry)
        return by_input + apply(ConvFunction, input, d_weight, d_bias, ctx.geometry)


class ConvGradInputFunction(Function):
    """dL/dX of Eq. 41, linear in delta and in W. Its cotangent has the shape of X."""

    @staticmethod
    def forward(delta: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
        return conv_grad_input(delta, weight, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        delta, weight, ctx.geometry = inputs
        needs_delta, needs_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(delta if needs_weight else None, weight if needs_delta else None)

    @staticmethod
    def backward(ctx: Any, like_input: Tensor) -> tuple[Tensor | None, ...]:
        (delta, weight), geometry = ctx.saved_tensors, ctx.geometry
        needs_delta, needs_weight, _ = ctx.needs_input_grad
        return (
            apply(ConvFunction, like_input, weight, None, geometry) if needs_delta else None,
            apply(ConvGradWeightFunction, like_input, delta, geometry) if needs_weight else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, d_delta: Tensor, d_weight: Tensor, _: None) -> Tensor:
        delta, weight = ctx.saved_tensors
        by_delta = apply(ConvGradInputFunction, d_delta, weight, ctx.geometry)
        return by_delta + apply(ConvGradInputFunction, delta, d_weight, ctx.geometry)


class ConvGradWeightFunction(Function):
    """dL/dW of Eq. 43, linear in X and in delta. Its cotangent has the shape of W."""

    @staticmethod
    def forward(input: Tensor, delta: Tensor, geometry: Geometry) -> Tensor:
        return conv_grad_weight(input, delta, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, delta, ctx.geometry = inputs
        needs_input, needs_delta, _ = ctx.needs_input_grad
        ctx.save_for_backward(input if needs_delta else None, delta if needs_input else None)

    @staticmethod
    def backward(ctx: Any, like_weight: Tensor) -> tuple[Tensor | None, ...]:
        (input, delta), geometry = ctx.saved_tensors, ctx.geometry
        needs_input, needs_delta, _ = ctx.needs_input_grad
        return (
            apply(ConvGradInputFunction, delta, like_weight, geometry) if needs_input else None,
            apply(ConvFunction, input, like_weight, None, geometry) if needs_delta else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, d_delta: Tensor, _: None) -> Tensor:
        input, delta = ctx.saved_tensors
        by_input = apply(ConvGradWeightFunction, d_input, delta, ctx.geometry)
        return by_input + apply(ConvGradWeightFunction, input, d_delta, ctx.geometry)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """:func:`torch.nn.functional.conv1d`; see :func:`conv2d`, with one axis for two."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """:func:`torch.nn.functional.conv2d` with the report's backward pass (Eq. 39, 41, 43).

    Args:
        input: (R, C, H, W), or (C, H, W) for one sample.
        weight: (C', C / groups, kH, kW).
        bias: (C'), or None.
        stride: step of the kernel, at least 1; one number or one per axis.
        padding: zeros on both sides, at least 0; or "valid" for none, "same" for H' = H, W' = W.
        dilation: step between the kernel's elements, at least 1.
        groups: divides C and C'.

    Returns:
        (R, C', H', W'), or (C', H', W') for one sample.

    Raises:
        RuntimeError: if shapes, dtypes or options do not fit each other.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """:func:`torch.nn.functional.conv3d`; see :func:`conv2d`, with three axes for two."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _conv(
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
) -> Tensor:
    check_axes(input, axes)
    if input.dim() == axes + 1:
        batch = _conv(axes, input.unsqueeze(0), weight, bias, stride, padding, dilation, groups)
        return batch.squeeze(0)
    _check_channels(input, weight, axes, groups)
    input, weight, bias = autocast_lower(input, weight, bias)
    kernel_size = tuple(weight.shape[2:])
    stride = per_axis(stride, axes, "stride", least=1)
    dilation = per_axis(dilation, axes, "dilation", least=1)
    if isinstance(padding, str):
        padding, uneven = _named_padding(padding, kernel_size, stride, dilation)
        input = pad(input, uneven) if any(uneven) else input
    padding = per_axis(padding, axes, "padding", least=0)
    input_size = tuple(input.shape[2:])
    geometry = Geometry(input_size, kernel_size, stride, padding, dilation, groups)
    return apply(ConvFunction, input, weight, bias, geometry)


def _check_channels(input: Tensor, weight: Tensor, axes: int, groups: int) -> None:
    if weight.dim() != axes + 2:
        raise RuntimeError(f"expected {axes + 2} axes in weight, but got {tuple(weight.shape)}")
    if groups < 1 or weight.shape[0] % groups != 0:
        raise RuntimeError(
            f"groups must be at least 1 and divide the weight's {weight.shape[0]} output channels, "
            f"but got {groups}"
        )
    if input.shape[1] != weight.shape[1] * groups:
        raise RuntimeError(
            f"expected {weight.shape[1] * groups} channels in the input, with groups={groups} and "
            f"a weight {tuple(weight.shape)}, but got an input {tuple(input.shape)}"
        )


def _named_padding(
    padding: str, kernel_size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What "valid" or "same" adds: on both sides, and after (for :func:`pad`) where it is odd."""
    if padding not in ("valid", "same"):
        raise RuntimeError(f"padding must be numbers, 'valid' or 'same', but got {padding!r}")
    if padding == "valid":
        return (0,) * len(kernel_size), ()
    if any(s != 1 for s in stride):
        raise RuntimeError(f"padding='same' needs stride 1, but got stride={stride}")
    total = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
    after = [(0, amount % 2) for amount in reversed(total)]
    return tuple(amount // 2 for amount in total), tuple(chain.from_iterable(after))


class _HandDerivedConv(nn.modules.conv._ConvNd):
    """The forward pass of Conv1d, Conv2d and Conv3d; all else is torch.nn's."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        axes = len(self.kernel_size)
        padding: Size | str = self.padding
        if self.padding_mode != "zeros":
            check_axes(input, axes)
            input = pad(input, tuple(self._reversed_padding_repeated_twice), self.padding_mode)
            padding = 0
        options = (self.stride, padding, self.dilation, self.groups)
        return _conv(axes, input, self.weight, self.bias, *options)


class Conv1d(_HandDerivedConv, nn.Conv1d):
    """:class:`torch.nn.Conv1d` with the report's backward pass: (R, C, W) -> (R, C', W')."""


class Conv2d(_HandDerivedConv, nn.Conv2d):
    """:class:`torch.nn.Conv2d` with the report's backward pass: (R, C, H, W) -> (R, C', H', W').

    Same arguments, initialisation, state_dict and errors as its twin. Source: Eq. 39, 41 and 43.

    >>> layer = Conv2d(3, 8, kernel_size=3, padding="same", padding_mode="reflect")
    >>> layer(torch.randn(2, 3, 16, 16)).shape
    torch.Size([2, 8, 16, 16])
    """


class Conv3d(_HandDerivedConv, nn.Conv3d):
    """:class:`torch.nn.Conv3d` with the report's backward pass, over (R, C, D, H, W)."""
