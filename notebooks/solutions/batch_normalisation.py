"""Notebook 5, solved."""

from torch import Tensor


def scale_and_shift(
    delta: Tensor, gamma: Tensor, beta: Tensor, Xhat: Tensor
) -> tuple[Tensor, Tensor]:
    """A parameter's gradient is summed over all that share it: gamma's R, beta's R, H and W."""
    return (delta * Xhat).sum(0), delta.sum((0, 2, 3))


def centring(delta: Tensor, X: Tensor) -> Tensor:
    """dY[r', c] / dX[r, c] = I[r', r] - 1/R (Eq. 63): delta less its mean. X is not needed."""
    return delta - delta.mean(0)


def rms_norm(delta: Tensor, X: Tensor, gamma: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Eq. 65 without the mean's term: q = mean(X^2) has dq/dX = 2 X / D, for (X - mu) there.

    gamma varies along the sum, so it stays with delta inside.
    """
    inverse = (X.square().mean(-1, keepdim=True) + eps).rsqrt()
    Xhat, delta_Xhat = X * inverse, gamma * delta
    along = (delta_Xhat * Xhat).mean(-1, keepdim=True)
    return inverse * (delta_Xhat - Xhat * along), (delta * Xhat).sum(0)
