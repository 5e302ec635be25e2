"""Gated activations: GELU, SiLU and Mish.

Each lets its input through a gate g, which opens from 0 to 1 as x grows::

    f(x) = x g(x)
    f'(x) = g(x) + x g'(x)                                           (product rule)

and dL/dx = delta f'(x), delta = dL/dy. The gates, and how fast they open::

    gelu:  g = Phi(x) = (1 + erf(x / sqrt 2)) / 2        g' = phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
    gelu as tanh:  g = (1 + t) / 2, t = tanh(u)          g' = (1 - t^2) u' / 2
                   u = sqrt(2 / pi) (x + c x^3)          u' = sqrt(2 / pi) (1 + 3 c x^2)
    silu:  g = s = sigmoid(x)                            g' = s (1 - s)
    mish:  g = t = tanh(softplus(x))                     g' = (1 - t^2) sigmoid(x)

Phi is the chance that a normal random number is below x, and c = 0.044715 fits its tanh form to
it. Mish's g' is the chain rule through :mod:`smooth <manualnn.layers.activations.smooth>`, where
softplus' = sigmoid. The tanh, sigmoid and softplus below are our own, and so are their derivatives
at higher orders.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from manualnn.autograd import apply, led_nowhere
from manualnn.layers.activations.basic import activate, elementwise, sigmoid, tanh
from manualnn.layers.activations.smooth import SoftplusFunction


def gelu_grad_input(grad_output: Tensor, input: Tensor) -> Tensor:
    """dL/dx = delta (Phi(x) + x phi(x)), any shape."""
    gate = (1 + torch.erf(input / math.sqrt(2))) / 2
    opening = torch.exp(-input * input / 2) / math.sqrt(2 * math.pi)
    return grad_output * (gate + input * opening)


def gelu_tanh_forward(input: Tensor) -> Tensor:
    """y = x (1 + t) / 2, t = tanh(u), any shape."""
    return nn.functional.gelu(input, approximate="tanh")


def gelu_tanh_grad_input(grad_output: Tensor, input: Tensor) -> Tensor:
    """dL/dx = delta ((1 + t) / 2 + x (1 - t^2) u' / 2), t = tanh(u), any shape."""
    root, c = math.sqrt(2 / math.pi), 0.044715
    t = tanh(root * (input + c * input * input * input))
    opening = (1 - t * t) * (root / 2 * (1 + 3 * c * input * input))
    return grad_output * ((1 + t) / 2 + input * opening)


def silu_grad_input(grad_output: Tensor, input: Tensor) -> Tensor:
    """dL/dx = delta s (1 + x (1 - s)), s = sigmoid(x), any shape."""
    s = sigmoid(input)
    return grad_output * (s * (1 + input * (1 - s)))


def mish_grad_input(grad_output: Tensor, input: Tensor) -> Tensor:
    """dL/dx = delta (t + x (1 - t^2) sigmoid(x)), t = tanh(softplus(x)), any shape."""
    t = tanh(apply(SoftplusFunction, input, 1.0, 20.0))
    return grad_output * (t + input * ((1 - t * t) * sigmoid(input)))


GELUFunction = elementwise("GELUFunction", nn.functional.gelu, gelu_grad_input, keep="input")
GELUTanhFunction = elementwise(
    "GELUTanhFunction", gelu_tanh_forward, gelu_tanh_grad_input, keep="input"
)
SiLUFunction = elementwise("SiLUFunction", nn.functional.silu, silu_grad_input, keep="input")
MishFunction = elementwise("MishFunction", nn.functional.mish, mish_grad_input, keep="input")


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Phi(x), element by element.

    Args:
        input: any shape.
        approximate: "none", or "tanh" for the form with a tanh in place of the error function.

    Raises:
        RuntimeError: if the approximation is neither.
    """
    functions = {"none": GELUFunction, "tanh": GELUTanhFunction}
    if approximate not in functions:
        raise RuntimeError(f"approximate must be 'none' or 'tanh', but got {approximate!r}")
    return apply(functions[approximate], input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x), element by element; any shape."""
    return activate(SiLUFunction, input, inplace=inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)), element by element; any shape."""
    return activate(MishFunction, input, inplace=inplace)


class GELU(nn.GELU):
    """:class:`torch.nn.GELU` with the derivative Phi(x) + x phi(x), or that of its tanh form."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """x Phi(x), the input's shape."""
        return gelu(input, self.approximate)


class SiLU(nn.SiLU):
    """:class:`torch.nn.SiLU` with the derivative s (1 + x (1 - s)), s = sigmoid(x)."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """x sigmoid(x), the input's shape."""
        return silu(input, self.inplace)


class Mish(nn.Mish):
    """:class:`torch.nn.Mish` with the derivative t + x (1 - t^2) sigmoid(x)."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """x tanh(softplus(x)), the input's shape."""
        return mish(input, self.inplace)
