"""Synchronised batch normalisation: many processes, one batch.

Process p has the part X_p of the batch, with n_p values per channel. The statistics are those of
the whole batch, by sums over the samples of each process and then over the processes::

    n   = sum_p n_p                                  mu  = 1/n sum_p sum X_p
    Y_p = gamma (X_p - mu) istd + beta               var = 1/n sum_p sum (X_p - mu)^2

The loss is what all processes add up to, L = sum_p L_p. X_p reaches it through mu and var in every
process, so the sums over S in Eq. 65 (normalisation.py) go over all processes as well, with delta_p
of each::

    total    = sum_p sum gamma delta_p,     along = sum_p sum gamma delta_p xhat_p
    dL/dX_p  = istd (gamma delta_p - total / n - xhat_p along / n)

gamma and beta are copies in each process. Its gradient is that of its own copy, a part of the
whole, to be added up with the others as those of all other parameters are.

The sum over the processes, which hands every one of them the result, is a linear map between what
all of them have: y_p = sum_q x_q. It is its own adjoint (linear_map.py)::

    <delta, y> = sum_p delta_p sum_q x_q = sum_q (sum_p delta_p) x_q

A differentiable backward pass sums over the processes too, so every order comes right.

Shapes: X_p, Y_p and delta_p (R_p, C, ...), R_p may be 0; per-channel values (1, C, 1, ...).
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, distributed, nn

from manualnn.autograd import Function, apply
from manualnn.layers.batchnorm import (
    HandDerivedBatchNorm,
    batch_norm,
    check_per_channel,
    per_channel,
    sample_axes,
    update_running,
)
from manualnn.layers.linear_map import linear_map
from manualnn.layers.normalisation import (
    at_least_float32,
    check_numbers,
    inverse_std,
    norm_forward,
    norm_grad_input,
    sum_delta,
    sum_delta_xhat,
    sum_over,
    times,
)


def sum_processes(values: Tensor, group: Any) -> Tensor:
    """y_p = sum_q x_q, the sum of what the processes of the group have, in each: any shape."""
    total = values.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total, group=group)
    return total


SumProcessesFunction, _ = linear_map("SumProcesses", sum_processes, sum_processes)


def sum_processes_of_each(group: Any, *values: Tensor) -> tuple[Tensor, ...]:
    """The sums over the processes of several tensors of one shape, by one message."""
    return apply(SumProcessesFunction, torch.stack(values), group).unbind()


class SyncBatchNormFunction(Function):
    """Y_p by the statistics of all processes, with mu, var and n."""

    @staticmethod
    def forward(
        input: Tensor, weight: Tensor | None, bias: Tensor | None, group: Any, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, axes = at_least_float32(input), sample_axes(input)
        own_n = x.new_full((1,), x.numel() // x.shape[1])
        own = torch.cat([sum_over(x, axes).reshape(-1), own_n])  # (C + 1)
        whole = sum_processes(own, group)
        n = whole[-1].clone()
        (mean,) = per_channel(x, whole[:-1] / n)
        centred = x - mean
        var = sum_processes(sum_over(centred * centred, axes), group) / n
        output = norm_forward(centred, inverse_std(var, eps), weight, bias)
        return output.to(input.dtype), mean, var, n

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        input, weight, _, ctx.group, ctx.eps = inputs
        _, mean, var, n = output
        ctx.mark_non_differentiable(n)
        ctx.save_for_backward(input, mean, var, n, weight)

    @staticmethod
    def backward(
        ctx: Any, grad_output: Tensor, grad_mean: Tensor, grad_var: Tensor, _: Tensor
    ) -> tuple[Tensor | None, ...]:
        input, mean, var, n, weight = ctx.saved_tensors
        needs_input, needs_weight, needs_bias, _, _ = ctx.needs_input_grad
        istd, axes = inverse_std(var, ctx.eps), sample_axes(input)
        centred = input - mean
        grad_bias = sum_delta(at_least_float32(grad_output), axes)
        grad_weight = sum_delta_xhat(grad_output, centred, istd, axes)
        grad_input = None
        if needs_input:
            own = (times(grad_bias, weight), times(grad_weight, weight), grad_mean, grad_var)
            total, along, grad_mean, grad_var = sum_processes_of_each(ctx.group, *own)
            grad_input = norm_grad_input(
                grad_output, centred, istd, weight, total, along, n, grad_mean, grad_var
            )
        return (
            grad_input,
            grad_weight if needs_weight else None,
            grad_bias if needs_bias else None,
            None,
            None,
        )

    @staticmethod
    def jvp(
        ctx: Any, d_input: Tensor, d_weight: Tensor | None, d_bias: Tensor | None, *_: None
    ) -> tuple[Tensor, Tensor, Tensor, None]:
        input, mean, var, n, weight = ctx.saved_tensors
        istd, axes = inverse_std(var, ctx.eps), sample_axes(input)
        centred = input - mean
        total, along = sum_processes_of_each(
            ctx.group,
            sum_delta(at_least_float32(d_input), axes),
            sum_delta_xhat(d_input, centred, istd, axes),
        )
        d_output = times(norm_grad_input(d_input, centred, istd, None, total, along, n), weight)
        if d_weight is not None:
            d_output = d_output + centred * (istd * d_weight)
        if d_bias is not None:
            d_output = d_output + d_bias
        return d_output.to(input.dtype), total / n, 2 * along / (istd * n), None


def sync_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
    group: Any = None,
) -> Tensor:
    """Batch norm in training, by the statistics of all processes; each must call it.

    Args:
        input: X_p, (R_p, C, ...); R_p may be another in each process, and 0.
        running_mean: (C), updated alike in all processes; may be None.
        running_var: (C), updated alike in all processes; may be None.
        weight: gamma, (C), or None for 1.
        bias: beta, (C), or None for 0.
        momentum: alpha, the weight of the batch in the running statistics, from 0 to 1.
        eps: added to the variance.
        group: the processes, of :mod:`torch.distributed`; None for all.

    Returns:
        Y_p, of the input's shape and dtype.

    Raises:
        ValueError: if one of the running statistics is given and the other is not.
        NotImplementedError: if the input does not hold floating-point numbers.
        RuntimeError: if sizes or dtypes do not fit.
    """
    check_numbers(input)
    check_per_channel(input, running_mean, running_var, weight, bias, training=True)
    gamma, beta = per_channel(input, weight, bias)
    output, mean, var, n = apply(SyncBatchNormFunction, input, gamma, beta, group, eps)
    update_running(running_mean, running_var, mean, var, n, momentum)
    return output


class SyncBatchNorm(HandDerivedBatchNorm):
    """:class:`torch.nn.SyncBatchNorm` with the report's backward pass, on any device.

    Same arguments, state_dict and errors as its twin, which needs a GPU. In training, with more
    than one process, all of them normalise by the statistics of the whole batch; else this is
    batch norm. It is no subclass of its twin: DistributedDataParallel refuses those on a CPU.
    """

    _check_input_dim: Any = nn.SyncBatchNorm._check_input_dim
    _check_non_zero_input_channels: Any = nn.SyncBatchNorm._check_non_zero_input_channels

    __signature__ = inspect.signature(nn.SyncBatchNorm)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As its twin is built."""
        vars(self).update(vars(nn.SyncBatchNorm(*arguments, **options)))

    def _norm(self, input: Tensor, *arguments: Any) -> Tensor:
        self._check_non_zero_input_channels(input)
        if not (self.training and _process_count(self.process_group) > 1):
            return batch_norm(input, *arguments)
        running_mean, running_var, weight, bias, _, momentum, eps = arguments
        statistics, affine = (running_mean, running_var), (weight, bias)
        return sync_batch_norm(input, *statistics, *affine, momentum, eps, self.process_group)

    @classmethod
    def convert_sync_batchnorm(cls, module: nn.Module, process_group: Any = None) -> nn.Module:
        """Make all batch norm layers, torch's and ours, synchronised ones of this class.

        Args:
            module: a model or a layer, changed in place.
            process_group: which processes belong together; None for all.

        Returns:
            The same module.
        """
        for layer in module.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                vars(layer).update(process_group=process_group)
                layer.__class__ = cls
        return module


def _process_count(group: Any) -> int:
    """How many processes there are in the group, None for all; 1 outside torch.distributed."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size(group)
