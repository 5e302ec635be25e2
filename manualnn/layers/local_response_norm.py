"""Local response normalisation: every value is divided by what its neighbour channels do.

Forward, with a window of k channels around each one, k // 2 below and (k - 1) // 2 above it, and
zeros where there is no channel; per sample and pixel, W being the sum over the window::

    s_c = kappa + alpha / k sum_{c' in window of c} x_c'^2        s = kappa + alpha / k W x^2
    y_c = x_c s_c^(-beta)

x_c reaches L through y_c, and through s of every channel in whose window it is, which W^T sums
over: the window turned round, (k - 1) // 2 below and k // 2 above. With delta = dL/dy and
dy_c/ds_c = -beta x_c s_c^(-beta - 1)::

    dL/ds = -beta delta x s^(-beta - 1)
    dL/dx = delta s^(-beta) + 2 alpha / k x W^T dL/ds

Forward mode, the same with the Jacobian's rows and columns exchanged::

    ds = 2 alpha / k W (x dx)
    dy = dx s^(-beta) - beta x s^(-beta - 1) ds

W and W^T are a linear map and its adjoint (linear_map.py), for odd k one and the same. s is found
again from x where it is needed; nothing but x is kept.

Shapes: x, y, s and delta (R, C, ...).
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_float32, led_nowhere
from manualnn.layers.linear_map import linear_map


@dataclass(frozen=True)
class Window:
    """How many channels below and above its own a window reaches."""

    below: int
    above: int


@dataclass(frozen=True)
class Response:
    """The options: k (``size``), alpha, beta and kappa (torch's ``k``)."""

    size: int
    alpha: float
    beta: float
    kappa: float


def window_sum(input: Tensor, window: Window) -> Tensor:
    """W x, the sum over each channel's window: (R, C, ...) -> (R, C, ...)."""
    pixel_axes = input.dim() - 2
    margins = (0, 0) * pixel_axes + (window.below, window.above)
    padded = torch.nn.functional.pad(input, margins)
    return padded.unfold(1, window.below + 1 + window.above, 1).sum(-1)


def window_sum_adjoint(grad_output: Tensor, window: Window) -> Tensor:
    """W^T delta, the sum over the windows that a channel is in: (R, C, ...) -> (R, C, ...)."""
    return window_sum(grad_output, Window(below=window.above, above=window.below))


WindowSumFunction, WindowSumAdjointFunction = linear_map(
    "WindowSum", window_sum, window_sum_adjoint
)


def response(squares: Tensor, options: Response) -> Tensor:
    """s = kappa + alpha / k W x^2, from x^2: (R, C, ...) -> (R, C, ...)."""
    sums = apply(WindowSumFunction, squares, window_of(options))
    return options.kappa + options.alpha / options.size * sums


def window_of(options: Response) -> Window:
    """The window of k channels; below reaches further where k is even."""
    return Window(below=options.size // 2, above=(options.size - 1) // 2)


class LocalResponseNormFunction(Function):
    """y = x s^(-beta)."""

    @staticmethod
    def forward(input: Tensor, options: Response) -> Tensor:
        return input / response(input * input, options) ** options.beta

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Response], output: Tensor) -> None:
        input, ctx.options = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (input,) = ctx.saved_tensors
        options = ctx.options
        s = response(input * input, options)
        scaled = grad_output / s**options.beta
        grad_s = -options.beta * scaled * input / s
        spread = apply(WindowSumAdjointFunction, grad_s, window_of(options))
        return scaled + 2 * options.alpha / options.size * input * spread, None

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, _: None) -> Tensor:
        (input,) = ctx.saved_tensors
        options = ctx.options
        s = response(input * input, options)
        sums = apply(WindowSumFunction, input * d_input, window_of(options))
        d_s = 2 * options.alpha / options.size * sums
        return (d_input - options.beta * input * d_s / s) / s**options.beta


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """:func:`torch.nn.functional.local_response_norm` with a backward pass by hand.

    Args:
        input: (R, C, ...), with at least one axis of pixels.
        size: of the window, in channels, at least 1.
        alpha: the weight of the window's mean square.
        beta: the exponent.
        k: what is added to the weighted mean square.

    Returns:
        y, of the input's shape.

    Raises:
        ValueError: if the input has fewer than three axes.
        RuntimeError: if the window is empty.
        TypeError: if its size is not whole.
        NotImplementedError: if the input is complex.
    """
    if input.dim() < 3:
        raise ValueError(f"expected an input (R, C, ...), but got {tuple(input.shape)}")
    if index(size) < 1:
        raise RuntimeError(f"size must be at least 1, but got {size}")
    # as torch, whose average over planes is float32 on the CPU too, that over lines is not
    devices = ("cuda",) if input.dim() == 3 else ("cpu", "cuda")
    (input,) = autocast_float32(input, devices=devices)
    return apply(LocalResponseNormFunction, input, Response(size, alpha, beta, k))


class LocalResponseNorm(nn.LocalResponseNorm):
    """:class:`torch.nn.LocalResponseNorm` with a backward pass by hand, over (R, C, ...).

    >>> LocalResponseNorm(5)(torch.randn(2, 8, 16, 16)).shape
    torch.Size([2, 8, 16, 16])
    """

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """y = x s^(-beta), the input's shape."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)
