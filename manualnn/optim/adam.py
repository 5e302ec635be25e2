"""Adam: momentum, and a step size for every parameter from the size of its gradients.

Two decaying averages of the gradient g: of itself, m, its direction; of its square, v, its size.
Both start at 0 and are therefore too small at first, by the factor 1 - beta^t after t steps:

    m_t = beta1 m_{t-1} + (1 - beta1) g_t,      m^_t = m_t / (1 - beta1^t)
    v_t = beta2 v_{t-1} + (1 - beta2) g_t^2,    v^_t = v_t / (1 - beta2^t)

    theta <- theta - alpha m^_t / (sqrt(v^_t) + eps)

No step is much larger than alpha, whatever the unit of the objective. AMSGrad puts the largest
v so far in the place of v_t, so that the step sizes of a parameter never grow again.

Weight decay lambda adds lambda theta to g. Under the root, that would decay a parameter the less,
the larger its gradients are; AdamW decays theta itself instead, all alike:

    theta <- (1 - alpha lambda) theta
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

from manualnn.optim.optimizer import Group, HandWrittenStep


def adam_update(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    max_exp_avg_sq: Tensor | None = None,
    *,
    step: float,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Take one step of Adam, or of AdamW where the weight decay is decoupled.

    Args:
        param: theta, any shape.
        grad: g = dL/dtheta, same shape.
        exp_avg: m of the step before, same shape; zeros before the first step.
        exp_avg_sq: v of the step before, same shape; zeros before the first step.
        max_exp_avg_sq: the largest v so far, same shape, for AMSGrad; zeros before the first step.
        step: t, 1 for the first step.
        lr: alpha, at least 0.
        beta1: Decay of m, at least 0 and less than 1.
        beta2: Decay of v, at least 0 and less than 1.
        eps: Keeps a step finite where all gradients were zero, at least 0.
        weight_decay: lambda, at least 0.
        maximize: Whether to climb instead of descending.
        decoupled_weight_decay: Whether theta itself decays, and not its gradient grows.

    Returns:
        The next theta, m, v and largest v.

    Source: Kingma and Ba, "Adam: A method for stochastic optimization", arXiv 1412.6980,
    Algorithm 1; Reddi et al., "On the convergence of Adam and beyond", arXiv 1904.09237;
    Loshchilov and Hutter, "Decoupled weight decay regularization", arXiv 1711.05101.
    """
    if maximize:
        grad = -grad
    if weight_decay != 0:
        if decoupled_weight_decay:
            param = (1 - lr * weight_decay) * param
        else:
            grad = grad + weight_decay * param
    exp_avg = beta1 * exp_avg + (1 - beta1) * grad
    exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * grad.square()
    size = exp_avg_sq
    if max_exp_avg_sq is not None:
        size = max_exp_avg_sq = torch.maximum(max_exp_avg_sq, exp_avg_sq)
    step_size = lr / (1 - beta1**step)
    denominator = size.sqrt() / sqrt(1 - beta2**step) + eps
    return param - step_size * exp_avg / denominator, exp_avg, exp_avg_sq, max_exp_avg_sq


class Adam(HandWrittenStep, torch.optim.Adam):
    """Adam; steps as ``torch.optim.Adam`` does, and shares its state_dict.

    Args:
        params: Parameters, named parameters, or dicts of parameter groups.
        lr: Largest step, about, at least 0; a number or a tensor of one element.
        betas: Decays of the averages of gradients and of their squares, at least 0, less than 1.
        eps: Added to the root of the averaged squares, at least 0.
        weight_decay: Factor of the parameter that is added to its gradient, at least 0.
        amsgrad: Whether to divide by the largest average of squares so far.
        maximize: Whether to climb instead of descending.
        decoupled_weight_decay: Whether the parameter itself decays, as in AdamW.
        foreach, capturable, differentiable, fused: Other implementations of torch's; True is
            refused.

    Raises:
        ValueError: An argument is out of its range or not supported, or a parameter is complex.

    Source: Kingma and Ba 2014, see ``adam_update``.
    """

    def update(self, param: Tensor, grad: Tensor, lr: float, group: Group) -> Tensor:
        """Take one step of ``adam_update``; remember its averages and the number of steps."""
        state = self.state[param]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(param)
            state["exp_avg_sq"] = torch.zeros_like(param)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = torch.zeros_like(param)
        state["step"] = state["step"] + 1
        beta1, beta2 = map(float, group["betas"])
        next_param, state["exp_avg"], state["exp_avg_sq"], largest = adam_update(
            param,
            grad,
            state["exp_avg"],
            state["exp_avg_sq"],
            state["max_exp_avg_sq"] if group["amsgrad"] else None,
            step=state["step"].item(),
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
            decoupled_weight_decay=group["decoupled_weight_decay"],
        )
        if largest is not None:
            state["max_exp_avg_sq"] = largest
        return next_param


class AdamW(Adam, torch.optim.AdamW):
    """Adam whose parameters decay by themselves; steps and state as of ``torch.optim.AdamW``.

    Args:
        params: Parameters, named parameters, or dicts of parameter groups.
        lr: Largest step, about, at least 0; a number or a tensor of one element.
        betas: Decays of the averages of gradients and of their squares, at least 0, less than 1.
        eps: Added to the root of the averaged squares, at least 0.
        weight_decay: lambda; each step takes the share ``lr * weight_decay`` of a parameter away.
        amsgrad: Whether to divide by the largest average of squares so far.
        maximize: Whether to climb instead of descending.
        foreach, capturable, differentiable, fused: Other implementations of torch's; True is
            refused.

    Raises:
        ValueError: An argument is out of its range or not supported, or a parameter is complex.

    Source: Loshchilov and Hutter 2017, see ``adam_update``.
    """
