"""Adadelta: a step size for every parameter, from its own past gradients and steps (Zeiler 2012).

The size of gradients and steps is their root mean square over a decaying past:

    E[x^2]_t = rho E[x^2]_{t-1} + (1 - rho) x_t^2,    RMS[x]_t = sqrt(E[x^2]_t + eps)

The step takes its sign from the gradient g and its size from the steps before it, so that it has
the unit of theta, which a plain gradient has not (the paper has alpha = 1):

    step_t = - RMS[step]_{t-1} / RMS[g]_t g_t,    theta <- theta + alpha step_t
"""

from __future__ import annotations

import torch
from torch import Tensor

from manualnn.optim.optimizer import Group, HandWrittenStep


def adadelta_update(
    param: Tensor,
    grad: Tensor,
    square_avg: Tensor,
    acc_delta: Tensor,
    *,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Take one step of Adadelta.

    Args:
        param: theta, any shape.
        grad: g = dL/dtheta, same shape.
        square_avg: E[g^2] of the step before, same shape; zeros before the first step.
        acc_delta: E[step^2] of the step before, same shape; zeros before the first step.
        lr: alpha, at least 0.
        rho: Decay of both averages, 0 to 1.
        eps: Keeps the first steps from being zero, at least 0.
        weight_decay: Factor of theta that is added to its gradient, at least 0.
        maximize: Whether to climb instead of descending.

    Returns:
        The next theta, E[g^2] and E[step^2].

    Source: Zeiler, "ADADELTA: An adaptive learning rate method", arXiv 1212.5701, Algorithm 1.
    """
    if maximize:
        grad = -grad
    if weight_decay != 0:
        grad = grad + weight_decay * param
    square_avg = rho * square_avg + (1 - rho) * grad.square()
    step = -(acc_delta + eps).sqrt() / (square_avg + eps).sqrt() * grad
    acc_delta = rho * acc_delta + (1 - rho) * step.square()
    return param + lr * step, square_avg, acc_delta


class Adadelta(HandWrittenStep, torch.optim.Adadelta):
    """Adadelta; steps as ``torch.optim.Adadelta`` does, and shares its state_dict.

    Args:
        params: Parameters, named parameters, or dicts of parameter groups.
        lr: Factor of every step, at least 0; a number or a tensor of one element.
        rho: Decay of the running averages, 0 to 1.
        eps: Added under both square roots, at least 0.
        weight_decay: Factor of the parameter that is added to its gradient, at least 0.
        maximize: Whether to climb instead of descending.
        foreach, capturable, differentiable: Other implementations of torch's; True is refused.

    Raises:
        ValueError: An argument is out of its range or not supported, or a parameter is complex.

    Source: Zeiler 2012, see ``adadelta_update``.
    """

    def update(self, param: Tensor, grad: Tensor, lr: float, group: Group) -> Tensor:
        """Take one step of ``adadelta_update``; remember its averages and the number of steps."""
        state = self.state[param]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["square_avg"] = torch.zeros_like(param)
            state["acc_delta"] = torch.zeros_like(param)
        state["step"] = state["step"] + 1
        next_param, state["square_avg"], state["acc_delta"] = adadelta_update(
            param,
            grad,
            state["square_avg"],
            state["acc_delta"],
            lr=lr,
            rho=group["rho"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )
        return next_param
