"""Sums and products of tensors, as residual connections and squeeze-and-excitation write them.

Forward, element by element, after broadcasting (Y has every axis of A and of B)::

    add:  Y = A + alpha B            mul:  Y = A B

Each y depends on one a and one b, so with delta = dL/dY the chain rule (Eq. 22-24) gives, before
broadcasting is undone::

    add:  dL/dA = delta              dL/dB = alpha delta
    mul:  dL/dA = delta B            dL/dB = delta A

An element that was broadcast reaches L through all its copies, so its gradient is the sum over
them: over each axis that A (or B) lacks, or along which it has size 1.

Shapes: A and B broadcast to the shape of Y and delta. B may be a number.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from manualnn.autograd import Function, apply
from manualnn.layers.in_place import is_traced, refuse_leaf


def require_castable(input: Tensor, other: Tensor | float) -> None:
    """Refuse to write over an input what it cannot hold: floating-point numbers over whole ones.

    Raises:
        RuntimeError: if the other's numbers are of a higher kind than the input's.
    """
    if not isinstance(other, Tensor) or input.is_complex():
        return
    if other.is_complex() or (other.is_floating_point() and not input.is_floating_point()):
        raise RuntimeError(
            f"the result's numbers, of {other.dtype}, can't be cast to the input's, {input.dtype}"
        )


def sum_over_copies(grad: Tensor, shape: torch.Size) -> Tensor:
    """Sum over the axes along which a tensor of this shape was broadcast: Y's shape -> shape."""
    return grad if grad.shape == shape else grad.sum_to_size(shape)


def _shape(value: Tensor | float) -> torch.Size:
    return value.shape if isinstance(value, Tensor) else torch.Size()


def add_tangent(ctx: Any, d_input: Tensor, d_other: Tensor | None) -> Tensor:
    """dA + alpha dB, Y's shape; dB is None where B is a number."""
    shape = torch.broadcast_shapes(*ctx.shapes)
    return d_input.expand(shape) if d_other is None else d_input + ctx.alpha * d_other


class AddFunction(Function):
    """A + alpha B."""

    @staticmethod
    def forward(input: Tensor, other: Tensor | float, alpha: float) -> Tensor:
        return torch.add(input, other, alpha=alpha)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, other, ctx.alpha = inputs
        ctx.shapes = input.shape, _shape(other)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        needs_input, needs_other, _ = ctx.needs_input_grad
        input_shape, other_shape = ctx.shapes
        return (
            sum_over_copies(grad_output, input_shape) if needs_input else None,
            sum_over_copies(grad_output * ctx.alpha, other_shape) if needs_other else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, d_other: Tensor | None, _: None) -> Tensor:
        return add_tangent(ctx, d_input, d_other)


class AddInPlaceFunction(AddFunction):
    """A + alpha B, written over A."""

    @staticmethod
    def forward(input: Tensor, other: Tensor | float, alpha: float) -> Tensor:
        return input.add_(other, alpha=alpha)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        AddFunction.setup_context(ctx, inputs, output)
        ctx.mark_dirty(output)

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, d_other: Tensor | None, _: None) -> Tensor:
        return d_input.copy_(add_tangent(ctx, d_input, d_other))  # a dirty output's tangent is too


class MulFunction(Function):
    """A B."""

    @staticmethod
    def forward(input: Tensor, other: Tensor | float) -> Tensor:
        return input * other

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, other = inputs
        needs_input, needs_other = ctx.needs_input_grad
        ctx.shapes = input.shape, _shape(other)
        ctx.number = None if isinstance(other, Tensor) else other
        keeps_other = needs_input and ctx.number is None
        ctx.save_for_backward(
            input if needs_other and ctx.number is None else None, other if keeps_other else None
        )

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        (input, other), (input_shape, other_shape) = ctx.saved_tensors, ctx.shapes
        needs_input, needs_other = ctx.needs_input_grad
        other = ctx.number if other is None else other
        return (
            sum_over_copies(grad_output * other, input_shape) if needs_input else None,
            sum_over_copies(grad_output * input, other_shape) if needs_other else None,
        )

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, d_other: Tensor | None) -> Tensor:
        input, other = ctx.saved_tensors
        d_output = d_input * (ctx.number if other is None else other)
        return d_output if d_other is None else d_output + input * d_other


def add(input: Tensor, other: Tensor | float, *, alpha: float = 1) -> Tensor:
    """A + alpha B, as :func:`torch.add`.

    Args:
        input: A, any shape.
        other: B, a shape that A's can be broadcast with, or a number.
        alpha: factor of B.

    Returns:
        Y, of the broadcast shape and the promoted dtype.

    Raises:
        RuntimeError: if the shapes cannot be broadcast.
    """
    return apply(AddFunction, *_one_dtype(input, other), alpha)


def add_(input: Tensor, other: Tensor | float, *, alpha: float = 1) -> Tensor:
    """A + alpha B written over A, as :meth:`torch.Tensor.add_`; arguments as for :func:`add`.

    Raises:
        RuntimeError: if A has not the broadcast shape and dtype, or is a leaf that requires a
            gradient.
    """
    require_castable(input, other)
    if is_traced():
        return input.copy_(add(input, other, alpha=alpha))
    refuse_leaf(input)
    if isinstance(other, Tensor) and other.dtype != input.dtype:
        other = other.to(input.dtype)
    return apply(AddInPlaceFunction, input, other, alpha)


def mul(input: Tensor, other: Tensor | float) -> Tensor:
    """A B, element by element, as :func:`torch.mul`; arguments as for :func:`add`."""
    return apply(MulFunction, *_one_dtype(input, other))


def _one_dtype(input: Tensor, other: Tensor | float) -> tuple[Tensor, Tensor | float]:
    """Both in the dtype that torch promotes them to."""
    if not isinstance(other, Tensor):
        fits = input.is_floating_point() or isinstance(other, int)
        return input if fits else input.to(torch.get_default_dtype()), other
    if other.dtype == input.dtype:
        return input, other
    dtype = torch.result_type(input, other)
    return input.to(dtype), other.to(dtype)
