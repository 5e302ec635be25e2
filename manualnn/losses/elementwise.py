"""Losses of single elements: what they share is everything but their formulas.

The loss l of an element depends on its own prediction x and target y alone, and counts v times,
where there is a weight v. With N from the reduction (reduction.py)::

    L = sum_n v_n l(x_n, y_n) / N

No element reaches another one's loss, so the chain rule has one term, with s = dL/d(v l)::

    dL/dx = s v dl/dx
    dL/dy = s v dl/dy
    dL/dv = s l

N is the number of elements for "mean", of rows for "batchmean". The "weighted mean" divides by
sum v, which depends on v as well::

    dL/dv_n = g (l_n - L) / sum v

A loss therefore states l, and dL/dx and dL/dy for a delta = s v. Both are linear in delta, so that
one formula serves the reverse mode, with a cotangent, and the forward mode, with a tangent. They
are written in plain element-wise operations and in the package's own activations, so that higher
orders follow; the l in dL/dv is the loss's own Function again.

Shapes: x, y and v all the same, after broadcasting.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualnn.autograd import Function, apply
from manualnn.losses.reduction import reduce, reduce_grad


def mean_count(reduction: str, input: Tensor, weight: Tensor | None) -> Tensor | int:
    """N, what the mean divides by: sum v, or the number of rows, or of elements."""
    if reduction == "weighted mean" and weight is not None:
        return weight.sum()
    if reduction == "batchmean" and input.dim() > 0:
        return input.shape[0]
    return input.numel()


def weight_partial(losses: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """dL/dv: l; less L where the mean divides by sum v; over N."""
    count = mean_count(reduction, losses, weight)
    if reduction == "weighted mean":
        losses = losses - (weight * losses).sum() / count
    return reduce_grad(losses, reduction, count)


def elementwise_loss(
    name: str, loss: Callable[..., Tensor], *grads: Callable[..., Tensor]
) -> type[Function]:
    """Make the Function of a loss from its formulas.

    Args:
        name: of the Function, as it shows in ``grad_fn``.
        loss: ``(x, y, *settings) -> l``; a setting is a number, or a tensor like x, or None.
        *grads: ``(delta, x, y, *settings) -> dL/dx``, then dL/dy, and so on for settings that are
            tensors; linear in delta.

    Returns:
        The Function of x, y, the settings, then v or None, and the reduction's name.
    """

    class ElementwiseLoss(Function):
        @staticmethod
        def forward(*arguments: Any) -> Tensor:
            *terms, weight, reduction = arguments
            losses = loss(*terms)
            losses = losses if weight is None else losses * weight
            return reduce(losses, reduction, mean_count(reduction, losses, weight))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            *_, weight, ctx.reduction = inputs
            ctx.settings = inputs[len(grads) : -2]
            ctx.save_for_backward(*inputs[: len(grads)], weight)

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
            *tensors, weight = ctx.saved_tensors
            terms, reduction = (*tensors, *ctx.settings), ctx.reduction
            *needs, needs_weight, _ = ctx.needs_input_grad
            count = mean_count(reduction, tensors[0], weight)
            delta = reduce_grad(grad_output, reduction, count)
            delta = delta if weight is None else delta * weight
            grad_terms = [
                grad(delta, *terms) if needed and tensor is not None else None
                for grad, needed, tensor in zip(grads, needs, tensors, strict=False)
            ]
            grad_weight = None
            if needs_weight:
                losses = apply(of_this_loss, *terms, None, "none")
                grad_weight = grad_output * weight_partial(losses, weight, reduction)
            return *grad_terms, *(None for _ in ctx.settings), grad_weight, None

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Tensor:
            *tensors, weight = ctx.saved_tensors
            terms, reduction = (*tensors, *ctx.settings), ctx.reduction
            count = mean_count(reduction, tensors[0], weight)
            d_losses: Any = sum(
                grad(tangent, *terms)
                for grad, tangent in zip(grads, tangents, strict=False)
                if tangent is not None
            )
            if weight is None:
                return reduce(d_losses, reduction, count)
            losses = apply(of_this_loss, *terms, None, "none")
            by_weight = weight_partial(losses, weight, reduction) * tangents[-2]
            return reduce(d_losses * weight, reduction, count) + reduce(by_weight, reduction, 1)

    of_this_loss: Any = type(name, (ElementwiseLoss,), {})
    return of_this_loss


def opposite(grad: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """dL/dy = -dL/dx, where l depends on x - y alone."""
    return lambda *terms: -grad(*terms)


def warn_of_broadcast(input: Tensor, target: Tensor) -> None:
    """Warn the caller of the loss where the shapes differ."""
    if target.shape != input.shape and not torch.compiler.is_compiling():
        warnings.warn(
            f"the target's shape {tuple(target.shape)} is not the input's {tuple(input.shape)}; "
            "they are broadcast, which is rarely what is meant",
            stacklevel=3,
        )


def floating(*tensors: Tensor) -> torch.dtype:
    """The dtype that the tensors are promoted to.

    Raises:
        NotImplementedError: if it is not one of real floating-point numbers.
    """
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        dtype = torch.promote_types(dtype, tensor.dtype)
    if not dtype.is_floating_point:
        raise NotImplementedError(f"expected floating-point numbers, but got {dtype}")
    return dtype


def require_shape(name: str, tensor: Tensor, shape: torch.Size) -> None:
    """Refuse a target or weight that has not the input's shape.

    Raises:
        ValueError: if the shapes differ.
    """
    if tensor.shape != shape:
        raise ValueError(
            f"the {name}'s shape {tuple(tensor.shape)} must be the input's {tuple(shape)}"
        )


def require_weight(weight: Tensor, input: Tensor, target: Tensor) -> None:
    """Refuse a weight of another shape, and one beside an input and target that are broadcast.

    Raises:
        ValueError: if the shapes of the three differ.
    """
    require_shape("weight", weight, input.shape)
    require_shape("weight", weight, torch.broadcast_shapes(input.shape, target.shape))


def require_constant(name: str, tensor: Tensor | None) -> None:
    """Refuse to differentiate by a tensor that torch's twin takes for a constant.

    Raises:
        RuntimeError: if it requires a gradient.
    """
    if tensor is not None and tensor.requires_grad:
        raise RuntimeError(
            f"{name} is a constant of this loss, but requires a gradient; pass {name}.detach()"
        )


def require_numbers(input: Tensor, target: Tensor) -> None:
    """Refuse integers and truth values where a loss takes neither, by torch's kinds of error.

    Raises:
        NotImplementedError: if the input has none but whole numbers, or the target truth values.
        RuntimeError: if the target holds integers.
    """
    if not input.is_floating_point() or target.dtype == torch.bool:
        raise NotImplementedError(
            f"expected floating-point numbers, but got {input.dtype} and a {target.dtype} target"
        )
    if not target.is_floating_point():
        raise RuntimeError(f"expected a floating-point target, but got {target.dtype}")
