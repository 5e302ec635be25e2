"""Stochastic gradient descent (Eq. 20), with momentum, Nesterov's variant and weight decay.

    theta <- theta - alpha dL/dtheta    (Eq. 20)

Momentum (Polyak 1964) replaces the gradient g by a decaying sum of all gradients so far, the
velocity v. With momentum mu and dampening tau:

    v_1 = g_1,    v_t = mu v_{t-1} + (1 - tau) g_t,    theta <- theta - alpha v_t

Nesterov's variant (Sutskever et al. 2013) looks one step ahead:

    theta <- theta - alpha (g_t + mu v_t)

Weight decay lambda adds the gradient of (lambda / 2) ||theta||^2, which is lambda theta, to g.
"""

from __future__ import annotations

import torch
from torch import Tensor

from manualnn.optim.optimizer import Group, HandWrittenStep


def sgd_update(
    param: Tensor,
    grad: Tensor,
    velocity: Tensor | None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Take one step of gradient descent.

    Args:
        param: theta, any shape.
        grad: dL/dtheta, same shape.
        velocity: v of the step before, same shape; None before the first step.
        lr: Learning rate alpha, at least 0.
        momentum: mu, at least 0; 0 is Eq. 20.
        dampening: tau, the part of each new gradient that the velocity leaves out.
        weight_decay: lambda, at least 0.
        nesterov: Whether to look one step ahead.
        maximize: Whether to climb instead of descending.

    Returns:
        The next theta and the next velocity.

    Source: Eq. 20; Sutskever et al., "On the importance of initialization and momentum in deep
    learning", 2013.
    """
    if maximize:
        grad = -grad
    if weight_decay != 0:
        grad = grad + weight_decay * param
    if momentum == 0:
        return param - lr * grad, velocity
    velocity = grad.clone() if velocity is None else momentum * velocity + (1 - dampening) * grad
    direction = grad + momentum * velocity if nesterov else velocity
    return param - lr * direction, velocity


class SGD(HandWrittenStep, torch.optim.SGD):
    """Stochastic gradient descent; steps as ``torch.optim.SGD`` does, and shares its state_dict.

    Args:
        params: Parameters, named parameters, or dicts of parameter groups.
        lr: Learning rate, at least 0; a number or a tensor of one element.
        momentum: Share of the velocity that is kept from step to step, at least 0.
        dampening: Part of each new gradient that the velocity leaves out; not for the first step.
        weight_decay: Factor of the parameter that is added to its gradient, at least 0.
        nesterov: Whether to look one step ahead; needs momentum and no dampening.
        maximize: Whether to climb instead of descending.
        foreach, differentiable, fused: Other implementations of torch's; True is refused.

    Raises:
        ValueError: An argument is out of its range or not supported, or a parameter is complex.

    Source: Eq. 20, see ``sgd_update``.
    """

    def update(self, param: Tensor, grad: Tensor, lr: float, group: Group) -> Tensor:
        """Take one step of ``sgd_update``; the velocity is remembered as ``momentum_buffer``."""
        next_param, velocity = sgd_update(
            param,
            grad,
            self.state.get(param, {}).get("momentum_buffer"),
            lr=lr,
            momentum=group["momentum"],
            dampening=group["dampening"],
            weight_decay=group["weight_decay"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
        )
        if velocity is not None:
            self.state[param]["momentum_buffer"] = velocity
        return next_param
