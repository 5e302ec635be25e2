"""Batch norm and the convolution after it, as one convolution.

Without padding, a convolution sees nothing but xhat and the constants of its channels, so that
batch norm (Eq. 54-55) can be taken into its weight and bias. With a = gamma istd::

    B = gamma xhat + beta = a X + (beta - a mu)
    Y = B * W + b = X * (a W) + b + sum_{c, j, i} W (beta - a mu)

B is never written. Backward, with delta = dL/dY, D = sum delta (Eq. 33) and the weight gradient for
X itself, G = sum delta X (Eq. 43), that for xhat is Ghat = istd (G - mu D), and by the chain rule::

    dL/dW     = gamma Ghat + beta D                     dL/db = D
    dL/dgamma = sum_B dL/dB xhat = sum_{c', j, i} W Ghat
    dL/dbeta  = sum_B dL/dB      = sum_{c', j, i} W D

as dL/dB is linear in W: each of its products of a W, a delta and an xhat is one of Ghat's. So the
two sums of Eq. 66-67 come from the weights, and dL/dB is not needed for them. What is left for X is
Eq. 65, with the first term as a convolution already multiplied by a::

    dL/dX = delta *T (a W) + b' (X - mu) + c',
    b' = -istd^2 gamma dL/dgamma / n,   c' = -istd gamma dL/dbeta / n

The differences G - mu D and a X - a mu are exact to the last digits while mu is not many standard
deviations from 0. Where it is (an input that is nearly constant), the two layers act apart.

Shapes: as in conv.py and batchnorm.py; G, Ghat and W (C', C, k, k), per-channel values (1, C, 1, 1)
beside a weight, too.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from manualnn.autograd import apply, is_unwatched
from manualnn.fused.norm import Normalisation
from manualnn.fused.pieces import Kept, Parameters, Passed, Piece
from manualnn.fused.products import Convolution
from manualnn.layers.batchnorm import per_channel
from manualnn.layers.conv import (
    ConvGradInputFunction,
    ConvGradWeightFunction,
    conv_forward,
    conv_grad_bias,
)
from manualnn.layers.normalisation import norm_forward, times

FAR = 32.0  # standard deviations of a mean from 0: five of 24 bits are lost


def fold(
    weight: Tensor,
    bias: Tensor | None,
    mean: Tensor,
    istd: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """a W and b + sum W (beta - a mu): (C', C, k, k), (C') and (1, C, 1, 1) for the others."""
    a = istd if gamma is None else istd * gamma
    constant = -a * mean if beta is None else beta - a * mean
    shift = (weight * constant).flatten(1).sum(1)
    return weight * a, shift if bias is None else bias + shift


def grad_weight_for_xhat(grad_weight: Tensor, total: Tensor, mean: Tensor, istd: Tensor) -> Tensor:
    """Ghat = istd (G - mu D): (C', C, k, k), D (C', 1, 1, 1) -> (C', C, k, k)."""
    return (grad_weight - mean * total) * istd


def fold_grad_affine(weight: Tensor, for_xhat: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """dL/dgamma = sum W Ghat and dL/dbeta = sum W D, each (1, C, 1, 1)."""
    taps = (0, *range(2, weight.dim()))
    return (weight * for_xhat).sum(taps, True), (weight * total).sum(taps, True)


def fold_grad_weight(
    for_xhat: Tensor, total: Tensor, gamma: Tensor | None, beta: Tensor | None
) -> Tensor:
    """dL/dW = gamma Ghat + beta D: (C', C, k, k)."""
    scaled = times(for_xhat, gamma)
    return scaled if beta is None else scaled + beta * total


def add_affine(values: Tensor, input: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """values + b X + c, over the values where nothing watches."""
    if is_unwatched():
        return values.addcmul_(input, b).add_(c)
    return values + input * b + c


def is_far(mean: Tensor, istd: Tensor) -> bool:
    """Whether some channel's mean is too many standard deviations from 0 to fold it.

    Always so on a GPU: to look would mean to wait for it.
    """
    return mean.device.type != "cpu" or bool((mean.abs() * istd.abs()).max() > FAR)


class NormConv(Piece):
    """Batch norm, then a convolution without padding."""

    needs_input = True

    def __init__(self, norm: Any, conv: Any) -> None:
        """Takes the place of a batch norm and a convolution that sees its input alone."""
        super().__init__(norm, conv)
        self.norm, self.conv = Normalisation(norm), Convolution(conv)
        self.is_cheap, self.axes = self.conv.is_cheap, self.norm.axes

    def parameters(self) -> Parameters:
        return *self.norm.parameters(), *self.conv.parameters()

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        kept = self.norm.statistics(x)
        return self.again(x, parameters, kept, is_fresh), kept

    def again(self, x: Tensor, parameters: Parameters, kept: Kept, is_fresh: bool) -> Tensor:
        gamma, beta, weight, bias = parameters
        if is_far(*kept):
            x = self.norm.again(x, (gamma, beta), kept, is_fresh)
        else:
            per_input = per_channel(x, *kept, gamma, beta)
            weight, bias = fold(weight, bias, *per_input)
        return conv_forward(x, weight, bias, self.conv.geometry(x.shape))

    def by_layer(self, x: Tensor, parameters: Parameters, kept: Kept) -> tuple[Tensor, Kept]:
        y, kept = self.norm.by_layer(x, parameters[:2], kept)
        return self.conv.by_layer(y, parameters[2:], ())[0], kept

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        if is_far(*passed.kept):
            return self._apart(delta, passed, needs_input, needs)
        x, geometry = passed.x, self.conv.geometry(passed.shape)
        gamma, beta, weight, _ = passed.parameters
        mean, istd, gamma, beta = per_channel(x, *passed.kept, gamma, beta)
        grad_bias = conv_grad_bias(delta)
        total = grad_bias.view(-1, *(1,) * (weight.dim() - 1))  # D, (C', 1, 1, 1)
        grad_weight = apply(ConvGradWeightFunction, x, delta, geometry)
        for_xhat = grad_weight_for_xhat(grad_weight, total, mean, istd)
        grad_gamma, grad_beta = fold_grad_affine(weight, for_xhat, total)
        dx: Any = None
        if needs_input:
            dx = apply(ConvGradInputFunction, delta, weight * times(istd, gamma), geometry)
        if needs_input and self.norm.is_batch:
            n = x.numel() // x.shape[1]
            b = -istd * istd * times(grad_gamma, gamma) / n
            c = -istd * times(grad_beta, gamma) / n
            dx = add_affine(dx, x, b, c - b * mean)
        return dx, (
            grad_gamma.flatten() if needs[0] else None,
            grad_beta.flatten() if needs[1] else None,
            fold_grad_weight(for_xhat, total, gamma, beta) if needs[2] else None,
            grad_bias if needs[3] else None,
        )

    def _apart(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        """The two layers one after the other, the normalised value computed again."""
        of_norm, of_conv = passed.parameters[:2], passed.parameters[2:]
        mean, istd, gamma, beta = per_channel(passed.x, *passed.kept, *of_norm)
        y = norm_forward(passed.x - mean, istd, gamma, beta)
        seen = Passed(passed.shape, y, None, of_conv, ())
        dy: Any
        dy, conv_gradients = self.conv.backward(delta, seen, True, needs[2:])
        seen = Passed(passed.shape, passed.x, None, of_norm, passed.kept)
        dx, norm_gradients = self.norm.backward(dy, seen, needs_input, needs[:2])
        return dx, (*norm_gradients, *conv_gradients)
