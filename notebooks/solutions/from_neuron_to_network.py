"""Notebook 1, solved."""

from torch import Tensor


def sigmoid(delta: Tensor, X: Tensor) -> Tensor:
    """Eq. 11, last line: Y is between 0 and 1 for any X, so that nothing overflows."""
    Y = X.sigmoid()
    return delta * Y * (1 - Y)


def silu(delta: Tensor, X: Tensor) -> Tensor:
    """The product rule: X' sigmoid(X) + X sigmoid'(X), with X' = 1."""
    S = X.sigmoid()
    return delta * (S + X * S * (1 - S))


def neuron(delta: Tensor, w: Tensor, b: Tensor, X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """dL/dz = 2 (yhat - y) sigmoid'(z) for each sample; z grows by X with w, and by 1 with b."""
    prediction = (X @ w + b).sigmoid()
    delta_z = delta * 2 * (prediction - y) * prediction * (1 - prediction)
    return X.T @ delta_z, delta_z.sum(0, keepdim=True)
