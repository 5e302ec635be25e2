"""dL/dW of a convolution (Eq. 43): one sum, computed in the order that suits its shape.

The sum has a product for every sample r, place (h', w') and tap (j, i) of the kernel::

    dL/dW[c', c, j, i] = sum_{r, h', w'} delta[r, c', h', w'] X[r, c, s h' + d j - p, ...]

Each function below takes all of these products and no other. They differ in what is summed first:

* :func:`sliding_product`, Eq. 43 as it stands: X slides along delta, the samples in the place of
  the channels. It is the lesson; it knows every geometry, and the others are tested against it.
* :func:`sliding_product_in_sixteens`: sixteen samples at a time, innermost in memory, then the sum
  over the sixteens. A processor multiplies sixteen numbers in one instruction, and a convolution
  gives it channels, which are samples here.
* :func:`sum_over_samples`: with X[r]'s windows laid out as (H' W', C k k), a product of matrices
  delta[r] X[r] for each sample, then the sum over r. It moves the least memory for k = 1, or a
  picture's few channels.
* :func:`sum_over_rows`: all windows of all samples as the rows of one matrix, one product. Best
  where a plane is too small to fill the others, or a stride leaves few windows.
* :func:`sum_over_places`: for depthwise convolution, where a channel meets no other and there is no
  product of matrices: delta times X shifted by each tap, one row of the kernel at a time.

What was measured is in benchmarks/README.md.

Shapes: X (R, C, H, W), delta (R, C', H', W'), dL/dW (C', C / groups, k, k); any number of axes in
place of H, W.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from manualnn.autograd import is_transformed
from manualnn.layers.geometry import Geometry

Sum: TypeAlias = Callable[[Tensor, Tensor, Geometry], Tensor]

FEW_CHANNELS = 4  # of a picture
SAMPLES = 16  # in an instruction of float32
FEW_PRODUCTS = 2**20  # all at once is faster, as it takes two steps
PRODUCTS = 2**18  # numbers at a time, so that they stay in the cache: a megabyte of float32


def conv_grad_weight(input: Tensor, grad_output: Tensor, geometry: Geometry) -> Tensor:
    """dL/dW of Eq. 43: (R, C, H, W), (R, C', H', W') -> (C', C / groups, k, k), contiguous."""
    return fastest_sum(input, grad_output, geometry)(input, grad_output, geometry).contiguous()


def fastest_sum(input: Tensor, grad_output: Tensor, geometry: Geometry) -> Sum:
    """The function for these shapes, by what was measured on a CPU."""
    (batch, channels, *_), places = input.shape, math.prod(grad_output.shape[2:])
    if input.device.type != "cpu" or input.dtype not in (torch.float32, torch.float64):
        return sliding_product
    if batch == 0 or is_transformed():
        return sliding_product
    if geometry.groups > 1:
        is_depthwise = channels == geometry.groups == grad_output.shape[1]
        return sum_over_places if is_depthwise else sliding_product
    if places >= 16 and (math.prod(geometry.kernel_size) == 1 or channels <= FEW_CHANNELS):
        return sum_over_samples
    if places < 16 or any(s > 1 for s in geometry.stride):
        return sum_over_rows
    return sliding_product_in_sixteens if batch >= SAMPLES else sliding_product


def sliding_product(input: Tensor, grad_output: Tensor, geometry: Geometry) -> Tensor:
    """Eq. 43 with the samples as channels, of each group apart."""
    (batch, channels, *size), groups = input.shape, geometry.groups
    if batch == 0:  # torch has no sliding product over no channels
        shape = (grad_output.shape[1], channels // groups, *geometry.kernel_size)
        return input.new_zeros(shape)
    images = input.reshape(batch, groups, channels // groups, *size)  # (R, groups, C / groups, ...)
    images = images.transpose(0, 2).reshape(channels // groups, groups * batch, *size)
    deltas = grad_output.transpose(0, 1).contiguous()  # (C', R, H', W')
    return _slide(images, deltas, geometry).transpose(0, 1)


def _slide(images: Tensor, deltas: Tensor, geometry: Geometry) -> Tensor:
    """images * deltas: a step along the kernel moves d, and a step along delta moves s."""
    stride, padding, dilation = geometry.stride, geometry.padding, geometry.dilation
    product = torch.convolution(
        images, deltas, None, dilation, padding, stride, False, (0,) * len(stride), geometry.groups
    )  # (C / groups, C', >= k, >= k): beyond k there are steps to rows that the kernel never met
    for axis, k in enumerate(geometry.kernel_size, start=2):
        product = product.narrow(axis, 0, k)
    return product


def sliding_product_in_sixteens(input: Tensor, grad_output: Tensor, geometry: Geometry) -> Tensor:
    """sum over sixteens of samples, each a sliding product: groups = 1."""
    products = (
        _slide(_samples_innermost(images), _samples_innermost(deltas), geometry)
        for images, deltas in zip(input.split(SAMPLES), grad_output.split(SAMPLES), strict=True)
    )
    total = next(products)
    for product in products:
        total += product
    return total.transpose(0, 1)


def _samples_innermost(images: Tensor) -> Tensor:
    """(R, C, H, W) -> (C, R, H, W), in memory (C, H, W, R)."""
    return images.movedim(0, -1).contiguous().movedim(-1, 1)


def windows(input: Tensor, geometry: Geometry) -> Tensor:
    """Where each tap meets each place: (R, C, H, W) -> (R, C, k, k, H', W'), a view of padded X."""
    sides = [side for p in reversed(geometry.padding) for side in (p, p)]
    padded = torch.constant_pad_nd(input, sides) if any(sides) else input
    batch, channels, *along = padded.stride()
    taps = [d * step for d, step in zip(geometry.dilation, along, strict=True)]
    places = [s * step for s, step in zip(geometry.stride, along, strict=True)]
    shape = (*input.shape[:2], *geometry.kernel_size, *geometry.output_size)
    return padded.as_strided(shape, (batch, channels, *taps, *places))


def sum_over_samples(input: Tensor, grad_output: Tensor, geometry: Geometry) -> Tensor:
    """sum_r delta[r] X[r], (C', H' W') times (H' W', C k k): groups = 1."""
    shape = grad_output.shape[1], input.shape[1], *geometry.kernel_size
    samples = max(1, PRODUCTS // (math.prod(shape[1:]) * math.prod(geometry.output_size)))
    total = input.new_zeros(shape[0], math.prod(shape[1:]))
    for images, deltas in zip(input.split(samples), grad_output.split(samples), strict=True):
        seen = windows(images, geometry).flatten(1, -1 - len(geometry.stride)).flatten(2)
        total += torch.bmm(deltas.flatten(2), seen.transpose(1, 2)).sum(0)  # (C', C k k)
    return total.view(shape)


def sum_over_rows(input: Tensor, grad_output: Tensor, geometry: Geometry) -> Tensor:
    """X^T delta, (k k C, R H' W') times (R H' W', C'): groups = 1."""
    channels_in, channels_out = input.shape[1], grad_output.shape[1]
    rows = _taps_innermost(input, geometry).reshape(
        -1, math.prod(geometry.kernel_size) * channels_in
    )
    deltas = grad_output.movedim(1, -1).reshape(-1, channels_out)
    is_high = rows.shape[0] > rows.shape[1]  # the faster of two ways to the same product
    product = rows.t() @ deltas if is_high else (deltas.t() @ rows).t()  # (k k C, C')
    return product.view(*geometry.kernel_size, channels_in, channels_out).permute(
        -1, -2, *range(len(geometry.stride))
    )


def _taps_innermost(input: Tensor, geometry: Geometry) -> Tensor:
    """The windows of X as (R, H', W', k, k, C), of X with the channels innermost in memory."""
    axes = len(geometry.stride)
    seen = windows(input.movedim(1, -1).contiguous().movedim(-1, 1), geometry)
    return seen.permute(0, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes), 1)


def sum_over_places(input: Tensor, grad_output: Tensor, geometry: Geometry) -> Tensor:
    """sum_{r, h', w'} delta X, channel by channel: C = C' = groups."""
    *rows, width = geometry.kernel_size
    channels = input.shape[1]
    seen = _taps_innermost(input, geometry)  # (R, H', W', k, k, C)
    deltas = grad_output.movedim(1, -1).contiguous().unsqueeze(-2)  # (R, H', W', 1, C)
    if seen.numel() <= FEW_PRODUCTS:
        at_once = seen * deltas.view(*deltas.shape[:-2], *(1,) * len(geometry.stride), channels)
        total = at_once.reshape(-1, *geometry.kernel_size, channels).sum(0)
        return total.movedim(-1, 0).unsqueeze(1)
    samples = max(1, PRODUCTS // (deltas[0].numel() * width))
    products = seen.new_empty(samples, *geometry.output_size, width, channels)
    total = seen.new_zeros(*rows, width * channels)
    for some, delta in zip(seen.split(samples), deltas.split(samples), strict=True):
        out = products[: len(some)]
        for row in itertools.product(*map(range, rows)):
            torch.mul(some[(..., *row, slice(None), slice(None))], delta, out=out)
            total[row] += out.view(-1, width * channels).sum(0)
    return total.view(*rows, width, 1, channels).movedim(-1, 0).movedim(-1, 1)
