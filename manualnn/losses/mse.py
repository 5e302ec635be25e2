"""Squared error (report, section 4.1.2).

Forward, Eq. 16, for each element, with an optional weight v::

    l = v (yhat - y)^2

and its chain rule, with s = dL/dl from the reduction::

    dL/dyhat =  2 s v (yhat - y)                                     (Eq. 25, 30)
    dL/dy    = -2 s v (yhat - y)
    dL/dv    =  s (yhat - y)^2

The report's loss is the sum (reduction "sum"); the weighted mean divides by sum v, so that there
dL/dv = g ((yhat - y)^2 - mean) / sum v.

Corrected: Eq. 25 and 30 print 2 ||yhat - y||, a number where a vector belongs.

Shapes: yhat, y and v all the same, after broadcasting.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_float32
from manualnn.losses.reduction import named_reduction, reduce, reduce_grad


def squared_error(input: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """v (yhat - y)^2 (Eq. 16), element by element."""
    difference = input - target
    return difference * difference if weight is None else difference * difference * weight


def mse_grad_input(
    grad_loss: Tensor, input: Tensor, target: Tensor, weight: Tensor | None
) -> Tensor:
    """2 s v (yhat - y) (Eq. 30), element by element; s is broadcast."""
    grad_input = 2 * grad_loss * (input - target)
    return grad_input if weight is None else grad_input * weight


def mse_grad_weight(
    grad_output: Tensor, input: Tensor, target: Tensor, weight: Tensor, reduction: str
) -> Tensor:
    """s (yhat - y)^2, less its share of the mean where the mean divides by sum v."""
    errors = squared_error(input, target, None)
    if reduction != "mean":
        return grad_output * errors
    return grad_output * (errors - (weight * errors).sum() / weight.sum()) / weight.sum()


class MSEFunction(Function):
    """v (yhat - y)^2, reduced."""

    @staticmethod
    def forward(input: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        losses = squared_error(input, target, weight)
        return reduce(losses, reduction, losses.numel() if weight is None else weight.sum())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, target, weight, ctx.reduction = inputs
        ctx.save_for_backward(input, target, weight)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        input, target, weight = ctx.saved_tensors
        needs_input, needs_target, needs_weight, _ = ctx.needs_input_grad
        count = input.numel() if weight is None else weight.sum()
        grad_loss = reduce_grad(grad_output, ctx.reduction, count)
        grad_input = mse_grad_input(grad_loss, input, target, weight)
        grad_weight = None
        if needs_weight:
            grad_weight = mse_grad_weight(grad_output, input, target, weight, ctx.reduction)
        return (
            grad_input if needs_input else None,
            -grad_input if needs_target else None,
            grad_weight,
            None,
        )

    @staticmethod
    def jvp(
        ctx: Any, d_input: Tensor, d_target: Tensor, d_weight: Tensor | None, _: None
    ) -> Tensor:
        input, target, weight = ctx.saved_tensors
        count = input.numel() if weight is None else weight.sum()
        one = torch.ones_like(input)
        d_losses = mse_grad_input(one, input, target, weight) * (d_input - d_target)
        d_output = reduce(d_losses, ctx.reduction, count)
        if d_weight is None:
            return d_output
        by_weight = mse_grad_weight(one, input, target, weight, ctx.reduction) * d_weight
        return d_output + reduce(by_weight, ctx.reduction, 1)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """:func:`torch.nn.functional.mse_loss`, derived by hand (Eq. 16, 30).

    Args:
        input: yhat, any shape.
        target: y, of the same shape; other shapes are broadcast, with a warning.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" or "sum".
        weight: of each element, the input's shape; the mean then divides by their sum.

    Returns:
        The loss: () or, for "none", the elements' losses.

    Raises:
        ValueError: if the reduction is unknown or the weight has not the input's shape.
        RuntimeError: if the shapes cannot be broadcast.
        NotImplementedError: if neither input nor target holds floating-point numbers.
    """
    if target.shape != input.shape:
        warnings.warn(
            f"the target's shape {tuple(target.shape)} is not the input's {tuple(input.shape)}; "
            "they are broadcast, which is rarely what is meant",
            stacklevel=2,
        )
    reduction = named_reduction(size_average, reduce, reduction)
    if weight is not None and weight.shape != input.shape:
        raise ValueError(
            f"the weight's shape {tuple(weight.shape)} must be the input's {tuple(input.shape)}"
        )
    input, target, weight = autocast_float32(input, target, weight)
    dtype = torch.promote_types(input.dtype, target.dtype)
    if not dtype.is_floating_point:
        raise NotImplementedError(f"expected floating-point numbers, but got {dtype}")
    input, target = torch.broadcast_tensors(input.to(dtype), target.to(dtype))
    if weight is not None:
        weight = weight.expand_as(input)
    return apply(MSEFunction, input, target, weight, reduction)


class MSELoss(nn.MSELoss):
    """:class:`torch.nn.MSELoss` derived by hand: any shape, twice (Eq. 16, 30)."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(yhat - y)^2, reduced."""
        return mse_loss(input, target, reduction=self.reduction)
