"""Instance normalisation: every channel of every sample by itself.

Per sample and channel, over its pixels p, with n = P values::

    mu  = 1/n sum_p X                     xhat = (X - mu) (var + eps)^(-1/2)
    var = 1/n sum_p (X - mu)^2            Y    = gamma xhat + beta

This is batch norm whose statistics leave the batch out: normalisation (normalisation.py) with S
the pixels and A the channels. gamma is constant in every sum over S, so total and along are gamma
times the sums over the pixels, which the parameters sum once more, over the samples::

    S0 = sum_p delta                      dL/dbeta  = sum_r S0
    S1 = sum_p delta xhat                 dL/dgamma = sum_r S1
    dL/dX = gamma istd (delta - S0 / n - xhat S1 / n)

Running statistics, where asked for: running <- (1 - alpha) running + alpha batch, as in batch norm
(Eq. 56-57), and batch is the average of mu, or of n / (n - 1) var, over the samples. In evaluation
they stand in for mu and var, and the layer is batch norm in evaluation.

Shapes: X, Y and delta (R, C, ...), per-channel values (C).
"""

from __future__ import annotations

import math
import warnings

from torch import Tensor, nn

from manualnn.autograd import apply, led_nowhere
from manualnn.layers.batchnorm import (
    CHANNELS,
    BatchNormGivenFunction,
    check_per_channel,
    norm_by_batch,
    per_channel,
)
from manualnn.layers.normalisation import Axes, check_numbers


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """:func:`torch.nn.functional.instance_norm` with a backward pass by hand.

    Args:
        input: (R, C, ...).
        running_mean: (C), updated if the input's statistics are used; may be None then.
        running_var: (C), updated if the input's statistics are used; may be None then.
        weight: gamma, (C), or None for 1.
        bias: beta, (C), or None for 0.
        use_input_stats: normalise by the input's statistics instead of the running ones.
        momentum: alpha, the weight of the batch in the running statistics, from 0 to 1.
        eps: added to the variance.

    Returns:
        Y, of the input's shape and dtype.

    Raises:
        ValueError: if an instance has one value only and its statistics are used, or one of the
            running statistics is given and the other is not.
        NotImplementedError: if the input does not hold floating-point numbers.
        RuntimeError: if sizes or dtypes do not fit, or statistics are missing, or running
            statistics would be updated under ``torch.vmap``.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(
            "expected more than one value per channel of each sample, but got an input of size "
            f"{tuple(input.shape)}"
        )
    check_numbers(input)
    check_per_channel(input, running_mean, running_var, weight, bias, use_input_stats)
    statistics = (running_mean, running_var)
    if use_input_stats:
        axes = Axes(tuple(range(2, input.dim())), CHANNELS)
        return norm_by_batch(input, *statistics, weight, bias, axes, momentum, eps)
    return apply(BatchNormGivenFunction, input, *per_channel(input, *statistics, weight, bias), eps)


class _HandDerivedInstanceNorm(nn.modules.instancenorm._InstanceNorm):
    """The forward pass of InstanceNorm1d, 2d and 3d; all else is torch.nn's."""

    axes: int

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """Y = gamma xhat + beta; in training, updates the running statistics if there are any."""
        self._check_input_dim(input)
        one_sample = input.dim() == self.axes + 1
        batch = input.unsqueeze(0) if one_sample else input
        if batch.shape[1] != self.num_features:
            misfit = f"{self.num_features} channels, but got an input {tuple(input.shape)}"
            if self.affine:
                raise ValueError(f"expected num_features = {misfit}")
            warnings.warn(
                f"num_features is {misfit}; it is not used because affine=False, and need not "
                "be given right, but hides mistakes",
                stacklevel=2,
            )
        output = instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return output.squeeze(0) if one_sample else output


class InstanceNorm1d(_HandDerivedInstanceNorm, nn.InstanceNorm1d):
    """:class:`torch.nn.InstanceNorm1d` with a backward pass by hand, over (R, C, W)."""

    axes = 1


class InstanceNorm2d(_HandDerivedInstanceNorm, nn.InstanceNorm2d):
    """:class:`torch.nn.InstanceNorm2d` with a backward pass by hand, over (R, C, H, W).

    Same arguments, initialisation, state_dict and errors as its twin, and like it for one sample,
    (C, H, W), too. Unlike its twin (torch 2.15) it can be differentiated any number of times.

    >>> InstanceNorm2d(3)(torch.randn(2, 3, 16, 16)).shape
    torch.Size([2, 3, 16, 16])
    """

    axes = 2


class InstanceNorm3d(_HandDerivedInstanceNorm, nn.InstanceNorm3d):
    """:class:`torch.nn.InstanceNorm3d` with a backward pass by hand, over (R, C, D, H, W)."""

    axes = 3
