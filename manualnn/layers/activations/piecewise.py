"""Activations in straight pieces: ReLU6, LeakyReLU, Hardtanh, Hardsigmoid, Hardswish.

ReLU bends once. These bend where they are told, and stay cheap: no exponential is needed::

    hardtanh(x)    = a for x <= a,   x for a < x < b,   b for x >= b          a, b = -1, 1
    relu6(x)       = hardtanh(x) with a, b = 0, 6
    leaky_relu(x)  = s x for x <= 0,   x for x > 0                            s = 0.01
    hardsigmoid(x) = hardtanh(x / 6 + 1/2) with a, b = 0, 1
    hardswish(x)   = x hardsigmoid(x)

With dL/dx = delta f'(x), delta = dL/dy, the slope of a piece is all there is to derive::

    hardtanh'(x)    = 1 for a < x < b,  0 elsewhere
    leaky_relu'(x)  = s for x <= 0,  1 for x > 0
    hardsigmoid'(x) = 1/6 for -3 < x < 3,  0 elsewhere
    hardswish'(x)   = 0 for x <= -3,  x/3 + 1/2 for -3 < x < 3,  1 for x >= 3

Where a bend has two slopes, the one chosen is PyTorch's. :func:`torch.where` takes delta itself
into the branch of its piece, so that an infinite delta stays out of the others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from manualnn.autograd import led_nowhere
from manualnn.layers.activations.basic import activate, elementwise


def hardtanh_grad_input(
    grad_output: Tensor, input: Tensor, min_val: float, max_val: float
) -> Tensor:
    """dL/dx = delta where a < x < b, else 0; any shape."""
    return torch.where((input > min_val) & (input < max_val), grad_output, 0)


def leaky_relu_grad_input(grad_output: Tensor, input: Tensor, negative_slope: float) -> Tensor:
    """dL/dx = delta where x > 0, else s delta; any shape."""
    return torch.where(input > 0, grad_output, negative_slope * grad_output)


def hardsigmoid_grad_input(grad_output: Tensor, input: Tensor) -> Tensor:
    """dL/dx = delta / 6 where -3 < x < 3, else 0; any shape."""
    return torch.where((input > -3) & (input < 3), grad_output / 6, 0)


def hardswish_grad_input(grad_output: Tensor, input: Tensor) -> Tensor:
    """dL/dx = 0 where x <= -3, delta (x/3 + 1/2) between, delta where x >= 3; any shape."""
    rising = torch.where(input >= 3, grad_output, grad_output * (input / 3 + 0.5))
    return torch.where(input <= -3, 0, rising)


HardtanhFunction = elementwise(
    "HardtanhFunction", nn.functional.hardtanh, hardtanh_grad_input, keep="input"
)
LeakyReLUFunction = elementwise(
    "LeakyReLUFunction", nn.functional.leaky_relu, leaky_relu_grad_input, keep="input"
)
HardsigmoidFunction = elementwise(
    "HardsigmoidFunction", nn.functional.hardsigmoid, hardsigmoid_grad_input, keep="input"
)
HardswishFunction = elementwise(
    "HardswishFunction", nn.functional.hardswish, hardswish_grad_input, keep="input"
)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """a for x <= a, x for a < x < b, b for x >= b, element by element; any shape.

    Args:
        input: any shape.
        min_val: a.
        max_val: b.
        inplace: write the output over the input.

    Raises:
        ValueError: if a > b.
        RuntimeError: if ``inplace`` would overwrite a leaf that requires a gradient.
    """
    if min_val > max_val:
        raise ValueError(
            f"min_val cannot be greater than max_val, but got {min_val} and {max_val}; "
            "exchange them"
        )
    return activate(HardtanhFunction, input, min_val, max_val, inplace=inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, min(x, 6)), element by element; any shape."""
    return hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x for x > 0, s x elsewhere, element by element; any shape."""
    return activate(LeakyReLUFunction, input, negative_slope, inplace=inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x/6 + 1/2, but at least 0 and at most 1, element by element; any shape."""
    return activate(HardsigmoidFunction, input, inplace=inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x hardsigmoid(x), element by element; any shape."""
    return activate(HardswishFunction, input, inplace=inplace)


class Hardtanh(nn.Hardtanh):
    """:class:`torch.nn.Hardtanh` with the derivative 1 between its bounds, 0 at and beyond them."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """x, but at least ``min_val`` and at most ``max_val``, the input's shape."""
        return hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(nn.ReLU6):
    """:class:`torch.nn.ReLU6` with the derivative 1 between 0 and 6, 0 at and beyond them."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """max(0, min(x, 6)), the input's shape."""
        return hardtanh(input, self.min_val, self.max_val, self.inplace)


class LeakyReLU(nn.LeakyReLU):
    """:class:`torch.nn.LeakyReLU` with the derivative 1 for x > 0, the slope s elsewhere."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """x for x > 0, s x elsewhere, the input's shape."""
        return leaky_relu(input, self.negative_slope, self.inplace)


class Hardsigmoid(nn.Hardsigmoid):
    """:class:`torch.nn.Hardsigmoid` with the derivative 1/6 for -3 < x < 3, 0 elsewhere."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """x/6 + 1/2, but at least 0 and at most 1, the input's shape."""
        return hardsigmoid(input, self.inplace)


class Hardswish(nn.Hardswish):
    """:class:`torch.nn.Hardswish` with the derivative x/3 + 1/2 for -3 < x < 3, then 1."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """x hardsigmoid(x), the input's shape."""
        return hardswish(input, self.inplace)
