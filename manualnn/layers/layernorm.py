"""Layer normalisation: every sample by itself, over its last axes.

With D for all of the last axes, whose sizes are ``normalized_shape``, and gamma and beta of that
shape; per sample, with n = D values::

    mu  = 1/n sum_d X                     xhat = (X - mu) (var + eps)^(-1/2)
    var = 1/n sum_d (X - mu)^2            Y    = gamma xhat + beta

This is normalisation (normalisation.py) with S = A: gamma is inside every sum over S, nothing can
be summed before it is multiplied by gamma, and the parameters' sums go over all other axes::

    dL/dbeta  = sum_r delta               total = sum_d gamma delta
    dL/dgamma = sum_r delta xhat          along = sum_d gamma delta xhat
    dL/dX     = istd (gamma delta - total / n - xhat along / n)

The batch plays no part: training and evaluation are the same, and one sample is enough.

Shapes: X, Y and delta (..., D), gamma and beta D.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from manualnn.autograd import apply, autocast_float32, led_nowhere
from manualnn.layers.normalisation import Axes, NormalisationFunction, check_numbers


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """:func:`torch.nn.functional.layer_norm` with a backward pass by hand.

    Args:
        input: (..., D).
        normalized_shape: the sizes D of the last axes, at least one.
        weight: gamma, D, or None for 1.
        bias: beta, D, or None for 0.
        eps: added to the variance.

    Returns:
        Y, of the input's shape and dtype.

    Raises:
        RuntimeError: if sizes or dtypes do not fit.
        NotImplementedError: if the input does not hold floating-point numbers.
    """
    input, weight, bias = autocast_float32(input, weight, bias, devices=("cuda",))
    shape = tuple(normalized_shape)
    _check(input, shape, weight, bias)
    last = tuple(range(input.dim() - len(shape), input.dim()))
    ones = (1,) * (input.dim() - len(shape))
    gamma, beta = (v if v is None else v.reshape(ones + shape) for v in (weight, bias))
    output, _, _ = apply(NormalisationFunction, input, gamma, beta, Axes(last, affine=last), eps)
    return output


def _check(
    input: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None
) -> None:
    if not shape:
        raise RuntimeError("normalized_shape must name at least one axis, but is ()")
    if input.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"expected an input (..., {', '.join(map(str, shape))}) for normalized_shape {shape}, "
            f"but got {tuple(input.shape)}"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != shape:
            raise RuntimeError(
                f"{name} should have the normalized_shape {shape}, but has {tuple(value.shape)}"
            )
    check_numbers(input, weight=weight, bias=bias)


class LayerNorm(nn.LayerNorm):
    """:class:`torch.nn.LayerNorm` with a backward pass by hand, over the last axes of (..., D).

    Same arguments, initialisation, state_dict and errors as its twin. Unlike its twin (torch 2.15)
    it is right at third order, and in forward mode at second order.

    >>> LayerNorm(16)(torch.randn(2, 5, 16)).shape
    torch.Size([2, 5, 16])
    """

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """Y = gamma xhat + beta, the input's shape."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)
