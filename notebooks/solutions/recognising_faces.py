"""Notebook 7, solved."""

from torch import Tensor


def distance(delta: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 25 for each pair, times its own delta; what moves a away from b moves b from a."""
    delta_a = 2 * delta.unsqueeze(1) * (a - b)
    return delta_a, -delta_a


def direction(delta: Tensor, X: Tensor) -> Tensor:
    """Through unit length to the sum, which hands the same to each of its views."""
    return _through_unit_length(delta, X.sum(0)).expand_as(X)


def cosines(delta: Tensor, X: Tensor, W: Tensor) -> tuple[Tensor, Tensor]:
    """A product of matrices between the unit vectors (Eq. 31 and 32), then each one's length."""
    unit_X, unit_W = X / X.norm(dim=1, keepdim=True), W / W.norm(dim=1, keepdim=True)
    return _through_unit_length(delta @ unit_W, X), _through_unit_length(delta.T @ unit_X, W)


def _through_unit_length(delta: Tensor, X: Tensor) -> Tensor:
    """Each row of delta loses its part along y, and is divided by the length of x."""
    length = X.norm(dim=1, keepdim=True)
    Y = X / length
    return (delta - (delta * Y).sum(1, keepdim=True) * Y) / length
