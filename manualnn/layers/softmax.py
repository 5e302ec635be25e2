"""Softmax and its logarithm: from any numbers to probabilities.

Forward, along one axis (the report uses it at the end of its networks, without an equation)::

    softmax:      p_i = exp(x_i) / sum_j exp(x_j)
    log-softmax:  y_i = x_i - log sum_j exp(x_j)

Every x_j reaches every output through the sum. With dp_i/dx_j = p_i ([i = j] - p_j) and
dy_i/dx_j = [i = j] - p_j, the chain rule over all i (Eq. 22-24) gives, for delta = dL/dp or
dL/dy::

    softmax:      dL/dx_j = p_j (delta_j - sum_i delta_i p_i)
    log-softmax:  dL/dx_j = delta_j - p_j sum_i delta_i,             p = exp(y)

The forward mode is the same with rows and columns of the Jacobian exchanged. Softmax's Jacobian is
symmetric, so it needs no second formula; log-softmax has dy_i = dx_i - sum_j p_j dx_j.

p and y are themselves the outputs of the Functions, so higher orders follow from these products.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_float32, is_unwatched, led_nowhere
from manualnn.backend import formula


@formula
def softmax_grad_input(grad_output: Tensor, probabilities: Tensor, dim: int) -> Tensor:
    """p (delta - sum delta p), any shape, the sum along ``dim``."""
    total = (grad_output * probabilities).sum(dim, keepdim=True)
    return probabilities * (grad_output - total)


@formula
def log_softmax_grad_input(grad_output: Tensor, output: Tensor, dim: int) -> Tensor:
    """delta - p sum delta, p = exp(y), any shape, the sum along ``dim``."""
    p, total = output.exp(), grad_output.sum(dim, keepdim=True)
    return p.mul_(-total).add_(grad_output) if is_unwatched() else grad_output - p * total


def log_softmax_tangent(d_input: Tensor, output: Tensor, dim: int) -> Tensor:
    """dx - sum p dx, p = exp(y), any shape, the sum along ``dim``."""
    return d_input - (output.exp() * d_input).sum(dim, keepdim=True)


class SoftmaxFunction(Function):
    """p = exp(x) / sum exp(x)."""

    @staticmethod
    def forward(input: Tensor, dim: int) -> Tensor:
        return input.softmax(dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.dim = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (probabilities,) = ctx.saved_tensors
        return softmax_grad_input(grad_output, probabilities, ctx.dim), None

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, _: None) -> Tensor:
        (probabilities,) = ctx.saved_tensors
        return softmax_grad_input(d_input, probabilities, ctx.dim)


class LogSoftmaxFunction(Function):
    """y = x - log sum exp(x)."""

    @staticmethod
    def forward(input: Tensor, dim: int) -> Tensor:
        return input.log_softmax(dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.dim = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (output,) = ctx.saved_tensors
        return log_softmax_grad_input(grad_output, output, ctx.dim), None

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, _: None) -> Tensor:
        (output,) = ctx.saved_tensors
        return log_softmax_tangent(d_input, output, ctx.dim)


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """p_i = exp(x_i) / sum_j exp(x_j) along one axis.

    Args:
        input: any shape.
        dim: the axis whose values become probabilities; None (deprecated) chooses 0 for inputs of
            0, 1 or 3 dimensions and 1 for others, and warns.
        dtype: cast the input to this first.

    Raises:
        IndexError: if the axis does not exist.
        NotImplementedError: if the numbers are not floating-point ones.
    """
    return _along(SoftmaxFunction, input, dim, _stacklevel, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """y_i = x_i - log sum_j exp(x_j) along one axis; arguments as for :func:`softmax`."""
    return _along(LogSoftmaxFunction, input, dim, _stacklevel, dtype)


def _along(
    function: type[Function],
    input: Tensor,
    dim: int | None,
    stacklevel: int,
    dtype: torch.dtype | None,
) -> Tensor:
    if dim is None:
        dim = 0 if input.dim() in (0, 1, 3) else 1
        warnings.warn(
            f"dim was not given; chose dim={dim} for an input of {input.dim()} dimensions, as "
            "torch does, which is deprecated: name the axis",
            stacklevel=stacklevel,
        )
    (input,) = autocast_float32(input, devices=("cuda",))
    input = input if dtype is None else input.to(dtype)
    if not input.is_floating_point():
        raise NotImplementedError(f"expected floating-point numbers, but got {input.dtype}")
    return apply(function, input, dim)


class Softmax(nn.Softmax):
    """:class:`torch.nn.Softmax` with a backward pass by hand: any shape, along ``dim``."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """Probabilities, the input's shape."""
        return softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(nn.LogSoftmax):
    """:class:`torch.nn.LogSoftmax` with a backward pass by hand: any shape, along ``dim``."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """Logarithms of probabilities, the input's shape."""
        return log_softmax(input, self.dim, _stacklevel=5)
