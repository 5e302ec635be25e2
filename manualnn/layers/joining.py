"""Joining along an axis, splitting it, and taking means: what concatenating nets write in line.

All three are linear maps (linear_map.py). Shown along one axis::

    cat:   Y = [X_1, ..., X_m]           dL/dX_i = the part of delta that lies where X_i was put
    split: (Y_1, ..., Y_m) = X           dL/dX   = [delta_1, ..., delta_m]
    mean:  Y = 1/n sum X                 dL/dX   = delta / n, once for each of the n elements

Joining and splitting are each other's adjoint. A part that L does not depend on has delta_i = 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from manualnn.autograd import Function, apply, is_recorded, is_transformed
from manualnn.layers.linear_map import linear_map


@dataclass(frozen=True)
class Parts:
    """The sizes of the parts along an axis."""

    sizes: tuple[int, ...]
    dim: int


@dataclass(frozen=True)
class Averaged:
    """Which axes of an input of this shape are averaged."""

    shape: tuple[int, ...]
    dims: tuple[int, ...]


def join(parts: Sequence[Tensor], dim: int) -> Tensor:
    """[X_1, ..., X_m]: (..., n_i, ...) -> (..., sum n_i, ...)."""
    return torch.cat(list(parts), dim)


def separate(joined: Tensor, parts: Parts) -> tuple[Tensor, ...]:
    """X_1, ..., X_m as tensors of their own: (..., sum n_i, ...) -> (..., n_i, ...)."""
    return tuple(part.clone() for part in joined.split(parts.sizes, parts.dim))


def mean_forward(input: Tensor, averaged: Averaged) -> Tensor:
    """1/n sum X, averaged axes left with size 1."""
    return input.mean(averaged.dims, keepdim=True)


def mean_grad_input(grad_output: Tensor, averaged: Averaged) -> Tensor:
    """delta / n at every element: the adjoint of :func:`mean_forward`."""
    count = math.prod([averaged.shape[dim] for dim in averaged.dims])
    return (grad_output / count).expand(averaged.shape).clone()


class JoinFunction(Function):
    """[X_1, ..., X_m], whose adjoint is the separation."""

    @staticmethod
    def forward(*parts_and_dim: Any) -> Tensor:
        *parts, dim = parts_and_dim
        return join(parts, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *parts, dim = inputs
        ctx.parts = Parts(tuple(part.shape[dim] for part in parts), dim)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return (*apply(SeparateFunction, grad_output, ctx.parts), None)

    @staticmethod
    def jvp(ctx: Any, *d_parts_and_none: Any) -> Tensor:
        *d_parts, _ = d_parts_and_none
        return apply(JoinFunction, *d_parts, ctx.parts.dim)


class SeparateFunction(Function):
    """X_1, ..., X_m, whose adjoint is the joining."""

    @staticmethod
    def forward(input: Tensor, parts: Parts) -> tuple[Tensor, ...]:
        return separate(input, parts)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.parts = inputs[1]

    @staticmethod
    def backward(ctx: Any, *grad_parts: Tensor) -> tuple[Tensor, None]:
        return apply(JoinFunction, *grad_parts, ctx.parts.dim), None

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, _: None) -> tuple[Tensor, ...]:
        return apply(SeparateFunction, d_input, ctx.parts)


MeanFunction, MeanAdjointFunction = linear_map("Mean", mean_forward, mean_grad_input)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors along an axis, as :func:`torch.cat`.

    Args:
        tensors: at least one; the same shape but for the axis, or (0), which joins with any.
        dim: the axis.

    Raises:
        ValueError: if there is none.
        RuntimeError: if their shapes do not fit.
        IndexError: if the axis does not exist.
    """
    if len(tensors) == 0:
        raise ValueError("expected at least one tensor to join, but got none")
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        dtype = torch.promote_types(dtype, tensor.dtype)
    tensors = [tensor for tensor in tensors if tensor.shape != (0,)] or tensors
    return apply(JoinFunction, *(tensor.to(dtype) for tensor in tensors), dim)


def split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Split along an axis, as :func:`torch.split`.

    Where gradients are recorded the parts are tensors of their own, elsewhere views as torch's.

    Args:
        tensor: at least one axis.
        split_size_or_sections: the size of each part, the last of which may be smaller; or the
            size of every part.
        dim: the axis.

    Raises:
        RuntimeError: if the sizes do not add up to the axis, or are negative.
        IndexError: if the axis does not exist.
    """
    return _separate(tensor, tensor.detach().split(split_size_or_sections, dim), dim)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Split an axis into so many parts, or fewer, as :func:`torch.chunk`; see :func:`split`."""
    return _separate(input, input.detach().chunk(chunks, dim), dim)


def _separate(whole: Tensor, views: tuple[Tensor, ...], dim: int) -> tuple[Tensor, ...]:
    if not (is_recorded(whole) or is_transformed() or forward_ad._current_level >= 0):
        return views
    return apply(SeparateFunction, whole, Parts(tuple(view.shape[dim] for view in views), dim))


def mean(
    input: Tensor,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Average over axes, as :func:`torch.mean`.

    Args:
        input: any shape, floating point.
        dim: the axes; all of them if None.
        keepdim: leave the averaged axes with size 1.
        dtype: cast the input to this first.

    Raises:
        IndexError: if an axis does not exist.
        RuntimeError: if an axis is named twice.
        NotImplementedError: if the numbers are not floating-point ones.
    """
    input = input if dtype is None else input.to(dtype)
    if not input.is_floating_point():
        raise NotImplementedError(f"mean needs floating-point numbers, but got {input.dtype}")
    dims = _distinct_axes(input, dim)
    output = apply(MeanFunction, input, Averaged(tuple(input.shape), dims))
    if keepdim:
        return output
    return output.reshape([size for axis, size in enumerate(input.shape) if axis not in dims])


def _distinct_axes(input: Tensor, dim: int | Sequence[int] | None) -> tuple[int, ...]:
    """The axes counted from 0; all of them where none is named."""
    named = (dim,) if isinstance(dim, int) else tuple(dim or range(input.dim()))
    for axis in named:
        if not -max(input.dim(), 1) <= axis < max(input.dim(), 1):
            raise IndexError(f"an input {tuple(input.shape)} has no axis {axis}")
    axes = tuple(axis % max(input.dim(), 1) for axis in named)
    if len(set(axes)) < len(axes):
        raise RuntimeError(f"an axis is named twice in dim={named}")
    return axes if input.dim() else ()
