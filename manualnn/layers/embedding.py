"""Embedding: a table of vectors, looked up by number.

Forward, for indices I of any shape (*), and a weight W (V, D), one row for each word::

    Y[n] = W[I[n]]                 I (*), Y (*, D), n runs over the places of I

This is a linear map of W, Y = A W, with A[n, v] = 1 where I[n] = v, and 0 elsewhere. With
delta = dL/dY the chain rule needs its adjoint, which sends each delta back to the row that its
output came from, where they add up::

    dL/dW = A^T delta,             dL/dW[v] = sum over n with I[n] = v of delta[n]

and a tangent of W is looked up as W is. Two options change how delta counts, not the output::

    padding_idx:         delta[n] counts as 0 where I[n] is the padding
    scale_grad_by_freq:  delta[n] counts as delta[n] / (how often I[n] is in I)

Both are a factor of delta, applied before the adjoint. The lookup and its adjoint are two
Functions that call each other, so every order and both modes are closed. Kept are the indices.

With ``sparse``, dL/dW is the list of the delta[n] that count and of their rows I[n], a sparse
tensor that adds up when it is read; a large table then costs no more than what was looked up.

With ``max_norm``, rows that are looked up and too long are shortened first, in W itself and
outside the graph, as torch does.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, led_nowhere
from manualnn.layers.in_place import is_traced


@dataclass(frozen=True)
class Lookup:
    """How many rows there are, what counts of delta for each, and whether dL/dW is sparse."""

    rows: int
    padding_idx: int | None = None
    by_frequency: bool = False
    sparse: bool = False


def embedding_adjoint(grad_output: Tensor, indices: Tensor, rows: int) -> Tensor:
    """A^T delta, for each row the sum of delta over its places: (*, D) -> (V, D)."""
    delta = grad_output.reshape(indices.numel(), grad_output.shape[-1])  # (N, D)
    return delta.new_zeros(rows, delta.shape[1]).index_add(0, indices.flatten(), delta)


def embedding_share(grad_output: Tensor, indices: Tensor, lookup: Lookup) -> Tensor:
    """delta as it counts: over how often its row is looked up, 0 for the padding; (*, D)."""
    if lookup.by_frequency:
        ones = torch.ones_like(indices).unsqueeze(-1)  # (*, 1)
        times = embedding_adjoint(ones, indices, lookup.rows)  # (V, 1)
        grad_output = grad_output / torch.embedding(times, indices)
    if lookup.padding_idx is not None:
        is_padding = (indices == lookup.padding_idx).unsqueeze(-1)  # (*, 1)
        grad_output = torch.where(is_padding, 0, grad_output)
    return grad_output


def embedding_sparse_adjoint(grad_output: Tensor, indices: Tensor, lookup: Lookup) -> Tensor:
    """A^T delta as a list of rows, without those of the padding: (*, D) -> sparse (V, D)."""
    places, width = indices.flatten(), grad_output.shape[-1]  # (N,)
    delta = grad_output.reshape(places.numel(), width)  # (N, D)
    if lookup.padding_idx is not None:
        counts = places != lookup.padding_idx
        places, delta = places[counts], delta[counts]
    shape = (lookup.rows, width)
    return torch.sparse_coo_tensor(places.unsqueeze(0), delta, shape, check_invariants=False)


class EmbeddingFunction(Function):
    """Y = A W."""

    @staticmethod
    def forward(weight: Tensor, indices: Tensor, lookup: Lookup) -> Tensor:
        return torch.embedding(weight, indices)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Lookup], output: Tensor) -> None:
        _, indices, ctx.lookup = inputs
        ctx.save_for_backward(indices)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (indices,), lookup = ctx.saved_tensors, ctx.lookup
        if lookup.sparse:
            return apply(EmbeddingSparseAdjointFunction, grad_output, indices, lookup), None, None
        delta = embedding_share(grad_output, indices, lookup)
        return apply(EmbeddingAdjointFunction, delta, indices, lookup.rows), None, None

    @staticmethod
    def jvp(ctx: Any, d_weight: Tensor, *_: None) -> Tensor:
        (indices,) = ctx.saved_tensors
        return apply(EmbeddingFunction, d_weight, indices, ctx.lookup)


class EmbeddingAdjointFunction(Function):
    """A^T delta."""

    @staticmethod
    def forward(grad_output: Tensor, indices: Tensor, rows: int) -> Tensor:
        return embedding_adjoint(grad_output, indices, rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        _, indices, ctx.rows = inputs
        ctx.save_for_backward(indices)

    @staticmethod
    def backward(ctx: Any, grad_weight: Tensor) -> tuple[Tensor, None, None]:
        (indices,) = ctx.saved_tensors
        return apply(EmbeddingFunction, grad_weight, indices, Lookup(ctx.rows)), None, None

    @staticmethod
    def jvp(ctx: Any, d_output: Tensor, *_: None) -> Tensor:
        (indices,) = ctx.saved_tensors
        return apply(EmbeddingAdjointFunction, d_output, indices, ctx.rows)


class EmbeddingSparseAdjointFunction(Function):
    """A^T delta as a sparse tensor, which torch has in reverse mode alone."""

    @staticmethod
    def forward(grad_output: Tensor, indices: Tensor, lookup: Lookup) -> Tensor:
        if lookup.by_frequency:
            raise RuntimeError(
                "a sparse gradient is not divided by how often a row was looked up: got "
                "scale_grad_by_freq=True with sparse=True, use one of them"
            )
        return embedding_sparse_adjoint(grad_output, indices, lookup)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Lookup], output: Tensor) -> None:
        _, indices, ctx.lookup = inputs
        ctx.save_for_backward(indices)

    @staticmethod
    def backward(ctx: Any, grad_weight: Tensor) -> tuple[Tensor, None, None]:
        (indices,), lookup = ctx.saved_tensors, ctx.lookup
        rows = apply(EmbeddingFunction, grad_weight.to_dense(), indices, Lookup(lookup.rows))
        return embedding_share(rows, indices, lookup), None, None

    @staticmethod
    def jvp(ctx: Any, d_output: Tensor, *_: None) -> Tensor:
        (indices,) = ctx.saved_tensors
        return apply(EmbeddingSparseAdjointFunction, d_output, indices, ctx.lookup)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of a table that the indices name.

    Args:
        input: indices from 0 to V - 1, int64 or int32, any shape (*).
        weight: (V, D).
        padding_idx: the row that gets no gradient; a negative one counts from the end.
        max_norm: rows that are looked up and longer than this are shortened to it, in the weight.
        norm_type: p of the p-norm that measures them.
        scale_grad_by_freq: divide a row's gradient by how often it was looked up.
        sparse: make the weight's gradient a sparse tensor; not with ``scale_grad_by_freq``, and
            not in one graph of ``torch.compile(fullgraph=True)``.

    Returns:
        (*, D).

    Raises:
        IndexError: if an index is out of range.
        AssertionError: if ``padding_idx`` is.
        RuntimeError: if the weight has not two axes, or the indices are no int64 or int32.
    """
    if weight.dim() != 2:
        raise RuntimeError(f"'weight' must be 2-D, (V, D), but got {tuple(weight.shape)}")
    if input.dtype not in (torch.int64, torch.int32):
        raise RuntimeError(f"indices must be torch.int64 or torch.int32, but got {input.dtype}")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= index(padding_idx) < rows:
            raise AssertionError(
                f"padding_idx must be from {-rows} to {rows - 1}, but got {padding_idx}"
            )
        padding_idx %= rows
    if max_norm is not None:
        _refuse_out_of_range(input, rows)
        with torch.no_grad():
            torch.embedding_renorm_(weight.detach(), input.contiguous(), max_norm, norm_type)
    lookup = Lookup(rows, padding_idx, scale_grad_by_freq, sparse)
    try:
        return apply(EmbeddingFunction, weight, input, lookup)
    except IndexError:
        _refuse_out_of_range(input, rows)
        raise


def _refuse_out_of_range(indices: Tensor, rows: int) -> None:
    """Name the first index that is out of range; inside a transform, it has no value yet."""
    if is_traced() or indices.is_meta:
        return
    wrong = indices[(indices < 0) | (indices >= rows)]
    if wrong.numel() > 0:
        raise IndexError(
            f"index {wrong[0].item()} is out of range: {rows} embeddings have the indices from 0 "
            f"to {rows - 1}"
        )


class Embedding(nn.Embedding):
    """:class:`torch.nn.Embedding` with a backward pass by hand: indices (*) -> (*, D)."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """The rows of the weight that the indices name, (*, D)."""
        return embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )
