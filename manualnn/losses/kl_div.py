"""Kullback-Leibler divergence: what it costs to take one distribution for another.

Forward, for each element, with x = log q the logarithm of what is predicted and the target y::

    y a probability:      l = y (log y - x),       0 log 0 = 0
    y its logarithm:      l = exp(y) (y - x)

so that the sum over a distribution is sum p log(p / q), 0 for q = p only. Both are linear in x::

    y a probability:      dl/dx = -y,              dl/dy = log y + 1 - x
    y its logarithm:      dl/dx = -exp(y),         dl/dy = exp(y) (y - x + 1)

With x from a log-softmax, whose backward pass takes sum_c dl/dx_c out again, this is the gradient
q - p of cross-entropy. The mean over elements divides by the number of classes as well; "batchmean"
divides by the number of distributions alone, as the divergence is defined.

Chosen: dl/dy at y = 0 is -infinity, its limit, where torch gives nan.

Source: Kullback and Leibler 1951, "On information and sufficiency".
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor, nn

from manualnn.autograd import apply, autocast_float32, led_nowhere
from manualnn.layers.arithmetic import mul
from manualnn.losses.elementwise import elementwise_loss
from manualnn.losses.reduction import named_reduction


def divergence(input: Tensor, target: Tensor) -> Tensor:
    """y (log y - x), element by element; 0 log 0 = 0."""
    return torch.xlogy(target, target) - target * input


def divergence_grad_input(delta: Tensor, input: Tensor, target: Tensor) -> Tensor:
    """dL/dx = -delta y, element by element."""
    return -delta * target


def divergence_grad_target(delta: Tensor, input: Tensor, target: Tensor) -> Tensor:
    """dL/dy = delta (log y + 1 - x), element by element."""
    return delta * target.log() + delta - delta * input


def log_divergence(input: Tensor, target: Tensor) -> Tensor:
    """exp(y) (y - x), element by element."""
    return target.exp() * (target - input)


def log_divergence_grad_input(delta: Tensor, input: Tensor, target: Tensor) -> Tensor:
    """dL/dx = -delta exp(y), element by element."""
    return -delta * target.exp()


def log_divergence_grad_target(delta: Tensor, input: Tensor, target: Tensor) -> Tensor:
    """dL/dy = delta exp(y) (y - x + 1), element by element."""
    p = target.exp()
    return delta * p * (target - input) + delta * p


KLDivFunction = elementwise_loss(
    "KLDivFunction", divergence, divergence_grad_input, divergence_grad_target
)
LogKLDivFunction = elementwise_loss(
    "LogKLDivFunction", log_divergence, log_divergence_grad_input, log_divergence_grad_target
)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """:func:`torch.nn.functional.kl_div`, derived by hand.

    Args:
        input: x, logarithms of probabilities, (N, ...).
        target: y, probabilities or their logarithms, of the same shape or broadcast to it.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" (with a warning), "batchmean" or "sum".
        log_target: whether the target holds logarithms.

    Returns:
        The loss: () or, for "none", the elements' losses.

    Raises:
        ValueError: if the reduction is unknown.
        RuntimeError: if the shapes cannot be broadcast, or one holds integers or complex numbers.
    """
    if size_average is not None or reduce is not None:
        return _kl_div(input, target, named_reduction(size_average, reduce, reduction), log_target)
    _warn_of_mean(reduction, stacklevel=3)
    return _kl_div(input, target, reduction, log_target)


def _warn_of_mean(reduction: str, stacklevel: int) -> None:
    if reduction == "mean" and not torch.compiler.is_compiling():
        warnings.warn(
            "reduction: 'mean' divides the total loss by the number of classes as well; "
            "'batchmean' is the divergence as it is defined",
            stacklevel=stacklevel,
        )


def _kl_div(input: Tensor, target: Tensor, reduction: str, log_target: bool) -> Tensor:
    if reduction != "batchmean":
        reduction = named_reduction(None, None, reduction)
    for name, tensor in (("input", input), ("target", target)):
        if not tensor.is_floating_point():
            raise RuntimeError(f"expected floating-point numbers, but the {name} is {tensor.dtype}")
    input, target = autocast_float32(input, target)
    dtype = torch.promote_types(input.dtype, target.dtype)
    x, y = torch.broadcast_tensors(input.to(dtype), target.to(dtype))
    loss = apply(LogKLDivFunction if log_target else KLDivFunction, x, y, None, reduction)
    if reduction == "batchmean" and x.shape[:1] != input.shape[:1]:  # the input's rows count
        loss = mul(loss, math.prod(x.shape[:1]) / math.prod(input.shape[:1]))
    return loss


class KLDivLoss(nn.KLDivLoss):
    """:class:`torch.nn.KLDivLoss` derived by hand: logarithms against probabilities."""

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Y (log y - x), reduced."""
        _warn_of_mean(self.reduction, stacklevel=5)
        return _kl_div(input, target, self.reduction, self.log_target)
