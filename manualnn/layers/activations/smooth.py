"""Smooth relatives of ReLU: ELU, SELU, CELU and Softplus.

The exponential linear units go on below 0 as an exponential that levels off::

    elu(x)  = x                           for x > 0
              alpha (exp(x) - 1)          for x <= 0                      alpha = 1
    selu(x) = s elu(x), for an alpha and an s that keep mean 0 and variance 1 from layer to layer
    celu(x) = x                           for x > 0
              alpha (exp(x / alpha) - 1)  for x <= 0

They are one function of three numbers, alpha, the scale s and the rate k, and so have one
derivative; selu has k = 1, celu has s = 1 and k = 1 / alpha::

    y     = s x        for x > 0,    s alpha (exp(k x) - 1)    for x <= 0
    dL/dx = s delta    for x > 0,    s alpha k exp(k x) delta  for x <= 0,       delta = dL/dy

Softplus is the smooth form of ReLU, or of a ReLU with a narrower bend for larger beta. Past a
threshold of beta x it is taken for a straight line, which it is then to the last digit::

    softplus(x) = log(1 + exp(beta x)) / beta    for beta x <= threshold,    x elsewhere
    dL/dx       = delta sigmoid(beta x)          for beta x <= threshold,    delta elsewhere

as d log(1 + e^z) / dz = e^z / (1 + e^z), the sigmoid of Eq. 8. Both branches of a
:func:`torch.where` are computed everywhere, so the exponential is given min(x, 0): exp(k x) for a
large x would be inf, and inf times the branch's zero would make the second derivative nan.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from manualnn.autograd import apply, autocast_float32, led_nowhere
from manualnn.layers.activations.basic import activate, elementwise, sigmoid

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def elu_grad_input(
    grad_output: Tensor, input: Tensor, alpha: float, scale: float, rate: float
) -> Tensor:
    """dL/dx = s delta where x > 0, else s alpha k exp(k x) delta; any shape."""
    curved = scale * alpha * rate * torch.exp(rate * input.clamp(max=0))
    return torch.where(input > 0, scale * grad_output, curved * grad_output)


def softplus_grad_input(
    grad_output: Tensor, input: Tensor, beta: float, threshold: float
) -> Tensor:
    """dL/dx = delta sigmoid(beta x) where beta x <= threshold, else delta; any shape."""
    z = beta * input
    return torch.where(z > threshold, grad_output, grad_output * sigmoid(z))


ELUFunction = elementwise("ELUFunction", torch.ops.aten.elu, elu_grad_input, keep="input")
SoftplusFunction = elementwise(
    "SoftplusFunction", nn.functional.softplus, softplus_grad_input, keep="input"
)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x for x > 0, alpha (exp(x) - 1) elsewhere, element by element; any shape."""
    return activate(ELUFunction, input, alpha, 1.0, 1.0, inplace=inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 x for x > 0, 1.7581 (exp(x) - 1) elsewhere, element by element; any shape."""
    return activate(ELUFunction, input, SELU_ALPHA, SELU_SCALE, 1.0, inplace=inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x for x > 0, alpha (exp(x / alpha) - 1) elsewhere, element by element.

    Args:
        input: any shape.
        alpha: how far below 0 it levels off, and over what width.
        inplace: write the output over the input.

    Raises:
        RuntimeError: if alpha is 0, or ``inplace`` would overwrite a leaf that requires a gradient.
    """
    if alpha == 0:
        raise RuntimeError(f"CELU divides by alpha, but got {alpha}; any number but 0 fits")
    return activate(ELUFunction, input, alpha, 1.0, 1.0 / alpha, inplace=inplace)


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta x)) / beta, element by element.

    Args:
        input: any shape.
        beta: the sharpness of the bend.
        threshold: the beta x past which the output is x itself.
    """
    (input,) = autocast_float32(input, devices=("cuda",))
    return apply(SoftplusFunction, input, beta, threshold)


class ELU(nn.ELU):
    """:class:`torch.nn.ELU` with the derivative alpha exp(x) for x <= 0, 1 elsewhere."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """x for x > 0, alpha (exp(x) - 1) elsewhere, the input's shape."""
        return elu(input, self.alpha, self.inplace)


class SELU(nn.SELU):
    """:class:`torch.nn.SELU` with the derivative s alpha exp(x) for x <= 0, s elsewhere."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """s x for x > 0, s alpha (exp(x) - 1) elsewhere, the input's shape."""
        return selu(input, self.inplace)


class CELU(nn.CELU):
    """:class:`torch.nn.CELU` with the derivative exp(x / alpha) for x <= 0, 1 elsewhere."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """x for x > 0, alpha (exp(x / alpha) - 1) elsewhere, the input's shape."""
        return celu(input, self.alpha, self.inplace)


class Softplus(nn.Softplus):
    """:class:`torch.nn.Softplus` with the derivative sigmoid(beta x)."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """log(1 + exp(beta x)) / beta, the input's shape."""
        return softplus(input, self.beta, self.threshold)
