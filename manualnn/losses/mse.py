"""Squared error (report, section 4.1.2).

Forward, Eq. 16, for each element, with an optional weight v::

    l = v (yhat - y)^2

and its chain rule, with s = dL/dl from the reduction::

    dL/dyhat =  2 s v (yhat - y)                                     (Eq. 25, 30)
    dL/dy    = -2 s v (yhat - y)
    dL/dv    =  s (yhat - y)^2

The report's loss is the sum (reduction "sum"); the weighted mean divides by sum v, so that there
dL/dv = g ((yhat - y)^2 - mean) / sum v. All but Eq. 16 and 30 is what every loss of single elements
does (elementwise.py).

Corrected: Eq. 25 and 30 print 2 ||yhat - y||, a number where a vector belongs.

Shapes: yhat, y and v all the same, after broadcasting.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from manualnn.autograd import apply, autocast_float32, led_nowhere
from manualnn.losses.elementwise import (
    elementwise_loss,
    floating,
    opposite,
    require_weight,
    warn_of_broadcast,
)
from manualnn.losses.reduction import named_reduction


def squared_error(input: Tensor, target: Tensor) -> Tensor:
    """(yhat - y)^2 (Eq. 16), element by element."""
    difference = input - target
    return difference * difference


def mse_grad_input(delta: Tensor, input: Tensor, target: Tensor) -> Tensor:
    """2 delta (yhat - y) (Eq. 30), element by element; delta = s v is broadcast."""
    return 2 * delta * (input - target)


MSEFunction = elementwise_loss(
    "MSEFunction", squared_error, mse_grad_input, opposite(mse_grad_input)
)


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
    warn_of_broadcast(input, target)
    reduction = named_reduction(size_average, reduce, reduction)
    if weight is not None:
        require_weight(weight, input, target)
        reduction = "weighted mean" if reduction == "mean" else reduction
    input, target, weight = autocast_float32(input, target, weight)
    dtype = floating(input, target)
    if weight is not None:
        dtype = torch.promote_types(dtype, weight.dtype)
        weight = weight.to(dtype)
    input, target = torch.broadcast_tensors(input.to(dtype), target.to(dtype))
    return apply(MSEFunction, input, target, weight, reduction)


class MSELoss(nn.MSELoss):
    """:class:`torch.nn.MSELoss` derived by hand: any shape, twice (Eq. 16, 30)."""

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(yhat - y)^2, reduced."""
        return mse_loss(input, target, reduction=self.reduction)
