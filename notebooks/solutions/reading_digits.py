"""Notebook 6, solved."""

import torch
from torch import Tensor


def cross_entropy(delta: Tensor, Z: Tensor, labels: Tensor) -> Tensor:
    """Softmax minus one-hot; each of the R samples has the share 1/R of the mean."""
    gradient = Z.softmax(1)
    gradient[torch.arange(len(Z)), labels] -= 1
    return delta * gradient / len(Z)


def label_smoothing(delta: Tensor, Z: Tensor, labels: Tensor, share: float) -> Tensor:
    """Softmax minus mass: a row's mass adds up to 1, as a one-hot row does."""
    mass = torch.full_like(Z, share / Z.shape[1])
    mass[torch.arange(len(Z)), labels] += 1 - share
    return delta * (Z.softmax(1) - mass) / len(Z)


def distillation(delta: Tensor, Z: Tensor, p: Tensor, T: float) -> Tensor:
    """With U = Z / T: dL/dU = T^2 (softmax(U) - p) / R, and dU/dZ = 1/T leaves one T of two."""
    return delta * T * ((Z / T).softmax(1) - p) / len(Z)
