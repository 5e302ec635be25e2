"""Batch norm in a run: of all that it computes, mu and istd are kept.

Y = gamma xhat + beta is affine in X (Eq. 54-55), one cheap step from what is kept. Backward, with
a = gamma istd, all that is left of Eq. 65 to 67 in batchnorm.py is an affine map as well::

    dL/dbeta = S0 = sum delta,   dL/dgamma = S1 = sum delta xhat
    dL/dX = a (delta - S0 / n - xhat S1 / n)
"""

from __future__ import annotations

import torch
from torch import Tensor

from manualnn.autograd import apply
from manualnn.backend import formula
from manualnn.fused.pieces import Kept, Parameters, Passed, Piece
from manualnn.layers.batchnorm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    BatchNormGivenFunction,
    HandDerivedBatchNorm,
    per_channel,
    sample_axes,
    update_running,
)
from manualnn.layers.normalisation import (
    Axes,
    NormalisationFunction,
    affine,
    batch_statistics,
    has_large_planes,
    inverse_std,
    sum_delta,
    sum_delta_xhat,
    times,
)

AXES = {BatchNorm1d: (2, 3), BatchNorm2d: (4,), BatchNorm3d: (5,)}


@formula
def batch_norm_backward(
    delta: Tensor,
    x: Tensor,
    mean: Tensor,
    istd: Tensor,
    gamma: Tensor | None,
    is_batch: bool,
    needs_input: bool,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """dL/dX, if it is needed, dL/dgamma and dL/dbeta (Eq. 65-67), by the batch's own statistics."""
    centred, samples, a = x - mean, sample_axes(x), times(istd, gamma)
    s0, s1 = sum_delta(delta, samples), sum_delta_xhat(delta, centred, istd, samples)
    if not needs_input:
        return None, s1, s0
    if not is_batch:
        return delta * a, s1, s0
    share = a / -(x.numel() // x.shape[1])  # of each of the n values
    return affine(delta, centred, a, share * istd * s1, share * s0), s1, s0


class Normalisation(Piece):
    """Batch norm (Eq. 52-57, 65-67); keeps mu and istd, (C). batchnorm.py, normalisation.py."""

    needs_input = True

    def __init__(self, layer: HandDerivedBatchNorm) -> None:
        """Takes the place of BatchNorm1d, BatchNorm2d or BatchNorm3d."""
        super().__init__(layer)
        self.axes = AXES[type(layer)]
        self.eps, self.alpha = layer.eps, layer.momentum
        has_statistics = layer.running_mean is not None
        self.is_batch = layer.training or not has_statistics
        self.tracks = layer.training and layer.track_running_stats and has_statistics

    def parameters(self) -> Parameters:
        return self.layer.weight, self.layer.bias

    def check(self, x: Tensor) -> None:
        """Refuse what the layer refuses, with its words."""
        one = self.is_batch and x.numel() == x.shape[1]
        if one or x.shape[1] != self.layer.num_features:
            self.layer(x)

    def momentum(self) -> float:
        """alpha, 1 / count for the plain average of all batches; counts this one."""
        seen = self.layer.num_batches_tracked
        if seen is not None:
            seen.add_(1)
        if self.alpha is not None:
            return self.alpha
        return 0.0 if seen is None else 1 / int(seen)

    def given(self) -> Kept:
        """mu and istd of the running statistics, (C)."""
        return self.layer.running_mean, inverse_std(self.layer.running_var, self.eps)

    def statistics(self, x: Tensor) -> Kept:
        """mu and istd to normalise by, (C); in training, the running ones are updated."""
        layer = self.layer
        self.check(x)
        if not self.is_batch:
            return self.given()
        mean, var = batch_statistics(x)
        if self.tracks:
            n = x.numel() // x.shape[1]
            update_running(layer.running_mean, layer.running_var, mean, var, n, self.momentum())
        return mean.flatten(), inverse_std(var.flatten(), self.eps)

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        layer = self.layer
        if has_large_planes(x) or not self.is_batch:
            kept = self.statistics(x)
            return self.again(x, parameters, kept, is_fresh), kept
        self.check(x)
        mean, var = (layer.running_mean, layer.running_var) if self.tracks else (None, None)
        momentum = self.momentum() if self.tracks else 0.0
        weight, bias = parameters
        y, mean, istd = torch.native_batch_norm(
            x, weight, bias, mean, var, True, momentum, self.eps
        )
        return y, (mean, istd)

    def again(self, x: Tensor, parameters: Parameters, kept: Kept, is_fresh: bool) -> Tensor:
        (weight, bias), (mean, istd) = parameters, kept
        var = istd.pow(-2)
        return torch.native_batch_norm(x, weight, bias, mean, var, False, 0.0, 0.0)[0]

    def by_layer(self, x: Tensor, parameters: Parameters, kept: Kept) -> tuple[Tensor, Kept]:
        gamma, beta = per_channel(x, *parameters)
        if self.is_batch:
            axes = Axes(sample_axes(x), (1,))
            y, mean, var = apply(NormalisationFunction, x, gamma, beta, axes, self.eps)
            return y, (mean, inverse_std(var, self.eps))
        mean, istd = per_channel(x, *kept)
        return apply(BatchNormGivenFunction, x, mean, istd.pow(-2), gamma, beta, 0.0), kept

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        x = passed.x
        mean, istd, gamma = per_channel(x, *passed.kept, passed.parameters[0])
        dx, s1, s0 = batch_norm_backward(delta, x, mean, istd, gamma, self.is_batch, needs_input)
        return dx, (s1.flatten() if needs[0] else None, s0.flatten() if needs[1] else None)
