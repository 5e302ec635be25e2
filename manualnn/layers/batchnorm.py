"""Batch normalisation (report, sections 4.2.7 and 4.2.8).

Forward, per channel c, with n = R H W values in each; Eq. 52-55::

    mu  = 1/n sum_{r, h, w} X                    xhat = (X - mu) istd,  istd = (var + eps)^(-1/2)
    var = 1/n sum_{r, h, w} (X - mu)^2           Y    = gamma xhat + beta

Let delta = dL/dY. X reaches L through xhat, and through mu and var of its whole channel. With the
derivatives of the three (Eq. 60-64), dmu/dX = 1/n and dvar/dX = 2 (X - mu) / n, the chain rule
gives::

    dL/dbeta  = sum_{r, h, w} delta                                                      (Eq. 67)
    dL/dgamma = sum_{r, h, w} delta xhat                                                 (Eq. 66)
    dL/dX     = gamma istd (delta - dL/dbeta / n - xhat dL/dgamma / n)                   (Eq. 65)

Eq. 65 takes from gamma istd delta its mean and its part along xhat: the two directions in which a
change of X changes nothing. That is one affine map per channel, a delta + b (X - mu) + c.

mu and var are outputs of the Function too, as what a differentiable backward pass needs must be.
Their own cotangents add dL/dmu / n + dL/dvar 2 (X - mu) / n to dL/dX, so every order comes right.

With given statistics (in evaluation) mu and var are constants and only the first term is left:
dL/dX = gamma istd delta.

Running statistics, Eq. 56-57: running <- (1 - alpha) running + alpha batch, alpha = ``momentum``.

Corrected: the last line of Eq. 65 leaves (var + eps)^(-3/2) in the bracket where -1 is left after
(var + eps)^(-1/2) is taken out; Eq. 66 and 67 divide by R, and must not. As in PyTorch, the running
variance takes n / (n - 1) var, the unbiased estimate; the report takes var.

Shapes: X, Y and delta (R, C, ...), all per-channel values (C).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, is_batched


def channel_mean(input: Tensor) -> Tensor:
    """1/n sum_{r, h, w} X (Eq. 52; Eq. 53 of a square): (R, C, ...) -> (C)."""
    return input.mean(_sample_axes(input))


def inverse_std(var: Tensor, eps: float) -> Tensor:
    """istd = (var + eps)^(-1/2): (C) -> (C)."""
    return (var + eps).rsqrt()


def batch_norm_forward(
    centred: Tensor, istd: Tensor, weight: Tensor | None, bias: Tensor | None
) -> Tensor:
    """Y = gamma xhat + beta (Eq. 54-55), with xhat = (X - mu) istd: (R, C, ...)."""
    scale = _per_channel(_times(istd, weight), centred)
    if bias is None:
        return centred * scale
    return torch.addcmul(_per_channel(bias, centred), centred, scale)


def batch_norm_grad_bias(grad_output: Tensor) -> Tensor:
    """dL/dbeta = sum delta (Eq. 67): (R, C, ...) -> (C)."""
    return grad_output.sum(_sample_axes(grad_output))


def batch_norm_grad_weight(grad_output: Tensor, centred: Tensor, istd: Tensor) -> Tensor:
    """dL/dgamma = sum delta xhat (Eq. 66), with xhat = (X - mu) istd: (R, C, ...) -> (C)."""
    return (grad_output * centred).sum(_sample_axes(grad_output)) * istd


def batch_norm_grad_input(
    grad_output: Tensor,
    centred: Tensor,
    istd: Tensor,
    weight: Tensor | None,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_mean: Tensor | float = 0.0,
    grad_var: Tensor | float = 0.0,
) -> Tensor:
    """dL/dX = a delta + b (X - mu) + c (Eq. 65): (R, C, ...) -> (R, C, ...).

    Args:
        grad_output: delta, (R, C, ...).
        centred: X - mu, (R, C, ...).
        istd: (C).
        weight: gamma, (C), or None for 1.
        grad_weight: dL/dgamma of Eq. 66, (C).
        grad_bias: dL/dbeta of Eq. 67, (C).
        grad_mean: dL/dmu beyond what goes through Y, (C).
        grad_var: dL/dvar beyond what goes through Y, (C).
    """
    n = grad_output.numel() // grad_output.shape[1]
    a = _times(istd, weight)
    b = (2 * grad_var - a * istd * grad_weight) / n
    c = (grad_mean - a * grad_bias) / n
    a, b, c = (_per_channel(coefficient, centred) for coefficient in (a, b, c))
    return torch.addcmul(torch.addcmul(c, grad_output, a), centred, b)


def running_update(running: Tensor, batch: Tensor, momentum: float | Tensor) -> Tensor:
    """(1 - alpha) running + alpha batch (Eq. 56-57): (C), (C) -> (C)."""
    return (1 - momentum) * running + momentum * batch


def _sample_axes(input: Tensor) -> tuple[int, ...]:
    """All axes but the channels: 0, 2, 3, ..."""
    return (0, *range(2, input.dim()))


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    """(C) -> (1, C, 1, ...), to be broadcast over ``like``."""
    return values.reshape(1, -1, *(1,) * (like.dim() - 2))


def _times(istd: Tensor, weight: Tensor | None) -> Tensor:
    return istd if weight is None else istd * weight


def _at_least_float32(input: Tensor) -> Tensor:
    return input.float() if input.dtype in (torch.float16, torch.bfloat16) else input


class BatchNormFunction(Function):
    """Y by the batch's own statistics (Eq. 52-55), with mu and var."""

    @staticmethod
    def forward(
        input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = _at_least_float32(input)
        mean = channel_mean(x)
        centred = x - _per_channel(mean, x)
        var = channel_mean(centred * centred)
        output = batch_norm_forward(centred, inverse_std(var, eps), weight, bias)
        return output.to(input.dtype), mean, var

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        input, weight, _, ctx.eps = inputs
        _, mean, var = output
        ctx.save_for_backward(input, mean, var, weight)

    @staticmethod
    def backward(
        ctx: Any, grad_output: Tensor, grad_mean: Tensor, grad_var: Tensor
    ) -> tuple[Tensor | None, ...]:
        input, mean, var, weight = ctx.saved_tensors
        needs_input, needs_weight, needs_bias, _ = ctx.needs_input_grad
        istd = inverse_std(var, ctx.eps)
        centred = input - _per_channel(mean, input)
        sums = (
            batch_norm_grad_weight(grad_output, centred, istd),
            batch_norm_grad_bias(_at_least_float32(grad_output)),
        )
        grad_input = None
        if needs_input:
            grad_input = batch_norm_grad_input(
                grad_output, centred, istd, weight, *sums, grad_mean, grad_var
            )
        grad_weight, grad_bias = sums
        return (
            grad_input,
            grad_weight if needs_weight else None,
            grad_bias if needs_bias else None,
            None,
        )

    @staticmethod
    def jvp(
        ctx: Any, d_input: Tensor, d_weight: Tensor | None, d_bias: Tensor | None, _: None
    ) -> tuple[Tensor, Tensor, Tensor]:
        input, mean, var, weight = ctx.saved_tensors
        istd = inverse_std(var, ctx.eps)
        centred = input - _per_channel(mean, input)
        along_xhat = batch_norm_grad_weight(d_input, centred, istd)
        total = batch_norm_grad_bias(_at_least_float32(d_input))
        # dY/dX is symmetric: what carries delta back to X carries a tangent of X on to Y.
        d_output = batch_norm_grad_input(d_input, centred, istd, weight, along_xhat, total)
        if d_weight is not None:
            d_output = d_output + centred * _per_channel(istd * d_weight, input)
        if d_bias is not None:
            d_output = d_output + _per_channel(d_bias, input)
        n = input.numel() // input.shape[1]
        return d_output.to(input.dtype), total / n, 2 * along_xhat / (istd * n)


class BatchNormGivenFunction(Function):
    """Y by given statistics (Eq. 54-55), which are constants."""

    @staticmethod
    def forward(
        input: Tensor,
        mean: Tensor,
        var: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
    ) -> Tensor:
        centred = _at_least_float32(input) - _per_channel(mean, input)
        return batch_norm_forward(centred, inverse_std(var, eps), weight, bias).to(input.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, mean, var, weight, _, ctx.eps = inputs
        needs_weight = ctx.needs_input_grad[3]
        ctx.save_for_backward(input if needs_weight else None, mean, var, weight)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        input, mean, var, weight = ctx.saved_tensors
        needs_input, _, _, needs_weight, needs_bias, _ = ctx.needs_input_grad
        istd = inverse_std(var, ctx.eps)
        grad_input = grad_weight = grad_bias = None
        if needs_input:
            grad_input = grad_output * _per_channel(_times(istd, weight), grad_output)
        if needs_weight:
            centred = input - _per_channel(mean, input)
            grad_weight = batch_norm_grad_weight(grad_output, centred, istd)
        if needs_bias:
            grad_bias = batch_norm_grad_bias(grad_output)
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
        d_output = d_input * _per_channel(_times(istd, weight), input)
        if d_weight is not None:
            centred = input - _per_channel(mean, input)
            d_output = d_output + centred * _per_channel(istd * d_weight, input)
        if d_bias is not None:
            d_output = d_output + _per_channel(d_bias, input)
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
    _check(input, running_mean, running_var, weight, bias, training, eps)
    if not training:
        return apply(BatchNormGivenFunction, input, running_mean, running_var, weight, bias, eps)
    if input.numel() == 0:  # no values, no statistics: nothing to normalise and nothing to update
        mean = input.new_zeros(input.shape[1])
        return apply(BatchNormGivenFunction, input, mean, mean + 1, weight, bias, eps)
    output, mean, var = apply(BatchNormFunction, input, weight, bias, eps)
    n = input.numel() // input.shape[1]
    with torch.no_grad():
        if running_mean is not None:
            running_mean.copy_(running_update(running_mean, mean, momentum))
        if running_var is not None:
            running_var.copy_(running_update(running_var, var * (n / (n - 1)), momentum))
    return output


def _check(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    eps: float,
) -> None:
    if input.dim() < 2:
        raise RuntimeError(f"expected an input (R, C, ...), but got {tuple(input.shape)}")
    if not input.is_floating_point():
        raise NotImplementedError(f"expected floating-point numbers, but got {input.dtype}")
    if eps < 0 or (training and eps == 0):
        least = "above 0 in training" if training else "at least 0"
        raise ValueError(f"eps must be {least}, but got {eps}")
    if training and input.numel() == input.shape[1] > 0:
        raise ValueError(
            "expected more than one value per channel in training, but got an input of size "
            f"{tuple(input.shape)}; use a larger batch, or evaluation mode"
        )
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
        mixed = value.dtype == torch.float32 and input.dtype in (torch.float16, torch.bfloat16)
        if value.dtype != input.dtype and not mixed:
            raise RuntimeError(
                f"{name} should be {input.dtype} as the input is (or float32 with a half-precision "
                f"input), but is {value.dtype}"
            )
        if name.startswith("running") and value.requires_grad:
            raise RuntimeError(f"{name} is a constant, but requires a gradient; pass it detached")
        if training and name.startswith("running") and is_batched(input) and not is_batched(value):
            raise RuntimeError(
                f"torch.vmap maps over the input but not over {name}, which training updates; use "
                "track_running_stats=False, evaluation mode, or map over the statistics as well"
            )


class _HandDerivedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """The forward pass of BatchNorm1d, BatchNorm2d and BatchNorm3d; all else is torch.nn's."""

    def forward(self, input: Tensor) -> Tensor:
        """Y of Eq. 55; in training, updates the running statistics and counts the batch."""
        self._check_input_dim(input)
        tracks = self.training and self.track_running_stats
        seen = self.num_batches_tracked if tracks else None
        momentum: float | Tensor = 0.0 if self.momentum is None else self.momentum
        if self.momentum is None and seen is not None:  # the plain average of all batches so far
            momentum = 1 / (seen + 1).double()
        uses_running = tracks or not self.training
        output = batch_norm(
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


class BatchNorm1d(_HandDerivedBatchNorm, nn.BatchNorm1d):
    """:class:`torch.nn.BatchNorm1d` with the report's backward pass, over (R, C) or (R, C, W)."""


class BatchNorm2d(_HandDerivedBatchNorm, nn.BatchNorm2d):
    """:class:`torch.nn.BatchNorm2d` with the report's backward pass, over (R, C, H, W).

    Same arguments, initialisation, state_dict and errors as its twin. Source: Eq. 52-57 and 65-67.
    Unlike its twin (torch 2.15) it can be differentiated any number of times, in both modes.

    >>> BatchNorm2d(3)(torch.randn(2, 3, 16, 16)).shape
    torch.Size([2, 3, 16, 16])
    """


class BatchNorm3d(_HandDerivedBatchNorm, nn.BatchNorm3d):
    """:class:`torch.nn.BatchNorm3d` with the report's backward pass, over (R, C, D, H, W)."""
