"""Group normalisation: every sample by itself, some channels at a time.

The C channels fall into G groups of C/G neighbours. A view gives the groups an axis of their own,
(R, C, ...) -> (R, G, C/G, ...); then per sample and group, over the channels c of the group and
all pixels p, with n = C/G P values::

    mu  = 1/n sum_{c, p} X                     xhat = (X - mu) (var + eps)^(-1/2)
    var = 1/n sum_{c, p} (X - mu)^2            Y    = gamma xhat + beta

gamma and beta are one per channel, as in batch norm. This is normalisation (normalisation.py) with
S = (C/G, P) and A = (G, C/G): the pixels are summed first, and from these small sums S0, S1 follow
the group's by one more sum over its channels, and the parameters' by one over the samples::

    S0 = sum_p delta                    dL/dbeta  = sum_r S0          total = sum_c gamma S0
    S1 = sum_p delta xhat               dL/dgamma = sum_r S1          along = sum_c gamma S1
    dL/dX = istd (gamma delta - total / n - xhat along / n)

One group is layer norm with gamma per channel; as many groups as channels is instance norm.

Shapes: X, Y and delta (R, C, ...), gamma and beta (C).
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from manualnn.autograd import apply, autocast_float32, led_nowhere
from manualnn.layers.normalisation import Axes, NormalisationFunction, check_numbers


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """:func:`torch.nn.functional.group_norm` with a backward pass by hand.

    Args:
        input: (R, C, ...).
        num_groups: G, a divisor of C.
        weight: gamma, (C), or None for 1.
        bias: beta, (C), or None for 0.
        eps: added to the variance.

    Returns:
        Y, of the input's shape and dtype.

    Raises:
        ValueError: if there is one value only in the one group of the one sample.
        RuntimeError: if sizes or dtypes do not fit.
        NotImplementedError: if the input does not hold floating-point numbers.
    """
    input, weight, bias = autocast_float32(input, weight, bias, devices=("cuda",))
    _check(input, num_groups, weight, bias)
    samples, channels, *pixels = input.shape
    grouped = (num_groups, channels // num_groups)
    ones = (1,) * len(pixels)
    gamma, beta = (v if v is None else v.reshape(1, *grouped, *ones) for v in (weight, bias))
    axes = Axes(statistics=tuple(range(2, input.dim() + 1)), affine=(1, 2))
    groups = input.reshape(samples, *grouped, *pixels)
    output, _, _ = apply(NormalisationFunction, groups, gamma, beta, axes, eps)
    return output.reshape(input.shape)


def _check(input: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None) -> None:
    shape = tuple(input.shape)
    if input.dim() < 2:
        raise RuntimeError(f"expected an input (R, C, ...), but got {shape}")
    if num_groups < 1:
        raise RuntimeError(f"num_groups must be at least 1, but got {num_groups}")
    samples, channels, *pixels = shape
    if samples * channels // num_groups * math.prod(pixels) == 1:
        raise ValueError(
            f"expected more than one value to normalise, but got an input of size {shape} "
            f"in {num_groups} groups"
        )
    if channels < 1 or channels % num_groups:
        raise RuntimeError(
            f"expected channels that can be divided into {num_groups} groups, but got {channels} "
            f"in an input of size {shape}"
        )
    if math.prod(pixels) == 0:
        raise RuntimeError(f"expected at least one pixel, but got an input of size {shape}")
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != (channels,):
            raise RuntimeError(
                f"{name} should be ({channels},), one per channel of the input {shape}, but is "
                f"{tuple(value.shape)}"
            )
    check_numbers(input, weight=weight, bias=bias)


class GroupNorm(nn.GroupNorm):
    """:class:`torch.nn.GroupNorm` with a backward pass by hand, over groups of channels.

    Same arguments, initialisation, state_dict and errors as its twin.

    >>> GroupNorm(2, 6)(torch.randn(2, 6, 16, 16)).shape
    torch.Size([2, 6, 16, 16])
    """

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """Y = gamma xhat + beta, (R, C, ...)."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
