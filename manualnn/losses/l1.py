"""Absolute error, and its two forms that are smooth at zero.

Forward, for each element, with the error z = x - y::

    absolute:   l = |z|

    smooth:     l = z^2 / (2 beta)             where |z| < beta
                    |z| - beta / 2             elsewhere

    Huber:      l = z^2 / 2                    where |z| <= d
                    d (|z| - d / 2)            elsewhere

The parabola meets the lines with the same value and the same slope, so the derivatives are one
formula each, a straight line that is cut off::

    absolute:   dl/dz = sign(z),  0 at z = 0
    smooth:     dl/dz = clamp(z / beta, -1, 1)
    Huber:      dl/dz = clamp(z, -d, d)

and dl/dx = dl/dz, dl/dy = -dl/dz. Huber's loss is d times the smooth one with beta = d; as beta
falls to 0, the smooth one becomes the absolute error. The weighted mean of the absolute error
divides by the sum of its weights, that of Huber's loss by the number of elements, as in torch.

Sources: Huber 1964, "Robust estimation of a location parameter"; Girshick 2015, arXiv 1504.08083.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from manualnn.autograd import apply, autocast_float32, led_nowhere
from manualnn.losses.elementwise import (
    elementwise_loss,
    floating,
    opposite,
    require_shape,
    require_weight,
    warn_of_broadcast,
)
from manualnn.losses.reduction import named_reduction


def absolute_error(input: Tensor, target: Tensor) -> Tensor:
    """|z|, element by element."""
    return (input - target).abs()


def absolute_grad(delta: Tensor, input: Tensor, target: Tensor) -> Tensor:
    """dL/dz = delta sign(z), element by element."""
    return delta * (input - target).sign()


def smooth_error(input: Tensor, target: Tensor, beta: float) -> Tensor:
    """z^2 / (2 beta) where |z| < beta, |z| - beta / 2 elsewhere."""
    error = (input - target).abs()
    return torch.where(error < beta, error * error / (2 * beta), error - beta / 2)


def smooth_grad(delta: Tensor, input: Tensor, target: Tensor, beta: float) -> Tensor:
    """dL/dz = delta clamp(z / beta, -1, 1), element by element."""
    return delta * ((input - target) / beta).clamp(-1, 1)


def huber_error(input: Tensor, target: Tensor, bound: float) -> Tensor:
    """z^2 / 2 where |z| <= d, d (|z| - d / 2) elsewhere."""
    error = (input - target).abs()
    return torch.where(error <= bound, error * error / 2, bound * (error - bound / 2))


def huber_grad(delta: Tensor, input: Tensor, target: Tensor, bound: float) -> Tensor:
    """dL/dz = delta clamp(z, -d, d), element by element."""
    return delta * (input - target).clamp(-bound, bound)


L1Function = elementwise_loss("L1Function", absolute_error, absolute_grad, opposite(absolute_grad))
SmoothL1Function = elementwise_loss(
    "SmoothL1Function", smooth_error, smooth_grad, opposite(smooth_grad)
)
HuberFunction = elementwise_loss("HuberFunction", huber_error, huber_grad, opposite(huber_grad))


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """:func:`torch.nn.functional.l1_loss`, derived by hand.

    Args:
        input: x, any shape.
        target: y, of the same shape; other shapes are broadcast, with a warning.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" or "sum".
        weight: of each element, the input's shape; the mean then divides by their sum.

    Returns:
        The loss: () or, for "none", the elements' losses.

    Raises:
        ValueError: if the reduction is unknown, or the weight has not the input's shape.
        RuntimeError: if the shapes cannot be broadcast.
        NotImplementedError: for truth values, and for the mean of integers.
    """
    warn_of_broadcast(input, target)
    reduction = named_reduction(size_average, reduce, reduction)
    if weight is None:
        input, target = autocast_float32(input, target)
        dtype = torch.promote_types(input.dtype, target.dtype)
    else:
        require_weight(weight, input, target)
        dtype = torch.promote_types(input.dtype, target.dtype)
        dtype = torch.promote_types(dtype, weight.dtype)
        weight = weight.to(dtype)
        reduction = "weighted mean" if reduction == "mean" else reduction
    if torch.bool in (input.dtype, target.dtype):
        raise NotImplementedError(
            f"expected numbers, but got {input.dtype} and {target.dtype}; subtraction needs "
            "another type than torch.bool"
        )
    if "mean" in reduction and not dtype.is_floating_point:
        raise NotImplementedError(f"the mean needs floating-point numbers, but got {dtype}")
    input, target = torch.broadcast_tensors(input.to(dtype), target.to(dtype))
    return apply(L1Function, input, target, weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """:func:`torch.nn.functional.smooth_l1_loss`, derived by hand.

    Args:
        input: x, any shape.
        target: y, of the same shape; other shapes are broadcast, with a warning.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" or "sum".
        beta: where the parabola ends, at least 0; 0 is the absolute error.

    Returns:
        The loss: () or, for "none", the elements' losses.

    Raises:
        ValueError: if the reduction is unknown.
        RuntimeError: if beta is negative, or the shapes cannot be broadcast.
        NotImplementedError: if neither input nor target holds floating-point numbers.
    """
    if beta == 0:
        return l1_loss(input, target, size_average, reduce, reduction)
    warn_of_broadcast(input, target)
    reduction = named_reduction(size_average, reduce, reduction)
    if not beta > 0:
        raise RuntimeError(f"beta must be at least 0, but got {beta}")
    input, target = autocast_float32(input, target)
    dtype = floating(input, target)
    input, target = torch.broadcast_tensors(input.to(dtype), target.to(dtype))
    return apply(SmoothL1Function, input, target, float(beta), None, reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """:func:`torch.nn.functional.huber_loss`, derived by hand.

    Args:
        input: x, any shape; the loss has its dtype.
        target: y, of the same shape; other shapes are broadcast, with a warning.
        reduction: "none", "mean" or "sum".
        delta: d, where the parabola ends, above 0.
        weight: of each element, the input's shape; the mean divides by their number all the same.

    Returns:
        The loss: () or, for "none", the elements' losses.

    Raises:
        ValueError: if the reduction is unknown, or the weight has not the input's shape.
        RuntimeError: if delta is not above 0, the shapes cannot be broadcast, or the input holds
            integers and the target does not.
        NotImplementedError: if neither input nor target holds floating-point numbers.
    """
    warn_of_broadcast(input, target)
    reduction = named_reduction(None, None, reduction)
    if weight is not None:
        require_shape("weight", weight, input.shape)
    if not delta > 0:
        raise RuntimeError(f"delta must be above 0, but got {delta}")
    input, target = autocast_float32(input, target)
    floating(input, target)
    if not input.is_floating_point():
        raise RuntimeError(
            f"the loss of a {target.dtype} target cannot be {input.dtype} as the input is"
        )
    dtype = input.dtype if weight is None else torch.promote_types(input.dtype, weight.dtype)
    input, target = torch.broadcast_tensors(input.to(dtype), target.to(dtype))
    if weight is not None:
        weight = weight.to(dtype).expand_as(input)
    return apply(HuberFunction, input, target, float(delta), weight, reduction)


class L1Loss(nn.L1Loss):
    """:class:`torch.nn.L1Loss` derived by hand: any shape, twice."""

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """|x - y|, reduced."""
        return l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(nn.SmoothL1Loss):
    """:class:`torch.nn.SmoothL1Loss` derived by hand: any shape, twice."""

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A parabola up to beta, |x - y| beyond, reduced."""
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(nn.HuberLoss):
    """:class:`torch.nn.HuberLoss` derived by hand: any shape, twice."""

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A parabola up to delta, a line of slope delta beyond, reduced."""
        return huber_loss(input, target, reduction=self.reduction, delta=self.delta)
