"""The end of a residual block: the shortcut is added, then ReLU.

Forward, with the shortcut S::

    Y = relu(X + S)

X and S reach Y in the same way, so that with delta = dL/dY and Eq. 13-15::

    dL/dX = dL/dS = delta where Y > 0, else 0

Y alone is needed, which the next block keeps anyway. The sum is never kept.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from manualnn.autograd import Function, apply, is_unwatched
from manualnn.layers.activations.basic import relu_grad_input


def add_relu_forward(input: Tensor, shortcut: Tensor) -> Tensor:
    """Y = relu(X + S), two tensors of one shape."""
    total = input + shortcut
    return total.relu_() if is_unwatched() else total.relu()


class AddReLUFunction(Function):
    """Y = relu(X + S)."""

    @staticmethod
    def forward(input: Tensor, shortcut: Tensor) -> Tensor:
        return add_relu_forward(input, shortcut)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        (output,) = ctx.saved_tensors
        delta = relu_grad_input(grad_output, output)
        return delta, delta

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, d_shortcut: Tensor) -> Tensor:
        (output,) = ctx.saved_tensors
        return relu_grad_input(d_input + d_shortcut, output)


def add_relu(input: Tensor, shortcut: Tensor) -> Tensor:
    """relu(X + S) as one Function.

    Args:
        input: X, any shape.
        shortcut: S, the same shape.

    Raises:
        RuntimeError: if the shapes differ.
    """
    if input.shape != shortcut.shape:
        raise RuntimeError(
            "a shortcut has the shape of what it is added to, but got "
            f"{tuple(input.shape)} and {tuple(shortcut.shape)}"
        )
    return apply(AddReLUFunction, input, shortcut)
