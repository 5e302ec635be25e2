"""Fully connected layer (report, section 4.1).

Forward, Eq. 6-7, with the rows of X as samples and W stored as torch.nn stores it (out x in)::

    Y[r, o] = sum_i X[r, i] W[o, i] + b[o]                          Y = X W^T + b

Let delta = dL/dY. X[r, i] reaches every Y[r, o] through W[o, i], and W[o, i] reaches Y[r, o] of
every row r through X[r, i], so the chain rule (Eq. 22-29) gives::

    dL/dX[r, i] = sum_o delta[r, o] W[o, i]                         dL/dX = delta W      (Eq. 31)
    dL/dW[o, i] = sum_r delta[r, o] X[r, i]                         dL/dW = delta^T X    (Eq. 32)
    dL/db[o]    = sum_r delta[r, o]                                                      (Eq. 33)

Each gradient is again a product of two matrices, so the backward pass calls the same Function, and
the layer is closed under differentiation: second and higher orders need no new formula.

Corrected: Eq. 31 prints W^(l+1) where the layer's own W^(l) belongs; Eq. 33 forgets the sum over
the rows r of a batch.

Shapes: X (..., in), W (out, in), b (out), Y and delta (..., out).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_lower, led_nowhere


def linear_grad_input(grad_output: Tensor, weight: Tensor) -> Tensor:
    """dL/dX = delta W (Eq. 31): (..., out) -> (..., in)."""
    return linear(grad_output, weight.t())


def linear_grad_weight(input: Tensor, grad_output: Tensor) -> Tensor:
    """dL/dW = delta^T X (Eq. 32), summed over all leading dimensions: (out, in)."""
    return linear(rows(grad_output).t(), rows(input).t())


def linear_grad_bias(grad_output: Tensor) -> Tensor:
    """dL/db = sum_r delta[r] (Eq. 33), over all leading dimensions: (out,)."""
    return rows(grad_output).sum(0)


def rows(samples: Tensor) -> Tensor:
    """One sample a row: (..., n) -> (R, n), with R the product of the leading dimensions."""
    return samples.reshape(math.prod(samples.shape[:-1]), samples.shape[-1])


class LinearFunction(Function):
    """Y = X W^T + b, Eq. 7."""

    @staticmethod
    def forward(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        output = torch.nn.functional.linear(input, weight, bias)
        return torch.ops.aten._unsafe_view(output, output.shape)  # torch 2.14's may be a view

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor
    ) -> None:
        input, weight, _ = inputs
        needs_input, needs_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(input if needs_weight else None, weight if needs_input else None)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        needs_input, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            linear_grad_input(grad_output, weight) if needs_input else None,
            linear_grad_weight(input, grad_output) if needs_weight else None,
            linear_grad_bias(grad_output) if needs_bias else None,
        )

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, d_weight: Tensor, d_bias: Tensor | None) -> Tensor:
        input, weight = ctx.saved_tensors
        return linear(d_input, weight) + linear(input, d_weight, d_bias)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """:func:`torch.nn.functional.linear` with the report's backward pass (Eq. 7, 31-33).

    Args:
        input: (..., in).
        weight: (out, in); or (in), for an output without an axis of its own.
        bias: (out), or None.

    Returns:
        Y = X W^T + b, (..., out).

    Raises:
        RuntimeError: if shapes or dtypes do not fit each other.
    """
    if weight.dim() not in (1, 2) or input.shape[-1:] != weight.shape[-1:]:
        raise RuntimeError(
            "expected an input (..., in) and a weight (out, in) or (in), but got "
            f"{tuple(input.shape)} and {tuple(weight.shape)}"
        )
    if weight.dim() == 1:
        return linear(input, weight.unsqueeze(0), bias).squeeze(-1)
    if bias is not None and (bias.dim() > 1 or bias.numel() not in (1, weight.shape[0])):
        raise RuntimeError(f"expected a bias ({weight.shape[0]},), but got {tuple(bias.shape)}")
    return apply(LinearFunction, *autocast_lower(input, weight, bias))


class Linear(nn.Linear):
    """:class:`torch.nn.Linear` with the report's backward pass: (..., in) -> (..., out).

    Same arguments, initialisation, state_dict and errors as its twin. Source: Eq. 7 and 31-33.

    >>> Linear(3, 4)(torch.randn(5, 3)).shape
    torch.Size([5, 4])
    """

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """Y of Eq. 7."""
        return linear(input, self.weight, self.bias)
