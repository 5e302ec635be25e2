"""Unit length: every vector divided by its own length.

Forward, for a vector x along one axis, with |x|^2 = sum_i x_i^2::

    y = x / n,      n = max(|x|, eps),      so |y| = 1 unless x is nearly 0

With dn/dx_j = x_j / |x| = y_j (0 where eps takes over) and delta = dL/dy, the chain rule over all
y_i = x_i / n (Eq. 22-24) gives::

    dL/dx_j = (delta_j - y_j sum_i delta_i y_i) / n,        delta_j / eps where eps takes over

A change along x leaves y as it is, so delta loses its part along y: what remains is tangent to the
sphere. The Jacobian (1 - y y^T) / n is symmetric; the forward mode is the same formula with dx in
place of delta. 1 / n is recomputed from x by plain operations, so higher orders follow.

Shapes: x, y and delta all the same; n has size 1 along the axis.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from manualnn.autograd import Function, apply
from manualnn.layers.normalisation import at_least_float32


def inverse_length(input: Tensor, dim: int, eps: float) -> Tensor:
    """1 / n = 1 / max(|x|, eps), of size 1 along ``dim``."""
    return (input * input).sum(dim, keepdim=True).clamp_min(eps * eps).rsqrt()


def normalize_grad_input(grad_output: Tensor, input: Tensor, dim: int, eps: float) -> Tensor:
    """(delta - y sum delta y) / n, any shape, the sum along ``dim``; delta / eps below eps."""
    inverse = inverse_length(input, dim, eps)
    output = input * inverse
    along = (grad_output * output).sum(dim, keepdim=True)
    tangent = grad_output - torch.where(inverse * eps < 1, along, 0) * output
    return tangent * inverse


class NormalizeFunction(Function):
    """y = x / max(|x|, eps)."""

    @staticmethod
    def forward(input: Tensor, dim: int, eps: float) -> Tensor:
        wide = at_least_float32(input)
        return (wide * inverse_length(wide, dim, eps)).to(input.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, ctx.dim, ctx.eps = inputs
        ctx.save_for_backward(input)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (input,) = ctx.saved_tensors
        wide = at_least_float32(input)
        grad_input = normalize_grad_input(grad_output, wide, ctx.dim, ctx.eps)
        return grad_input.to(input.dtype), None, None

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, *_: None) -> Tensor:
        (input,) = ctx.saved_tensors
        wide = at_least_float32(input)
        return normalize_grad_input(d_input, wide, ctx.dim, ctx.eps).to(input.dtype)


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """:func:`torch.nn.functional.normalize`, derived by hand for Euclid's length (p = 2).

    Args:
        input: x, any shape with at least one axis.
        p: which length; 2 only.
        dim: the axis along which the vectors lie.
        eps: the length by which a shorter vector is divided.
        out: None only: what is written into has no gradient.

    Returns:
        y, the input's shape and dtype.

    Raises:
        NotImplementedError: if p is not 2, out is given, or the input does not hold floating-point
            numbers.
        IndexError: if the axis does not exist.
    """
    if p != 2 or out is not None:
        raise NotImplementedError(f"only p = 2 is derived, without out, but got p = {p}")
    if not input.is_floating_point():
        raise NotImplementedError(f"expected floating-point numbers, but got {input.dtype}")
    return apply(NormalizeFunction, input, dim, float(eps))
