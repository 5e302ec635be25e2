"""The exercises of notebook 5."""

import torch
from torch import Tensor

from notebooks.lesson import Exercise

_random = torch.Generator().manual_seed(5)


def _tensor(*shape: int) -> Tensor:
    """Neither centred nor of unit variance."""
    return 2 * torch.randn(*shape, dtype=torch.float64, generator=_random) + 1


def scaled_and_shifted(gamma: Tensor, beta: Tensor, Xhat: Tensor) -> Tensor:
    """gamma Xhat + beta: (C, H, W), (C), (R, C, H, W) -> (R, C, H, W)."""
    return gamma * Xhat + beta[:, None, None]


def centred(X: Tensor) -> Tensor:
    """X less the mean of each column: (R, C) -> (R, C)."""
    return X - X.mean(0)


def divided_by_rms(X: Tensor, gamma: Tensor, eps: float) -> Tensor:
    """gamma X (mean(X^2) + eps)^(-1/2), the mean over each row: (R, D), (D) -> (R, D)."""
    return gamma * X * (X.square().mean(-1, keepdim=True) + eps).rsqrt()


scale_and_shift = Exercise(
    "5.1, scale and shift",
    scaled_and_shifted,
    (_tensor(3, 5, 2), _tensor(3)),
    "Which elements of Y does one number of gamma reach, and which does one number of beta? Along "
    "which axes do these lie?",
    (_tensor(4, 3, 5, 2),),
)
centring = Exercise(
    "5.2, centring",
    centred,
    (_tensor(5, 3),),
    "By how many ways does one X reach the Y of its own column? Write dY[r', c] / dX[r, c] with "
    "Kronecker deltas first, then sum it over r' with delta[r', c].",
)
rms_norm = Exercise(
    "5.3, the root-mean-square norm",
    divided_by_rms,
    (_tensor(5, 7), _tensor(7)),
    "There is no mean to depend on X, but there is a mean square: by how many ways does X[r, d] "
    "reach L? Write d q[r] / dX[r, d] first, and keep gamma with the delta of its own place.",
    (0.3,),
)
