"""Binary cross-entropy: how surprised the network is by a yes or no.

Forward, for each element, with the probability p of yes, and y from 0 (no) to 1 (yes)::

    l = -(y log p + (1 - y) log(1 - p)),          each logarithm at least -100, as in torch

    dl/dp = (p - y) / (p (1 - p)),                the denominator at least 1e-12
    dl/dy = log(1 - p) - log p

Better is to leave the sigmoid to the loss, p = sigmoid(x) (Eq. 8), as both logarithms are then
finite: log(1 - p) = log p - x. With a weight w for yes, to trade misses for false alarms::

    l = (1 - y) x - c log sigmoid(x),             c = 1 - y + w y

    dl/dx = (1 - y) - c sigmoid(-x),              as d/dx log sigmoid(x) = sigmoid(-x)
    dl/dy = log sigmoid(-x) - w log sigmoid(x),   as log sigmoid(-x) = log sigmoid(x) - x
    dl/dw = -y log sigmoid(x)

Without w these are the well-known dl/dx = sigmoid(x) - y, and dl/dy = -x. The logarithm
log sigmoid(x) = -log(1 + exp(-x)) is an activation of its own, whose derivative can be read off
its output z, sigmoid(-x) = 1 - exp(z).

Shapes: x or p, y and w all the same, after broadcasting w.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from manualnn.autograd import apply, autocast_float32, led_nowhere
from manualnn.layers.activations import elementwise, sigmoid
from manualnn.losses.elementwise import (
    elementwise_loss,
    floating,
    require_constant,
    require_numbers,
    require_shape,
)
from manualnn.losses.reduction import named_reduction

SMALLEST_DENOMINATOR = 1e-12


def surprise(input: Tensor, target: Tensor) -> Tensor:
    """-(y log p + (1 - y) log(1 - p)), element by element; refuses what is not from 0 to 1."""
    return nn.functional.binary_cross_entropy(input, target, reduction="none")


def surprise_grad_input(delta: Tensor, input: Tensor, target: Tensor) -> Tensor:
    """dL/dp = delta (p - y) / (p (1 - p)), element by element."""
    return delta * (input - target) / ((1 - input) * input).clamp_min(SMALLEST_DENOMINATOR)


def surprise_grad_target(delta: Tensor, input: Tensor, target: Tensor) -> Tensor:
    """dL/dy = delta (log(1 - p) - log p), element by element."""
    return delta * ((-input).log1p() - input.log())


def log_sigmoid_grad_input(grad_output: Tensor, output: Tensor) -> Tensor:
    """dL/dx = delta (1 - exp(z)), any shape; expm1 keeps its digits where z is small."""
    return grad_output * -torch.expm1(output)


LogSigmoidFunction = elementwise(
    "LogSigmoidFunction", nn.functional.logsigmoid, log_sigmoid_grad_input
)


def log_sigmoid(input: Tensor) -> Tensor:
    """Log sigmoid(x) = -log(1 + exp(-x)), any shape."""
    return apply(LogSigmoidFunction, input)


def yes_or_no(target: Tensor, pos_weight: Tensor | None) -> Tensor | float:
    """c = 1 - y + w y, element by element; 1 without w."""
    return 1.0 if pos_weight is None else 1 + (pos_weight - 1) * target


def logit_surprise(input: Tensor, target: Tensor, pos_weight: Tensor | None) -> Tensor:
    """(1 - y) x - c log sigmoid(x), element by element."""
    log_p = nn.functional.logsigmoid(input)
    return (1 - target) * input - yes_or_no(target, pos_weight) * log_p


def logit_surprise_grad_input(
    delta: Tensor, input: Tensor, target: Tensor, pos_weight: Tensor | None
) -> Tensor:
    """dL/dx = delta ((1 - y) - c sigmoid(-x)), element by element; sigmoid(x) - y without w."""
    if pos_weight is None:
        return delta * (sigmoid(input) - target)
    return delta * ((1 - target) - yes_or_no(target, pos_weight) * sigmoid(-input))


def logit_surprise_grad_target(
    delta: Tensor, input: Tensor, target: Tensor, pos_weight: Tensor | None
) -> Tensor:
    """dL/dy = delta (log sigmoid(-x) - w log sigmoid(x)), element by element; -x without w."""
    if pos_weight is None:
        return -delta * input
    return delta * (log_sigmoid(-input) - pos_weight * log_sigmoid(input))


def logit_surprise_grad_weight(
    delta: Tensor, input: Tensor, target: Tensor, pos_weight: Tensor
) -> Tensor:
    """dL/dw = -delta y log sigmoid(x), element by element."""
    return -delta * target * log_sigmoid(input)


BCEFunction = elementwise_loss("BCEFunction", surprise, surprise_grad_input, surprise_grad_target)
BCEWithLogitsFunction = elementwise_loss(
    "BCEWithLogitsFunction",
    logit_surprise,
    logit_surprise_grad_input,
    logit_surprise_grad_target,
    logit_surprise_grad_weight,
)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """:func:`torch.nn.functional.binary_cross_entropy`, derived by hand.

    Args:
        input: p, the probability of yes, from 0 to 1; any shape.
        target: y, from 0 to 1, the same shape and dtype.
        weight: of each element, a constant that is broadcast to the input's shape.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" or "sum"; the mean divides by the number of elements.

    Returns:
        The loss: () or, for "none", the elements' losses.

    Raises:
        ValueError: if the reduction is unknown, or the shapes differ.
        RuntimeError: if a probability is not from 0 to 1, the dtypes differ, the weight cannot be
            broadcast or requires a gradient, or autocast is on for a GPU.
        NotImplementedError: for integers.
    """
    reduction = named_reduction(size_average, reduce, reduction)
    require_shape("target", target, input.shape)
    require_constant("weight", weight)
    if input.is_cuda and torch.is_autocast_enabled("cuda"):
        raise RuntimeError(
            "binary_cross_entropy and BCELoss are unsafe to autocast, as a probability near 1 has "
            "few digits in half precision; use BCEWithLogitsLoss, which takes x before the sigmoid"
        )
    input, target = autocast_float32(input, target)
    floating(input, target)
    if target.dtype != input.dtype:
        raise RuntimeError(f"the target is {target.dtype}, but should be the input's {input.dtype}")
    if weight is not None:
        weight = weight.to(input.dtype).expand(input.shape)
    try:
        return apply(BCEFunction, input, target, weight, reduction)
    except RuntimeError as error:
        if "between 0 and 1" not in str(error):
            raise
        low, high = (torch.stack([f(t) for t in (input, target)]) for f in (torch.min, torch.max))
        raise RuntimeError(
            f"{error}, but got an input from {low[0]} to {high[0]} and a target from {low[1]} to "
            f"{high[1]}; BCEWithLogitsLoss takes any input"
        ) from None


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """:func:`torch.nn.functional.binary_cross_entropy_with_logits`, derived by hand.

    Args:
        input: x, any real numbers, any shape.
        target: y, from 0 to 1, the same shape; the loss has its dtype.
        weight: of each element, a constant that is broadcast to the input's shape.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" or "sum"; the mean divides by the number of elements.
        pos_weight: w, the weight of yes, a constant that is broadcast to the input's shape.

    Returns:
        The loss: () or, for "none", the elements' losses.

    Raises:
        ValueError: if the reduction is unknown, or the shapes differ.
        RuntimeError: if the target holds integers, or a weight cannot be broadcast or requires a
            gradient.
        NotImplementedError: if the input holds integers, or the target truth values.
    """
    reduction = named_reduction(size_average, reduce, reduction)
    require_shape("target", target, input.shape)
    require_constant("weight", weight)
    require_constant("pos_weight", pos_weight)
    input, target = autocast_float32(input, target)
    require_numbers(input, target)
    dtype = torch.promote_types(input.dtype, target.dtype)
    weight, pos_weight = (
        None if t is None else t.to(dtype).expand(input.shape) for t in (weight, pos_weight)
    )
    loss = apply(
        BCEWithLogitsFunction, input.to(dtype), target.to(dtype), pos_weight, weight, reduction
    )
    return loss.to(target.dtype)


class BCELoss(nn.BCELoss):
    """:class:`torch.nn.BCELoss` derived by hand: probabilities and targets of any shape."""

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """-(y log p + (1 - y) log(1 - p)), reduced."""
        return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(nn.BCEWithLogitsLoss):
    """:class:`torch.nn.BCEWithLogitsLoss` derived by hand: sigmoid and cross-entropy in one."""

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """-(w y log sigmoid(x) + (1 - y) log sigmoid(-x)), reduced."""
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
