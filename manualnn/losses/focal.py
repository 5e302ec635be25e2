"""Focal loss: binary cross-entropy that leaves the easy examples alone.

In dense detection nearly all places are background, and easy. With p = sigmoid(x) (Eq. 8) and y
from 0 (background) to 1 (object)::

    c = -(y log sigmoid(x) + (1 - y) log sigmoid(-x))     the binary cross-entropy
    q = y sigmoid(-x) + (1 - y) sigmoid(x)                how far p misses the truth, 0 to 1
    a = y alpha + (1 - y) (1 - alpha)                     balances the classes; 1 without alpha

    l = a c q^gamma

Every sum above has terms of one sign, so no digits cancel, however sure the network is: 1 - p is
sigmoid(-x) itself, where 1 minus a rounded p would be 0. By the product rule::

    dc/dx = (1 - y) sigmoid(x) - y sigmoid(-x)            dc/dy = -x
    dq/dx = (1 - 2 y) sigmoid(x) sigmoid(-x)              dq/dy = sigmoid(-x) - sigmoid(x)

    dl/dx = a (q^gamma dc/dx + gamma c q^(gamma - 1) dq/dx)
    dl/dy = a (q^gamma dc/dy + gamma c q^(gamma - 1) dq/dy) + (2 alpha - 1) c q^gamma

For y = 0 or 1 and an x beyond all bounds, q is 0 in floating point, and q^(gamma - 1) infinite for
gamma < 1, in a product with zeros. The smallest positive number in place of 0 keeps it finite.

Source: Lin et al. 2017, "Focal loss for dense object detection", arXiv 1708.02002.
"""

from __future__ import annotations

import torch
from torch import Tensor

from manualnn.autograd import apply, autocast_float32
from manualnn.layers.activations import sigmoid
from manualnn.losses.binary_cross_entropy import log_sigmoid
from manualnn.losses.elementwise import elementwise_loss, require_numbers, require_shape
from manualnn.losses.reduction import named_reduction


def surprise(input: Tensor, target: Tensor) -> Tensor:
    """c = -(y log sigmoid(x) + (1 - y) log sigmoid(-x)), element by element."""
    return -(target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))


def miss(input: Tensor, target: Tensor) -> Tensor:
    """q = y sigmoid(-x) + (1 - y) sigmoid(x), element by element, and never quite 0."""
    missed = target * sigmoid(-input) + (1 - target) * sigmoid(input)
    return torch.where(missed == 0, torch.finfo(missed.dtype).tiny, missed)


def balance(target: Tensor, alpha: float) -> Tensor | float:
    """a = y alpha + (1 - y) (1 - alpha), element by element; 1 without alpha (-1)."""
    return 1.0 if alpha < 0 else target * alpha + (1 - target) * (1 - alpha)


def focal(input: Tensor, target: Tensor, alpha: float, gamma: float) -> Tensor:
    """l = a c q^gamma, element by element."""
    return balance(target, alpha) * surprise(input, target) * miss(input, target) ** gamma


def focal_slope(
    d_surprise: Tensor, d_miss: Tensor, input: Tensor, target: Tensor, gamma: float
) -> Tensor:
    """d(c q^gamma) = q^gamma dc + gamma c q^(gamma - 1) dq, element by element."""
    missed = miss(input, target)
    by_miss = gamma * surprise(input, target) * missed ** (gamma - 1)
    return missed**gamma * d_surprise + by_miss * d_miss


def focal_grad_input(
    delta: Tensor, input: Tensor, target: Tensor, alpha: float, gamma: float
) -> Tensor:
    """dL/dx = delta a d(c q^gamma)/dx, element by element."""
    yes, no = sigmoid(input), sigmoid(-input)
    d_surprise, d_miss = (1 - target) * yes - target * no, (1 - 2 * target) * yes * no
    return delta * balance(target, alpha) * focal_slope(d_surprise, d_miss, input, target, gamma)


def focal_grad_target(
    delta: Tensor, input: Tensor, target: Tensor, alpha: float, gamma: float
) -> Tensor:
    """dL/dy = delta (a d(c q^gamma)/dy + (2 alpha - 1) c q^gamma), element by element."""
    d_surprise, d_miss = -input, sigmoid(-input) - sigmoid(input)
    slope = balance(target, alpha) * focal_slope(d_surprise, d_miss, input, target, gamma)
    if alpha >= 0:
        slope = slope + (2 * alpha - 1) * focal(input, target, -1.0, gamma)
    return delta * slope


FocalFunction = elementwise_loss("FocalFunction", focal, focal_grad_input, focal_grad_target)


def sigmoid_focal_loss(
    inputs: Tensor,
    targets: Tensor,
    alpha: float = 0.25,
    gamma: float = 2,
    reduction: str = "none",
) -> Tensor:
    """``torchvision.ops.sigmoid_focal_loss``, derived by hand; torchvision is not needed.

    Args:
        inputs: x, any real numbers, any shape.
        targets: y, from 0 to 1, the same shape.
        alpha: the weight of objects, from 0 to 1, beside 1 - alpha for background; -1 for none.
        gamma: how much less an easy example counts; 0 is binary cross-entropy.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss: () or, for "none", the elements' losses.

    Raises:
        ValueError: if alpha or the reduction is not one of these, or the shapes differ.
        RuntimeError: if the targets are integers.
        NotImplementedError: if the inputs are integers, or the targets truth values.
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise ValueError(f"alpha must be from 0 to 1, or -1 for none, but got {alpha}")
    reduction = named_reduction(None, None, reduction)
    require_shape("target", targets, inputs.shape)
    require_numbers(inputs, targets)
    inputs, targets = autocast_float32(inputs, targets)
    dtype = torch.promote_types(inputs.dtype, targets.dtype)
    inputs, targets = inputs.to(dtype), targets.to(dtype)
    return apply(FocalFunction, inputs, targets, float(alpha), float(gamma), None, reduction)
