"""Resizing a plane: nearest neighbour, linear and cubic interpolation, with or without antialias.

Every axis is resized by itself, from H to H'. The centre of output i lies at x[i] in the input::

    x[i] = H / H' (i + 1/2) - 1/2               the planes' outer edges meet
    x[i] = (H - 1) / (H' - 1) i                 align_corners: the outer centres meet

with 1 / scale_factor for H / H' if that was given. Interpolation weighs the places around x[i] by a
kernel f of their distance, which is zero from r on::

    Y[i] = sum_j f(j - x[i]) X[j],              |j - x[i]| < r
    linear    f(t) = 1 - |t|                                                        r = 1
    cubic     f(t) = (a + 2) |t|^3 - (a + 3) |t|^2 + 1          up to |t| = 1,      r = 2
                   = a (|t|^3 - 5 |t|^2 + 8 |t| - 4)            beyond,             a = -3/4
    lanczos   f(t) = sinc(t) sinc(t / 3)                                            r = 3

A place j outside of X stands for the nearest one inside; linear interpolation moves x to it first.

Antialiasing stretches the kernel over all that becomes one pixel, by q = max(1, H / H'), and keeps
to places inside of X, whose weights it makes add up to one; its cubic kernel has a = -1/2::

    Y[i] = sum_j f((j - x[i]) / q) X[j] / sum_j f((j - x[i]) / q),      |j - x[i]| < q r

Nearest copies one X[j], and area is adaptive average pooling (average_pooling.py).

In every mode Y is a linear map of X, whose adjoint hands delta = dL/dY back to the places that it
came from, with the same weights (taps.py)::

    dL/dX[j] = sum_i f(j - x[i]) delta[i]

The report has no resizing; the coordinates are those of torch.nn.

Shapes: X (R, C, H, W), Y and delta (R, C, H', W'); one or three axes in place of H, W.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from manualnn.autograd import apply, autocast_float32
from manualnn.layers.average_pooling import equal_parts
from manualnn.layers.geometry import Size
from manualnn.layers.linear_map import linear_map
from manualnn.layers.taps import Taps, precise, taps_grad_input

Scale: TypeAlias = "float | Sequence[float]"


@dataclass(frozen=True)
class Resizing:
    """The size of X, and the options of :func:`interpolate` as they were given."""

    input_size: tuple[int, ...]
    size: int | tuple[int, ...] | None
    scale_factor: float | tuple[float, ...] | None
    mode: str
    align_corners: bool | None
    recompute_scale_factor: bool | None
    antialias: bool

    def steps(self, output_size: Sequence[int]) -> list[float]:
        """What a step of one in Y is in X, axis by axis: H / H', or 1 / scale_factor."""
        scale, sizes = self.scale_factor, zip(self.input_size, output_size, strict=True)
        if self.align_corners:
            return [(h - 1) / (h_out - 1) if h_out > 1 else 0.0 for h, h_out in sizes]
        if scale is None or self.recompute_scale_factor:
            return [h / h_out for h, h_out in sizes]
        return [1 / s for s in (scale if isinstance(scale, tuple) else [scale] * len(output_size))]


def linear_kernel(distance: Tensor) -> Tensor:
    """f(t) = 1 - |t|."""
    return 1 - distance.abs()


def cubic_kernel(distance: Tensor, a: float) -> Tensor:
    """f(t) = (a + 2) |t|^3 - (a + 3) |t|^2 + 1 up to 1, a (|t|^3 - 5 |t|^2 + 8 |t| - 4) beyond."""
    t = distance.abs()
    return torch.where(t <= 1, ((a + 2) * t - (a + 3)) * t * t + 1, a * (((t - 5) * t + 8) * t - 4))


def lanczos_kernel(distance: Tensor) -> Tensor:
    """f(t) = sinc(t) sinc(t / 3)."""
    return torch.sinc(distance) * torch.sinc(distance / 3)


# mode: f and r
KERNELS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "linear": (linear_kernel, 1),
    "bilinear": (linear_kernel, 1),
    "trilinear": (linear_kernel, 1),
    "bicubic": (lambda distance: cubic_kernel(distance, -0.75), 2),
    "antialiased bilinear": (linear_kernel, 1),
    "antialiased bicubic": (lambda distance: cubic_kernel(distance, -0.5), 2),
    "antialiased lanczos": (lanczos_kernel, 3),
}


def resize_forward(input: Tensor, resizing: Resizing) -> Tensor:
    """Y[i] = sum_j f(j - x[i]) X[j] along every axis: (R, C, H, W) -> (R, C, H', W')."""
    return nn.functional.interpolate(
        input,
        resizing.size,
        resizing.scale_factor,
        resizing.mode,
        resizing.align_corners,
        resizing.recompute_scale_factor,
        antialias=resizing.antialias,
    )


def resize_grad_input(grad_output: Tensor, resizing: Resizing) -> Tensor:
    """dL/dX[j] = sum_i f(j - x[i]) delta[i]: (R, C, H', W') -> (R, C, H, W)."""
    output_size = grad_output.shape[2:]
    each = zip(resizing.input_size, output_size, resizing.steps(output_size), strict=True)
    return taps_grad_input(grad_output, [_taps(*axis, resizing, grad_output) for axis in each])


def _taps(size: int, outputs: int, step: float, resizing: Resizing, like: Tensor) -> Taps:
    """Which places along an axis each output is made of."""
    if resizing.mode == "area":
        return equal_parts(size, outputs, like)
    if resizing.mode in ("nearest", "nearest-exact"):
        return nearest(size, outputs, step, resizing, like)
    i = torch.arange(outputs, dtype=precise(like.dtype), device=like.device)
    if resizing.antialias:
        kernel = KERNELS[f"antialiased {resizing.mode}"]
        return antialiased(size, step * (i + 0.5) - 0.5, step, *kernel)
    centres = step * i if resizing.align_corners else step * (i + 0.5) - 0.5
    if resizing.mode != "bicubic":
        centres = i if size == outputs else centres.clamp(min=0)
    return interpolated(size, centres, *KERNELS[resizing.mode])


def interpolated(
    size: int, centres: Tensor, kernel: Callable[[Tensor], Tensor], reach: int
) -> Taps:
    """The places within r of x[i], with the weights f(j - x[i]): (H',) -> (H', 2 r)."""
    around = torch.arange(1 - reach, 1 + reach, device=centres.device)
    places = centres.floor().unsqueeze(1) + around
    weights = kernel(places - centres.unsqueeze(1))
    return Taps(size, places.long().clamp(0, size - 1), weights)


def antialiased(
    size: int, centres: Tensor, step: float, kernel: Callable[[Tensor], Tensor], reach: int
) -> Taps:
    """The places in X within q r of x[i], with f((j - x[i]) / q) made to add up to one."""
    stretch = max(1.0, step)
    radius = reach * stretch
    first = (centres - radius + 1).floor().clamp(min=0)  # (H',)
    last = (centres + radius + 1).floor().clamp(max=size) - 1
    places = first.unsqueeze(1) + torch.arange(2 * math.ceil(radius) + 1, device=centres.device)
    weights = kernel((places - centres.unsqueeze(1)) / stretch)
    beyond = places > last.unsqueeze(1)
    weights = weights.masked_fill(beyond, 0)
    weights = weights / weights.sum(1, keepdim=True)
    return Taps(size, places.long().masked_fill(beyond, size), weights)


def nearest(size: int, outputs: int, step: float, resizing: Resizing, like: Tensor) -> Taps:
    """The one place that each output copies, found by copying the places themselves: (H', 1)."""
    places = torch.arange(size, dtype=torch.float64, device=like.device)
    given = resizing.scale_factor is not None and not resizing.recompute_scale_factor
    copied = nn.functional.interpolate(
        places[None, None],
        None if given else outputs,
        1 / step if given else None,
        resizing.mode,
    )
    weights = torch.ones(outputs, 1, dtype=precise(like.dtype), device=like.device)
    return Taps(size, copied.reshape(outputs, 1).long(), weights)


ResizeFunction, ResizeAdjointFunction = linear_map("Resize", resize_forward, resize_grad_input)


def interpolate(
    input: Tensor,
    size: Size | None = None,
    scale_factor: Scale | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """:func:`torch.nn.functional.interpolate` with a hand-derived backward pass.

    Args:
        input: (R, C, W), (R, C, H, W) or (R, C, D, H, W).
        size: H' and W', or one number for all axes.
        scale_factor: in place of the size: H' = floor(scale_factor H); one number or one per axis.
        mode: "nearest", "nearest-exact", "area", "linear" (one axis), "bilinear", "bicubic" (two)
            or "trilinear" (three).
        align_corners: x[i] by the outer centres; only where f is linear or cubic.
        recompute_scale_factor: x[i] by H / H' though a scale_factor was given.
        antialias: stretch f by q; "bilinear" and "bicubic" only.

    Returns:
        Y (R, C, H', W').

    Raises:
        ValueError: if the options do not fit the input or each other.
        NotImplementedError: if there is no such mode for the input's axes.
    """
    resizing = Resizing(
        tuple(input.shape[2:]),
        tuple(size) if isinstance(size, Sequence) else size,
        tuple(scale_factor) if isinstance(scale_factor, Sequence) else scale_factor,
        mode,
        align_corners,
        recompute_scale_factor,
        antialias,
    )
    if mode == "area":  # as torch's autocast has it
        input = autocast_float32(input, devices=("cpu",))[0] if input.dim() == 5 else input
    elif mode != "lanczos":
        (input,) = autocast_float32(input, devices=("cuda",))
    return apply(ResizeFunction, input, resizing)


class Upsample(nn.Upsample):
    """:class:`torch.nn.Upsample` with a hand-derived backward pass: (R, C, H, W) -> (R, C, H', W').

    Same arguments and errors as its twin.

    >>> Upsample(scale_factor=2, mode="bilinear")(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 3, 16, 16])
    """

    def forward(self, input: Tensor) -> Tensor:
        options = (self.size, self.scale_factor, self.mode, self.align_corners)
        return interpolate(input, *options, self.recompute_scale_factor)


class UpsamplingNearest2d(Upsample, nn.UpsamplingNearest2d):
    """:class:`torch.nn.UpsamplingNearest2d`: :class:`Upsample` with ``mode="nearest"``."""


class UpsamplingBilinear2d(Upsample, nn.UpsamplingBilinear2d):
    """:class:`torch.nn.UpsamplingBilinear2d`: bilinear, with ``align_corners=True``."""
