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

Nearest copies one place, and area is adaptive average pooling (average_pooling.py)::

    nearest         Y[i] = X[floor(H / H' i)]
    nearest-exact   Y[i] = X[floor(H / H' (i + 1/2))]

In every mode Y is a linear map of X, whose adjoint hands delta = dL/dY back to the places that it
came from, with the same weights (taps.py)::

    dL/dX[j] = sum_i f(j - x[i]) delta[i]

The report has no resizing; the coordinates are those of torch.nn.

Shapes: X (R, C, H, W), Y and delta (R, C, H', W'); one or three axes in place of H, W.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from manualnn.autograd import apply, autocast_float32, led_nowhere
from manualnn.layers.average_pooling import equal_parts
from manualnn.layers.geometry import Size
from manualnn.layers.linear_map import linear_map
from manualnn.layers.taps import Taps, precise, taps_grad_input

Kernel: TypeAlias = "Callable[[Tensor], Tensor]"
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

    def step(self, axis: int, outputs: int) -> float:
        """What a step of one in Y is in X, along an axis: H / H', or 1 / scale_factor."""
        size, scale = self.input_size[axis], self.scale_factor
        if self.align_corners:
            return (size - 1) / (outputs - 1) if outputs > 1 else 0.0
        if scale is None or self.recompute_scale_factor:
            return size / outputs
        return 1 / (scale[axis] if isinstance(scale, tuple) else scale)

    def is_whole(self) -> bool:
        """Whether what was given as scale_factor, if it was, are whole numbers."""
        given = self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor,)
        return all(scale is None or float(scale) % 1 == 0 for scale in given)

    def transposed(self) -> Resizing:
        """The same for planes whose rows are the columns of these."""
        size = self.size[::-1] if isinstance(self.size, tuple) else self.size
        scale = self.scale_factor
        scale = scale[::-1] if isinstance(scale, tuple) else scale
        return replace(self, input_size=self.input_size[::-1], size=size, scale_factor=scale)

    def copies(self, output_size: Sequence[int]) -> bool:
        """Whether x[i] = i along every axis."""
        return self.input_size == tuple(output_size) and all(
            size == 1 or self.step(axis, size) == 1 for axis, size in enumerate(output_size)
        )


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


NEAREST = ("nearest", "nearest-exact")
# f and r
LINEAR: tuple[Kernel, int] = linear_kernel, 1
CUBIC: tuple[Kernel, int] = partial(cubic_kernel, a=-0.75), 2
ANTIALIASED: dict[str, tuple[Kernel, int]] = {
    "bilinear": LINEAR,
    "bicubic": (partial(cubic_kernel, a=-0.5), 2),
    "lanczos": (lanczos_kernel, 3),
}


def resize_forward(input: Tensor, resizing: Resizing) -> Tensor:
    """Y[i] = sum_j f(j - x[i]) X[j] along every axis: (R, C, H, W) -> (R, C, H', W')."""
    if resizing.mode in NEAREST and (input.dtype == torch.float64 or not resizing.is_whole()):
        input = input.contiguous()  # torch rounds x[i] in a way of its own for channels_last
    output = nn.functional.interpolate(
        input,
        resizing.size,
        resizing.scale_factor,
        resizing.mode,
        resizing.align_corners,
        resizing.recompute_scale_factor,
        antialias=resizing.antialias,
    )
    if resizing.antialias and output.shape[2] > 1 == output.shape[3]:
        # torch 2.15 gives every place of a column the value of the first; a row it resizes well
        output = resize_forward(input.transpose(2, 3), resizing.transposed())
        return output.transpose(2, 3).clone()
    if resizing.mode == "area" and input.dim() == 3:
        return output.clone()  # a view, which autograd would not let anybody change in place
    return output


def resize_grad_input(grad_output: Tensor, resizing: Resizing) -> Tensor:
    """dL/dX[j] = sum_i f(j - x[i]) delta[i]: (R, C, H', W') -> (R, C, H, W)."""
    output_size = grad_output.shape[2:]
    if resizing.mode == "bicubic" and not resizing.antialias and resizing.copies(output_size):
        return grad_output.clone()  # as torch does, before 0 * inf makes nan of its neighbours
    axes = range(len(output_size))
    return taps_grad_input(grad_output, [_taps(grad_output, resizing, axis) for axis in axes])


def _taps(grad_output: Tensor, resizing: Resizing, axis: int) -> Taps:
    """Which places along an axis each output is made of."""
    size, outputs = resizing.input_size[axis], grad_output.shape[2 + axis]
    if resizing.mode == "area":
        return equal_parts(size, outputs, grad_output)
    if resizing.mode in NEAREST:
        return nearest(grad_output, resizing, axis)
    step = resizing.step(axis, outputs)
    i = torch.arange(outputs, dtype=precise(grad_output.dtype), device=grad_output.device)
    if resizing.antialias:
        return antialiased(size, step * (i + 0.5), step, *ANTIALIASED[resizing.mode])
    centres = step * i if resizing.align_corners else step * (i + 0.5) - 0.5
    if resizing.mode == "bicubic":
        return interpolated(size, centres, *CUBIC)
    if size == outputs:
        return unmoved(i)
    return interpolated(size, centres.clamp(min=0), *LINEAR)


def nearest(grad_output: Tensor, resizing: Resizing, axis: int) -> Taps:
    """The one place that each output copies, found by resizing the places themselves: (H', 1)."""
    size, outputs = resizing.input_size, grad_output.shape[2 + axis]
    places = torch.arange(
        size[axis], dtype=precise(grad_output.dtype), device=grad_output.device
    ).reshape(-1, *(1,) * (len(size) - 1 - axis))  # (H, 1)
    copied = resize_forward(places.expand(1, 1, *size), resizing)  # (1, 1, H', W')
    copied = copied.movedim(2 + axis, 0).reshape(outputs, -1).narrow(1, 0, 1)
    return Taps(size[axis], copied.long(), None)


def unmoved(places: Tensor) -> Taps:
    """Linear interpolation where x[i] = i: torch takes 1 X[i] + 0 X[i]: (H',) -> (H', 2)."""
    size = len(places)
    weights = (1 - torch.arange(2, device=places.device)).to(places.dtype).expand(size, 2)
    return Taps(size, places.long().unsqueeze(1).expand(size, 2), weights)


def interpolated(size: int, centres: Tensor, kernel: Kernel, reach: int) -> Taps:
    """The places within r of x[i], with the weights f(j - x[i]): (H',) -> (H', 2 r)."""
    around = torch.arange(1 - reach, 1 + reach, device=centres.device)
    places = centres.floor().unsqueeze(1) + around
    weights = kernel(places - centres.unsqueeze(1))
    return Taps(size, places.long().clamp(0, size - 1), weights)


def antialiased(size: int, centres: Tensor, step: float, kernel: Kernel, reach: int) -> Taps:
    """The places in X within q r of x[i], with f((j - x[i]) / q) made to add up to one.

    Here x[i] is counted from the outer edge of X, which puts the centre of place j at j + 1/2.
    """
    stretch = max(1.0, step)
    radius = reach * stretch
    first = (centres - radius + 0.5).floor().clamp(min=0)  # (H',)
    stop = (centres + radius + 0.5).floor().clamp(max=size)
    onwards = torch.arange(2 * math.ceil(radius) + 1, device=centres.device)
    places = first.unsqueeze(1) + onwards  # (H', K)
    beyond = places >= stop.unsqueeze(1)
    weights = kernel((onwards + (first - centres).unsqueeze(1) + 0.5) * (1 / stretch))
    weights = weights.masked_fill(beyond, 0)
    weights = weights / weights.sum(1, keepdim=True)
    return Taps(size, places.long().masked_fill(beyond, size), weights)


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
        mode: "nearest", "nearest-exact", "area", "linear" (one axis), "bilinear", "bicubic",
            "lanczos" (two) or "trilinear" (three).
        align_corners: x[i] by the outer centres; only where f is linear or cubic.
        recompute_scale_factor: x[i] by H / H' though a scale_factor was given.
        antialias: stretch f by q; "bilinear", "bicubic" and "lanczos" only; "lanczos" needs it.

    Returns:
        Y (R, C, H', W').

    Raises:
        ValueError: if the options do not fit the input or each other.
        NotImplementedError: if there is no such mode for the input's axes.
    """
    resizing = Resizing(
        tuple(input.shape[2:]),
        _frozen(size),
        _frozen(scale_factor),
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


def _frozen(option: Any) -> Any:
    """A list made a tuple, for a frozen dataclass to hold."""
    return tuple(option) if isinstance(option, list) else option


class Upsample(nn.Upsample):
    """:class:`torch.nn.Upsample` with a hand-derived backward pass: (R, C, H, W) -> (R, C, H', W').

    Same arguments and errors as its twin.

    >>> Upsample(scale_factor=2, mode="bilinear")(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 3, 16, 16])
    """

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        options = (self.size, self.scale_factor, self.mode, self.align_corners)
        return interpolate(input, *options, self.recompute_scale_factor)


class UpsamplingNearest2d(Upsample, nn.UpsamplingNearest2d):
    """:class:`torch.nn.UpsamplingNearest2d`: :class:`Upsample` with ``mode="nearest"``."""


class UpsamplingBilinear2d(Upsample, nn.UpsamplingBilinear2d):
    """:class:`torch.nn.UpsamplingBilinear2d`: bilinear, with ``align_corners=True``."""
