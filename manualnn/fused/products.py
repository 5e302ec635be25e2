"""Convolutions and products of matrices in a run: what costs much, and is kept.

The formulas are those of conv.py (Eq. 39-43) and linear.py (Eq. 7, 31-33). What they make costs too
much to be made again, except of a picture: of its few channels, a convolution is soon made.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import apply
from manualnn.fused.pieces import Kept, Parameters, Passed, Piece
from manualnn.layers.conv import (
    ConvFunction,
    ConvGradInputFunction,
    ConvGradWeightFunction,
    conv_forward,
    conv_grad_bias,
)
from manualnn.layers.conv_weight import FEW_CHANNELS
from manualnn.layers.geometry import Geometry
from manualnn.layers.linear import LinearFunction, rows


class Convolution(Piece):
    """Y = X * W + b (Eq. 39), with zeros for padding; conv.py."""

    needs_input = True

    def __init__(self, layer: nn.modules.conv._ConvNd) -> None:
        """Takes the place of a layer with ``padding_mode="zeros"``."""
        super().__init__(layer)
        self.is_cheap = layer.in_channels <= FEW_CHANNELS
        self.axes = (layer.weight.dim(),)
        self.options: Any = (
            layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups
        )  # fmt: skip

    def parameters(self) -> Parameters:
        return self.layer.weight, self.layer.bias

    def sees_input_alone(self) -> bool:
        """Whether no padding and no groups come between the kernel and all of the input."""
        return not any(self.layer.padding) and self.layer.groups == 1

    def geometry(self, shape: torch.Size) -> Geometry:
        """Where the layer's kernel meets an input of this shape."""
        return Geometry(tuple(shape[2:]), *self.options)

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        weight, bias = parameters
        return conv_forward(x, weight, bias, self.geometry(x.shape)), ()

    def by_layer(self, x: Tensor, parameters: Parameters, kept: Kept) -> tuple[Tensor, Kept]:
        return apply(ConvFunction, x, *parameters, self.geometry(x.shape)), ()

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        geometry, (weight, _) = self.geometry(passed.shape), passed.parameters
        dx = apply(ConvGradInputFunction, delta, weight, geometry) if needs_input else None
        dw = apply(ConvGradWeightFunction, passed.x, delta, geometry) if needs[0] else None
        return dx, (dw, conv_grad_bias(delta) if needs[1] else None)


class Product(Piece):
    """Y = X W^T + b (Eq. 7); linear.py."""

    needs_input = True
    is_cheap = False

    def parameters(self) -> Parameters:
        return self.layer.weight, self.layer.bias

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        weight, bias = parameters
        return nn.functional.linear(x, weight, bias), ()

    def by_layer(self, x: Tensor, parameters: Parameters, kept: Kept) -> tuple[Tensor, Kept]:
        return apply(LinearFunction, x, *parameters), ()

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        weight, _ = passed.parameters
        dx = delta @ weight if needs_input else None  # Eq. 31
        deltas = rows(delta)
        dw = deltas.t() @ rows(passed.x) if needs[0] else None  # Eq. 32
        return dx, (dw, deltas.sum(0) if needs[1] else None)  # Eq. 33
