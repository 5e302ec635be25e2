"""PReLU: a leaky ReLU that learns its slope, one for all or one for each channel.

Forward, for an input X (R, C, ...) and a weight w (C), or (1) that serves all channels::

    y[r, c, i] = x         for x = X[r, c, i] > 0
                 w[c] x    elsewhere

Each y depends on its own x and on its channel's slope. With delta = dL/dy::

    dL/dx    = delta            for x > 0,    w[c] delta    elsewhere
    dL/dw[c] = sum over r, i of     0    for x > 0,    delta x    elsewhere

as dy/dw = x on the lower piece and 0 on the upper one. A slope that serves all channels has the
sum over c as well. A tangent of x or of w is carried on by the same slopes::

    dy = dx  for x > 0,    w[c] dx + x dw[c]  elsewhere

The weight is laid along the channels before it meets the input, (C) -> (1, C, 1, ...), so that one
formula with broadcasting is that of every shape.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_lower, led_nowhere


def prelu_grad_input(grad_output: Tensor, input: Tensor, weight: Tensor) -> Tensor:
    """dL/dx = delta where x > 0, else w delta; x (R, C, ...), w (1, C, 1, ...)."""
    return torch.where(input > 0, grad_output, weight * grad_output)


def prelu_grad_weight(grad_output: Tensor, input: Tensor, weight: Tensor) -> Tensor:
    """dL/dw = sum of delta x over all x <= 0 that share a slope: (1, C, 1, ...)."""
    return torch.where(input > 0, 0, grad_output * input).sum_to_size(weight.shape)


def prelu_tangent(d_input: Tensor, d_weight: Tensor, input: Tensor, weight: Tensor) -> Tensor:
    """dy = dx where x > 0, else w dx + x dw: (R, C, ...)."""
    return torch.where(input > 0, d_input, weight * d_input + input * d_weight)


class PReLUFunction(Function):
    """y = x where x > 0, else w x."""

    @staticmethod
    def forward(input: Tensor, weight: Tensor) -> Tensor:
        return torch.prelu(input, weight.flatten())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None]:
        input, weight = ctx.saved_tensors
        needs_input, needs_weight = ctx.needs_input_grad
        return (
            prelu_grad_input(grad_output, input, weight) if needs_input else None,
            prelu_grad_weight(grad_output, input, weight) if needs_weight else None,
        )

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, d_weight: Tensor) -> Tensor:
        return prelu_tangent(d_input, d_weight, *ctx.saved_tensors)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, w x elsewhere.

    Args:
        input: (R, C, ...); with one slope any shape.
        weight: (C), or (1) or () for one slope.

    Returns:
        The input's shape.

    Raises:
        RuntimeError: if the weight has neither one slope nor one for each channel, or another
            dtype than the input.
    """
    channels = input.shape[1] if input.dim() > 1 else 1
    if weight.dim() > 1 or weight.numel() not in (1, channels):
        raise RuntimeError(
            f"expected a weight (1,) or, with one slope a channel, ({channels},) for an input "
            f"{tuple(input.shape)}, but got {tuple(weight.shape)}"
        )
    input, weight = autocast_lower(input, weight)
    along = [weight.numel() if axis == 1 else 1 for axis in range(input.dim())]
    return apply(PReLUFunction, input, weight.reshape(along))


class PReLU(nn.PReLU):
    """:class:`torch.nn.PReLU` with a backward pass by hand: (R, C, ...) -> (R, C, ...)."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """x where x > 0, elsewhere x times the slope of its channel."""
        return prelu(input, self.weight)
