"""Average pooling in one, two and three dimensions, over a sliding window or over equal parts.

Forward, shown in two dimensions, over the k x k window that starts at (s h' - p, s w' - p)::

    Y[r, c, h', w'] = 1 / (n[h'] n[w']) sum_{j, i} X[r, c, s h' + j - p, s w' + i - p]
    H' = floor((H + 2 p - k) / s) + 1, or rounded up with ceil_mode

What lies outside of X is zero. n counts the window's rows (columns) within the padded X, or, if not
``count_include_pad``, within X; a ``divisor_override`` stands for n[h'] n[w'].

Adaptive pooling is given H' and finds the windows: part h' goes from the row where h' / H' of the
plane begins to the one where (h' + 1) / H' of it ends, so that parts may share a row::

    start[h'] = floor(h' H / H'),   stop[h'] = ceil((h' + 1) H / H'),   n[h'] = stop[h'] - start[h']
    Y[r, c, h', w'] = 1 / (n[h'] n[w']) sum X[r, c, h, w],     start[h'] <= h < stop[h'], ...

Every neuron of a window has the same share in Y, so with delta = dL/dY::

    dL/dX[r, c, h, w] = sum over the windows that hold (h, w) of delta[r, c, h', w'] / (n[h'] n[w'])

The sum is taken along one axis at a time. Row j of the windows lies at s h' + j - p, so the shares
are added k times, s rows apart, each time one row further down; where the windows tile X, each
share is only copied, k times.

Equal parts tile X where H' divides H, as in global pooling (H' = 1). Where it does not, they are of
two lengths, and a table says which rows each of them has (taps.py).

Averaging is a linear map and spreading is its adjoint (linear_map.py); nothing is kept.

The report has max-pooling only (section 4.2.5); the options are those of torch.nn.

Shapes: X (R, C, H, W), Y and delta (R, C, H', W'); one or three axes in place of H, W in AvgPool1d
and AvgPool3d; no R for one sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from manualnn.autograd import apply, autocast_float32, led_nowhere
from manualnn.layers.geometry import Size, check_axes, per_axis
from manualnn.layers.linear_map import linear_map
from manualnn.layers.taps import Taps, precise, taps_grad_input

OutputSize: TypeAlias = "int | Sequence[int | None]"


@dataclass(frozen=True)
class Averaging:
    """The size of X, the window's size k, stride s and padding p per axis; what to divide by."""

    input_size: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    ceil_mode: bool
    count_include_pad: bool
    divisor: int | None


@dataclass(frozen=True)
class Division:
    """The size of X, and in how many parts each axis is divided, H' and W'."""

    input_size: tuple[int, ...]
    parts: tuple[int, ...]


def avg_pool_forward(input: Tensor, averaging: Averaging) -> Tensor:
    """Y, the mean of every window: (..., H, W) -> (..., H', W')."""
    a, axes = averaging, len(averaging.size)
    options = (a.size, a.stride, a.padding, a.ceil_mode, a.count_include_pad)
    if axes == 1:  # a view, which autograd would not let anybody change in place
        return nn.functional.avg_pool1d(input, *options).clone()
    pool = nn.functional.avg_pool2d if axes == 2 else nn.functional.avg_pool3d
    return pool(input, *options, a.divisor)


def avg_pool_grad_input(grad_output: Tensor, averaging: Averaging) -> Tensor:
    """dL/dX, the share delta / (n n) in every place of its window: (..., H', W') -> (..., H, W)."""
    shares, axes = grad_output / window_counts(grad_output, averaging), len(averaging.size)
    first = shares.dim() - axes  # axis of the plane
    channels_last = shares.stride(first - 1) == 1 and not shares.is_contiguous()
    if channels_last:  # and so stays dL/dX
        shares, first = shares.movedim(first - 1, -1), first - 1
    for axis in reversed(range(axes)):
        shares = spread(shares, first + axis, averaging, axis)
    grad_input = shares.contiguous()
    return grad_input.movedim(-1, first) if channels_last else grad_input


def window_counts(grad_output: Tensor, averaging: Averaging) -> Tensor | int:
    """What each window's sum is divided by: n[h'] n[w'], (H', W'), or one number for all."""
    if averaging.divisor is not None:
        return averaging.divisor
    if not averaging.ceil_mode and (averaging.count_include_pad or not any(averaging.padding)):
        return math.prod(averaging.size)
    counts = torch.ones((), dtype=torch.int64, device=grad_output.device)
    for axis, size in enumerate(averaging.input_size):
        padding, outputs = averaging.padding[axis], grad_output.shape[axis - len(averaging.size)]
        starts = torch.arange(outputs, device=counts.device) * averaging.stride[axis] - padding
        stops = (starts + averaging.size[axis]).clamp(max=size + padding)
        if not averaging.count_include_pad:
            starts, stops = starts.clamp(min=0), stops.clamp(max=size)
        counts = counts.unsqueeze(-1) * (stops - starts)  # (H',), then (H', W')
    return counts


def spread(shares: Tensor, dim: int, averaging: Averaging, axis: int) -> Tensor:
    """The sum at h of all shares h' whose window has h: (..., H', ...) -> (..., H, ...) at dim."""
    size, kernel = averaging.input_size[axis], averaging.size[axis]
    stride, padding = averaging.stride[axis], averaging.padding[axis]
    shape, outputs = [*shares.shape], shares.shape[dim]
    if kernel == stride and kernel * outputs == size and not padding:  # the windows tile X
        shape.insert(dim + 1, kernel)
        return shares.unsqueeze(dim + 1).expand(shape).flatten(dim, dim + 1)
    shape[dim] = size
    sums = shares.new_zeros(shape)
    for j in range(kernel):
        rows = range(j - padding, j - padding + outputs * stride, stride)  # row j of each window
        inside = [i for i, row in enumerate(rows) if 0 <= row < size]
        if inside:
            reached = slice(rows[inside[0]], rows[inside[-1]] + 1, stride)
            part = shares.narrow(dim, inside[0], len(inside))
            sums[(slice(None),) * dim + (reached,)].add_(part)
    return sums


def adaptive_avg_pool_forward(input: Tensor, division: Division) -> Tensor:
    """Y, the mean of every part: (..., H, W) -> (..., H', W')."""
    axes = len(division.input_size)
    if axes == 1:  # a view, which autograd would not let anybody change in place
        return nn.functional.adaptive_avg_pool1d(input, division.parts).clone()
    pools: Any = (nn.functional.adaptive_avg_pool2d, nn.functional.adaptive_avg_pool3d)
    return pools[axes - 2](input, division.parts)


def adaptive_avg_pool_grad_input(grad_output: Tensor, division: Division) -> Tensor:
    """dL/dX, delta / (n n) in every place of its part: (..., H', W') -> (..., H, W)."""
    size = division.input_size
    each = [*zip(size, grad_output.shape[-len(size) :], strict=True)]
    if all(parts and h % parts == 0 for h, parts in each):
        window = tuple(h // parts for h, parts in each)
        tiling = Averaging(size, window, window, (0,) * len(size), False, True, None)
        return avg_pool_grad_input(grad_output, tiling)
    return taps_grad_input(grad_output, [equal_parts(*axis, grad_output) for axis in each])


def equal_parts(size: int, count: int, like: Tensor) -> Taps:
    """The rows from start[h'] to stop[h'] of each of the parts of an axis, with the weight 1 / n.

    Args:
        size: of the axis, H.
        count: of the parts, H'.
        like: a tensor of the device and dtype that the weights are to be multiplied with.
    """
    edges = torch.arange(count + 1, device=like.device) * size  # H' times the edges between parts
    starts, stops = edges[:-1] // max(count, 1), -(-edges[1:] // max(count, 1))
    longest = -(-size // max(count, 1)) + (size % max(count, 1) > 0)
    rows = starts.unsqueeze(1) + torch.arange(longest, device=like.device)  # (H', K)
    rows = rows.masked_fill(rows >= stops.unsqueeze(1), size)
    return Taps(size, rows, 1 / (stops - starts).unsqueeze(1).to(precise(like.dtype)))


AvgPoolFunction, AvgPoolAdjointFunction = linear_map(
    "AvgPool", avg_pool_forward, avg_pool_grad_input
)
AdaptiveAvgPoolFunction, AdaptiveAvgPoolAdjointFunction = linear_map(
    "AdaptiveAvgPool", adaptive_avg_pool_forward, adaptive_avg_pool_grad_input
)


def avg_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """:func:`torch.nn.functional.avg_pool1d`; see :func:`avg_pool2d`, with one axis for two."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """:func:`torch.nn.functional.avg_pool2d` with a hand-derived backward pass.

    Args:
        input: (R, C, H, W), or (C, H, W) for one sample.
        kernel_size: of the window, at least 1; one number or one per axis.
        stride: step of the window, at least 1; the kernel's size if None.
        padding: zeros on both sides, at most half of the kernel's size.
        ceil_mode: round H' up instead of down.
        count_include_pad: the padding counts in the mean.
        divisor_override: divide the sum by this, not 0, instead of by the window's count.

    Returns:
        Y (R, C, H', W'); (C, H', W') for one sample.

    Raises:
        RuntimeError: if the shape or an option does not fit.
        IndexError: if the input has too few axes.
    """
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_pool(2, input, *options)


def avg_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """:func:`torch.nn.functional.avg_pool3d`; see :func:`avg_pool2d`, with three axes for two."""
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_pool(3, input, *options)


def _avg_pool(
    axes: int,
    input: Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    check_axes(input, axes, IndexError if axes == 2 and input.dim() < 3 else RuntimeError)
    averaging = Averaging(
        input_size=tuple(input.shape[-axes:]),
        size=per_axis(kernel_size, axes, "kernel_size", least=1),
        stride=per_axis(kernel_size if stride is None else stride, axes, "stride", least=1),
        padding=per_axis(padding, axes, "padding", least=0),
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor=divisor_override,
    )
    return apply(AvgPoolFunction, _cast(input, axes), averaging)


def _cast(input: Tensor, axes: int) -> Tensor:
    """The input as torch's autocast would have it: in float32 for three axes on a CPU."""
    return autocast_float32(input, devices=("cpu",))[0] if axes == 3 else input


def adaptive_avg_pool1d(input: Tensor, output_size: Size) -> Tensor:
    """:func:`torch.nn.functional.adaptive_avg_pool1d`; see :func:`adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: OutputSize) -> Tensor:
    """:func:`torch.nn.functional.adaptive_avg_pool2d` with a hand-derived backward pass.

    Args:
        input: (R, C, H, W), or (C, H, W) for one sample.
        output_size: H' and W', or one number for both; None keeps H or W.

    Returns:
        Y (R, C, H', W'); (C, H', W') for one sample.

    Raises:
        RuntimeError: if the shape or the size does not fit.
    """
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: OutputSize) -> Tensor:
    """:func:`torch.nn.functional.adaptive_avg_pool3d`; see :func:`adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(3, input, output_size)


def _adaptive_avg_pool(axes: int, input: Tensor, output_size: OutputSize) -> Tensor:
    check_axes(input, axes)
    division = Division(tuple(input.shape[-axes:]), parts_per_axis(output_size, input, axes))
    return apply(AdaptiveAvgPoolFunction, _cast(input, axes), division)


def parts_per_axis(output_size: OutputSize, input: Tensor, axes: int) -> tuple[int, ...]:
    """In how many parts each axis is divided: 2 -> (2, 2), (1, None) -> (1, W) for two axes.

    Args:
        output_size: one number for all axes, or one for each; None, but not for a single axis,
            keeps the input's size.
        input: what is pooled, which gives that size.
        axes: how many spatial axes there are.

    Raises:
        RuntimeError: if there are too few or too many numbers, or one is negative; too many for
            the input itself are a ValueError, as in torch.
        TypeError: if a number is not whole.
    """
    if not isinstance(output_size, Sequence):
        parts = (index(output_size),) * axes
    elif len(output_size) == axes:
        sizes: Any = input.shape[-axes:] if axes > 1 else output_size
        each = zip(output_size, sizes, strict=True)
        parts = tuple(size if part is None else index(part) for part, size in each)
    else:
        error = ValueError if 1 < axes < input.dim() <= len(output_size) else RuntimeError
        raise error(
            f"expected output_size to be one number or {axes}, but got {tuple(output_size)}"
        )
    if min(parts) < 0:
        raise RuntimeError(f"output_size must be at least 0, but got {parts}")
    return parts


class _HandDerivedAvgPool(nn.modules.pooling._AvgPoolNd):
    """The forward pass of AvgPool1d, AvgPool2d and AvgPool3d; all else is torch.nn's."""

    axes: int
    kernel_size: Any  # a Size; torch's annotations differ with the axes
    stride: Any
    padding: Any
    ceil_mode: bool
    count_include_pad: bool
    divisor_override: int | None = None  # AvgPool1d has no such option

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """The mean of every window."""
        options = (self.ceil_mode, self.count_include_pad, self.divisor_override)
        return _avg_pool(self.axes, input, self.kernel_size, self.stride, self.padding, *options)


class AvgPool1d(_HandDerivedAvgPool, nn.AvgPool1d):
    """:class:`torch.nn.AvgPool1d` with a hand-derived backward pass: (R, C, W) -> (R, C, W')."""

    axes = 1


class AvgPool2d(_HandDerivedAvgPool, nn.AvgPool2d):
    """:class:`torch.nn.AvgPool2d` with a hand-derived backward pass, over (R, C, H, W).

    Same arguments and errors as its twin.

    >>> AvgPool2d(kernel_size=2)(torch.randn(2, 3, 16, 16)).shape
    torch.Size([2, 3, 8, 8])
    """

    axes = 2


class AvgPool3d(_HandDerivedAvgPool, nn.AvgPool3d):
    """:class:`torch.nn.AvgPool3d` with a hand-derived backward pass, over (R, C, D, H, W)."""

    axes = 3


class _HandDerivedAdaptiveAvgPool(nn.modules.pooling._AdaptiveAvgPoolNd):
    """The forward pass of the three layers below; all else is torch.nn's."""

    axes: int
    output_size: Any  # an OutputSize; torch's annotation has a None that torch refuses

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """The mean of every part."""
        return _adaptive_avg_pool(self.axes, input, self.output_size)


class AdaptiveAvgPool1d(_HandDerivedAdaptiveAvgPool, nn.AdaptiveAvgPool1d):
    """:class:`torch.nn.AdaptiveAvgPool1d` with a hand-derived backward pass, over (R, C, W)."""

    axes = 1


class AdaptiveAvgPool2d(_HandDerivedAdaptiveAvgPool, nn.AdaptiveAvgPool2d):
    """:class:`torch.nn.AdaptiveAvgPool2d` with a hand-derived backward pass, over (R, C, H, W).

    Same arguments and errors as its twin.

    >>> AdaptiveAvgPool2d((1, None))(torch.randn(2, 3, 16, 16)).shape
    torch.Size([2, 3, 1, 16])
    """

    axes = 2


class AdaptiveAvgPool3d(_HandDerivedAdaptiveAvgPool, nn.AdaptiveAvgPool3d):
    """:class:`torch.nn.AdaptiveAvgPool3d` with a hand-derived backward pass, (R, C, D, H, W)."""

    axes = 3
