"""The report's activations, element by element (sections 4.1.1 and 4.2.3).

Forward, Eq. 1 and 8-10::

    sigmoid(x) = 1 / (1 + exp(-x))
    tanh(x)    = (exp(x) - exp(-x)) / (exp(x) + exp(-x))
    relu(x)    = max(0, x)

Each y depends on its own x alone, so the chain rule has one term (Eq. 44-45)::

    dL/dx = delta f'(x),                                             delta = dL/dy

and all three derivatives can be read off the output, which the next layer keeps anyway::

    sigmoid'(x) = y (1 - y)                                          (Eq. 11)
    tanh'(x)    = 1 - y^2                                            (Eq. 12)
    relu'(x)    = 0 where y <= 0, 1 elsewhere                        (Eq. 13-15)

The derivative by x is linear in what it is given, so one formula serves the reverse mode, with a
cotangent, and the forward mode, with a tangent. As y is itself the output of the Function, higher
orders follow from these products.

An activation is thus its own formula and its derivative's. :func:`elementwise` makes a Function of
the two, for the three of the report and for those in the files beside this one.

Chosen: relu'(0) = 0, where the text under Eq. 15 allows 0 or 1, as PyTorch does. Eq. 8 and 9
overflow in floating point for large |x| as printed; torch.sigmoid and torch.tanh do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, is_unwatched, led_nowhere
from manualnn.backend import formula
from manualnn.layers.in_place import is_traced, refuse_leaf

# The integers of the same size.
BITS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}


def sigmoid_grad_input(grad_output: Tensor, output: Tensor) -> Tensor:
    """dL/dx = delta y (1 - y) (Eq. 11), any shape."""
    return grad_output * (output * (1 - output))


def tanh_grad_input(grad_output: Tensor, output: Tensor) -> Tensor:
    """dL/dx = delta (1 - y^2) (Eq. 12), any shape."""
    return grad_output * (1 - output * output)


def relu_grad_input(grad_output: Tensor, output: Tensor) -> Tensor:
    """dL/dx = delta where y > 0, else 0 (Eq. 14-15), any shape; delta passes where y is nan."""
    if is_unwatched() and output.dtype == grad_output.dtype in BITS:
        return relu_grad_input_by_bits(grad_output, output)
    return grad_output.masked_fill(output <= 0, 0)


def relu_grad_input_by_bits(grad_output: Tensor, output: Tensor) -> Tensor:
    """The same, without a choice for each element, which takes four times as long.

    Read as an integer, |y| is 0 where y is 0 and above it elsewhere. Its negative has the sign bit
    set there; shifted to the right, that bit fills the whole number: a mask for the bits of delta.
    """
    integers = BITS[output.dtype]
    mask = output.abs().view(integers).neg_().bitwise_right_shift_(8 * output.element_size() - 1)
    return mask.bitwise_and_(grad_output.view(integers)).view(output.dtype)


def elementwise(
    name: str,
    function: Callable[..., Tensor],
    grad_input: Callable[..., Tensor],
    keep: Literal["output", "input"] = "output",
) -> type[Function]:
    """Make the Function of an activation from its two formulas.

    Args:
        name: of the Function, as it shows in ``grad_fn``.
        function: ``(x, *options) -> y``; the options are numbers.
        grad_input: ``(delta, y, *options) -> dL/dx``, linear in delta.
        keep: "input" to give grad_input x in place of y: where f' is no function of y, or where
            torch's twin leaves y to be overwritten by the next layer.
    """
    grad_input = formula(grad_input)

    class Elementwise(Function):
        @staticmethod
        def forward(input: Tensor, *options: float) -> Tensor:
            return function(input, *options)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            ctx.options = inputs[1:]
            ctx.save_for_backward(output if keep == "output" else inputs[0])

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
            (kept,) = ctx.saved_tensors
            return grad_input(grad_output, kept, *ctx.options), *(None for _ in ctx.options)

        @staticmethod
        def jvp(ctx: Any, d_input: Tensor, *_: None) -> Tensor:
            (kept,) = ctx.saved_tensors
            return grad_input(d_input, kept, *ctx.options)

    return type(name, (Elementwise,), {"grad_input": staticmethod(grad_input), "keep": keep})


SigmoidFunction = elementwise("SigmoidFunction", torch.sigmoid, sigmoid_grad_input)
TanhFunction = elementwise("TanhFunction", torch.tanh, tanh_grad_input)
ReLUFunction = elementwise("ReLUFunction", torch.relu, relu_grad_input)


def activate(
    function: type[Function], input: Tensor, *options: float, inplace: bool = False
) -> Tensor:
    """Apply the Function of an activation.

    Args:
        function: made by :func:`elementwise`.
        input: any shape.
        *options: the activation's own numbers.
        inplace: write the output over the input; what the Function keeps is a copy.

    Raises:
        RuntimeError: if ``inplace`` would overwrite a leaf that requires a gradient.
    """
    if not inplace:
        return apply(function, input, *options)
    refuse_leaf(input)
    return input.copy_(apply(function, input.clone(), *options))


class ReLUInPlaceFunction(Function):
    """max(0, x), written over x."""

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return input.relu_()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.mark_dirty(output)
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (output,) = ctx.saved_tensors
        return relu_grad_input(grad_output, output)

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor) -> Tensor:
        (output,) = ctx.saved_tensors
        return d_input.copy_(relu_grad_input(d_input, output))  # a dirty output's tangent is dirty


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), Eq. 8, element by element; any shape."""
    return apply(SigmoidFunction, input)


def tanh(input: Tensor) -> Tensor:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), Eq. 9, element by element; any shape."""
    return apply(TanhFunction, input)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, x), Eq. 10, element by element.

    Args:
        input: any shape.
        inplace: write the output over the input.

    Raises:
        RuntimeError: if ``inplace`` would overwrite a leaf that requires a gradient.
    """
    if not inplace or is_traced():
        return activate(ReLUFunction, input, inplace=inplace)
    refuse_leaf(input)
    return apply(ReLUInPlaceFunction, input)


class Sigmoid(nn.Sigmoid):
    """:class:`torch.nn.Sigmoid` with the report's derivative, y (1 - y) (Eq. 8, 11)."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """1 / (1 + exp(-x)), the input's shape."""
        return sigmoid(input)


class Tanh(nn.Tanh):
    """:class:`torch.nn.Tanh` with the report's derivative, 1 - y^2 (Eq. 9, 12)."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """The hyperbolic tangent of x, the input's shape."""
        return tanh(input)


class ReLU(nn.ReLU):
    """:class:`torch.nn.ReLU` with the report's derivative, 0 at x = 0 (Eq. 10, 13-15)."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """max(0, x), the input's shape."""
        return relu(input, self.inplace)
