"""What a run of layers is made of: each layer's formulas, without a Function of its own.

A piece takes x to y. Of a run of pieces x_0 -> x_1 -> ... -> x_n the chain rule (Eq. 22-29) makes::

    dL/dx_(i-1) = (dy/dx of piece i)^T dL/dx_i

and what a piece's factor needs says what has to be there in the backward pass: x, y, both or
neither. :mod:`manualnn.fused.run` keeps some of them and computes the others again, so each piece
says whether that is cheap.

Each formula is the layer's own, in the file of the layer that is named. They hold at every order:
in a plain backward pass they act on values, and where the backward pass is differentiated itself,
through the layers' Functions.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import apply
from manualnn.layers.activations.basic import ReLUFunction

Parameters = tuple[Any, ...]
Kept = tuple[Tensor, ...]


@dataclass
class Passed:
    """What is left of a piece's forward pass when the backward pass comes to it.

    Attributes:
        shape: of x.
        x: the input, if the piece needs it.
        y: the output, if the piece needs it.
        parameters: as :meth:`Piece.parameters` gives them.
        kept: what else the piece itself wanted kept.
    """

    shape: torch.Size
    x: Any
    y: Any
    parameters: Parameters
    kept: Kept


class Piece:
    """One layer, or two that belong together, in a run.

    It holds the layer's options as they are when it is made: what is changed later, between the
    passes too, is for the next piece that is made of the layer.

    Attributes:
        needs_input: x is needed for the backward pass.
        needs_output: y is.
        is_cheap: y may be computed again.
        is_view: y is x in another shape.
        axes: how many x may have.
        axes_after: how many y has, if not as many.
        layers: whose place it takes, in their order.
    """

    needs_input = False
    needs_output = False
    is_cheap = True
    is_view = False
    axes: Collection[int] = range(2, 9)
    axes_after: int | None = None

    def __init__(self, *layers: Any) -> None:
        """Takes the place of these layers."""
        self.layers = layers
        self.layer = layers[-1]

    def parameters(self) -> Parameters:
        """Those of the layer, in the order in which :meth:`backward` gives their gradients."""
        return ()

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        """y, and what to keep; it is allowed to write y over an x that is fresh."""
        raise NotImplementedError

    def again(self, x: Tensor, parameters: Parameters, kept: Kept, is_fresh: bool) -> Tensor:
        """y once more, with what was kept; it is allowed to write it over an x that is fresh."""
        return self.forward(x, parameters, is_fresh)[0]

    def by_layer(self, x: Tensor, parameters: Parameters, kept: Kept) -> tuple[Tensor, Kept]:
        """The same as :meth:`forward` by the layer's Function, to be differentiated.

        ``kept`` is what that kept; of it, constants alone may be used.
        """
        raise NotImplementedError

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        """dL/dx and the parameters' gradients for delta = dL/dy, those that are needed."""
        raise NotImplementedError


class Activation(Piece):
    """y = f(x), element by element; activations/."""

    def __init__(self, layer: nn.Module, function: Any, *options: float) -> None:
        """Takes the place of a layer with this Function, made by ``elementwise``."""
        super().__init__(layer)
        self.function, self.options = function, options
        self.needs_input = function.keep == "input"
        self.needs_output = function.keep == "output"

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        if is_fresh and self.function is ReLUFunction:
            return x.relu_(), ()
        return self.function.forward(x, *self.options), ()

    def by_layer(self, x: Tensor, parameters: Parameters, kept: Kept) -> tuple[Tensor, Kept]:
        return apply(self.function, x, *self.options), ()

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        return self.slope(delta, passed.x, passed.y), ()

    def slope(self, delta: Tensor, x: Any, y: Any) -> Tensor:
        """delta f'(x), by x or by y."""
        return self.function.grad_input(delta, x if self.needs_input else y, *self.options)


class Flattening(Piece):
    """All axes but the first as one; flatten.py."""

    is_view = True
    axes_after = 2

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        return x.flatten(1), ()

    def by_layer(self, x: Tensor, parameters: Parameters, kept: Kept) -> tuple[Tensor, Kept]:
        return self.forward(x, parameters, False)

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        return delta.reshape(passed.shape), ()
