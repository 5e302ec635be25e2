"""Batch normalisation (report, sections 4.2.7 and 4.2.8).

Forward, per channel c, with n = R H W values in each; Eq. 52-55::

    mu  = 1/n sum_{r, h, w} X                    xhat = (X - mu) istd,  istd = (var + eps)^(-1/2)
    var = 1/n sum_{r, h, w} (X - mu)^2           Y    = gamma xhat + beta

Let delta = dL/dY. X reaches L through xhat, and through mu and var of its whole channel, which
have every sample in them::

    dL/dbeta  = sum_{r, h, w} delta                                                      (Eq. 67)
    dL/dgamma = sum_{r, h, w} delta xhat                                                 (Eq. 66)
    dL/dX     = gamma istd (delta - dL/dbeta / n - xhat dL/dgamma / n)                   (Eq. 65)

This is normalisation over the axes R, H, W with gamma and beta along C; normalisation.py derives
it once for batch, layer, group and instance norm, and has the formulas and their Function.

With given statistics (in evaluation) mu and var are constants and only the first term is left:
dL/dX = gamma istd delta.

Running statistics, Eq. 56-57: running <- (1 - alpha) running + alpha batch, alpha = ``momentum``.

Corrected: the last line of Eq. 65 leaves (var + eps)^(-3/2) in the bracket where -1 is left after
(var + eps)^(-1/2) is taken out; Eq. 66 and 67 divide by R, and must not. As in PyTorch, the running
variance takes n / (n - 1) var, the unbiased estimate; the report takes var.

Shapes: X, Y and delta (R, C, ...); per-channel values (C) outside, (1, C, 1, ...) in the formulas.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, is_batched, led_nowhere
from manualnn.layers.normalisation import (
    Axes,
    NormalisationFunction,
    at_least_float32,
    check_numbers,
    inverse_std,
    norm_forward,
    set_size,
    sum_delta,
    sum_delta_xhat,
    times,
)

CHANNELS = (1,)


def sample_axes(input: Tensor) -> tuple[int, ...]:
    """All axes but the channels: 0, 2, 3, ..."""
    return (0, *range(2, input.dim()))


def per_channel(input: Tensor, *values: Tensor | None) -> tuple[Any, ...]:
    """Each (C) as (1, C, 1, ...), to be broadcast over the input; None stays None."""
    shape = (1, -1, *(1,) * (input.dim() - 2))
    return tuple(v if v is None else v.reshape(shape) for v in values)


def running_update(running: Tensor, batch: Tensor, momentum: float | Tensor) -> Tensor:
    """running <- (1 - alpha) running + alpha batch (Eq. 56-57), in place: (C), (C) -> (C)."""
    return running.mul_(1 - momentum).add_(momentum * batch)


class BatchNormGivenFunction(Function):
    """Y by given statistics (Eq. 54-55), which are constants: (1, C, 1, ...), as gamma and beta."""

    @staticmethod
    def forward(
        input: Tensor,
        mean: Tensor,
        var: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
    ) -> Tensor:
        centred = at_least_float32(input) - mean
        return norm_forward(centred, inverse_std(var, eps), weight, bias).to(input.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, mean, var, weight, _, ctx.eps = inputs
        needs_weight = ctx.needs_input_grad[3]
        ctx.save_for_backward(input if needs_weight else None, mean, var, weight)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        input, mean, var, weight = ctx.saved_tensors
        needs_input, _, _, needs_weight, needs_bias, _ = ctx.needs_input_grad
        istd, axes = inverse_std(var, ctx.eps), sample_axes(grad_output)
        grad_input = grad_weight = grad_bias = None
        if needs_input:
            grad_input = grad_output * times(istd, weight)
        if needs_weight:
            grad_weight = sum_delta_xhat(grad_output, input - mean, istd, axes)
        if needs_bias:
            grad_bias = sum_delta(grad_output, axes)
        return grad_input, None, None, grad_weight, grad_bias, None

    @staticmethod
    def jvp(
        ctx: Any,
        d_input: Tensor,
        d_mean: Tensor | None,
        d_var: Tensor | None,
        d_weight: Tensor | None,
        d_bias: Tensor | None,
        _: None,
    ) -> Tensor:
        input, mean, var, weight = ctx.saved_tensors
        istd = inverse_std(var, ctx.eps)
        d_output = d_input * times(istd, weight)
        if d_weight is not None:
            d_output = d_output + (input - mean) * (istd * d_weight)
        if d_bias is not None:
            d_output = d_output + d_bias
        return d_output.to(input.dtype)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """:func:`torch.nn.functional.batch_norm` with the report's backward pass (Eq. 52-57, 65-67).

    Args:
        input: (R, C, ...).
        running_mean: (C), updated in training; may be None there.
        running_var: (C), updated in training by the unbiased variance; may be None there.
        weight: gamma, (C), or None for 1.
        bias: beta, (C), or None for 0.
        training: normalise by the batch's statistics instead of the running ones.
        momentum: alpha, the weight of the batch in the running statistics, from 0 to 1.
        eps: added to the variance; at least 0, and above 0 in training.

    Returns:
        Y, of the input's shape and dtype.

    Raises:
        ValueError: if eps is too small, a channel has one value only in training, or one of the
            running statistics is given and the other is not.
        NotImplementedError: if the input does not hold floating-point numbers.
        RuntimeError: if sizes or dtypes do not fit, or statistics are missing in evaluation, or
            running statistics would be updated under ``torch.vmap``.
    """
    _check(input, training, eps)
    check_per_channel(input, running_mean, running_var, weight, bias, training)
    statistics = (running_mean, running_var)
    if training:
        axes = Axes(sample_axes(input), CHANNELS)
        return norm_by_batch(input, *statistics, weight, bias, axes, momentum, eps)
    return apply(BatchNormGivenFunction, input, *per_channel(input, *statistics, weight, bias), eps)


def norm_by_batch(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    axes: Axes,
    momentum: float | Tensor,
    eps: float,
) -> Tensor:
    """Y by statistics over the axes given, by which the running ones, (C), are updated."""
    gamma, beta = per_channel(input, weight, bias)
    if input.numel() == 0:  # no values, no statistics: nothing to normalise and nothing to update
        (mean,) = per_channel(input, input.new_zeros(input.shape[1]))
        return apply(BatchNormGivenFunction, input, mean, mean + 1, gamma, beta, eps)
    output, mean, var = apply(NormalisationFunction, input, gamma, beta, axes, eps)
    update_running(running_mean, running_var, mean, var, set_size(input, axes), momentum)
    return output


def update_running(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    mean: Tensor,
    var: Tensor,
    n: int | Tensor,
    momentum: float | Tensor,
) -> None:
    """Move the running statistics, (C), towards the batch's, the mean over instances: (R, C, ...).

    Batch norm is one instance. The variance is the unbiased estimate from n values.
    """
    with torch.no_grad():
        if running_mean is not None:
            running_update(running_mean, _over_instances(mean), momentum)
        if running_var is not None:
            running_update(running_var, _over_instances(var) * (n / (n - 1)), momentum)


def _over_instances(statistics: Tensor) -> Tensor:
    """Their mean over instances: (R, C, 1, ...) -> (C)."""
    return (statistics if len(statistics) == 1 else statistics.mean(0)).reshape(-1)


def _check(input: Tensor, training: bool, eps: float) -> None:
    if input.dim() < 2:
        raise RuntimeError(f"expected an input (R, C, ...), but got {tuple(input.shape)}")
    check_numbers(input)
    if eps < 0 or (training and eps == 0):
        least = "above 0 in training" if training else "at least 0"
        raise ValueError(f"eps must be {least}, but got {eps}")
    if training and input.numel() == input.shape[1] > 0:
        raise ValueError(
            "expected more than one value per channel in training, but got an input of size "
            f"{tuple(input.shape)}; use a larger batch, or evaluation mode"
        )


def check_per_channel(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
) -> None:
    """Refuse per-channel values that do not fit the input, as :func:`batch_norm` says."""
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("running_mean and running_var are needed in evaluation, but got None")
    if (running_mean is None) != (running_var is None):
        missing = "running_mean" if running_mean is None else "running_var"
        raise ValueError(f"expected both running statistics or none, but {missing} is None")
    values = {
        "running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias
    }  # fmt: skip
    for name, value in values.items():
        if value is None:
            continue
        if value.numel() != input.shape[1]:
            raise RuntimeError(
                f"{name} should contain {input.shape[1]} elements, one per channel of the input "
                f"{tuple(input.shape)}, but has {value.numel()}"
            )
        check_numbers(input, **{name: value})
        if name.startswith("running") and value.requires_grad:
            raise RuntimeError(f"{name} is a constant, but requires a gradient; pass it detached")
        if training and name.startswith("running") and is_batched(input) and not is_batched(value):
            raise RuntimeError(
                f"torch.vmap maps over the input but not over {name}, which training updates; use "
                "track_running_stats=False, evaluation mode, or map over the statistics as well"
            )


class HandDerivedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """The forward pass of BatchNorm1d, BatchNorm2d and BatchNorm3d; all else is torch.nn's."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """Y of Eq. 55; in training, updates the running statistics and counts the batch."""
        self._check_input_dim(input)
        tracks = self.training and self.track_running_stats
        seen = self.num_batches_tracked if tracks else None
        momentum: float | Tensor = 0.0 if self.momentum is None else self.momentum
        if self.momentum is None and seen is not None:  # the plain average of all batches so far
            momentum = 1 / (seen + 1).double()
        uses_running = tracks or not self.training
        output = self._norm(
            input,
            self.running_mean if uses_running else None,
            self.running_var if uses_running else None,
            self.weight,
            self.bias,
            self.training or (self.running_mean is None and self.running_var is None),
            momentum,
            self.eps,
        )
        if seen is not None:
            seen.add_(1)
        return output

    def _norm(self, input: Tensor, *arguments: Any) -> Tensor:
        """The function behind the layer; that of synchronised batch norm is another."""
        return batch_norm(input, *arguments)


class BatchNorm1d(HandDerivedBatchNorm, nn.BatchNorm1d):
    """:class:`torch.nn.BatchNorm1d` with the report's backward pass, over (R, C) or (R, C, W)."""


class BatchNorm2d(HandDerivedBatchNorm, nn.BatchNorm2d):
    """:class:`torch.nn.BatchNorm2d` with the report's backward pass, over (R, C, H, W).

    Same arguments, initialisation, state_dict and errors as its twin. Source: Eq. 52-57 and 65-67.
    Unlike its twin (torch 2.15) it can be differentiated any number of times, in both modes.

    >>> BatchNorm2d(3)(torch.randn(2, 3, 16, 16)).shape
    torch.Size([2, 3, 16, 16])
    """


class BatchNorm3d(HandDerivedBatchNorm, nn.BatchNorm3d):
    """:class:`torch.nn.BatchNorm3d` with the report's backward pass, over (R, C, D, H, W)."""
