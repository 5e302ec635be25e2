"""Max-pooling in a run, alone or after ReLU: the places of the maxima are kept (Eq. 49-51)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from manualnn.autograd import apply
from manualnn.fused.pieces import Kept, Parameters, Passed, Piece
from manualnn.layers.activations.basic import ReLUFunction, relu_grad_input
from manualnn.layers.geometry import per_axis
from manualnn.layers.pooling import (
    MaxPoolFunction,
    MaxPoolGradInputFunction,
    Plane,
    Window,
    max_pool_forward,
)


class Pool(Piece):
    """Max-pooling (Eq. 49, 51); keeps the places of the maxima. pooling.py."""

    is_cheap = False

    def __init__(self, *layers: Any) -> None:
        """Takes the place of MaxPool1d, MaxPool2d or MaxPool3d, the last of the layers."""
        super().__init__(*layers)
        layer, axes = self.layer, self.layer.axes
        size, stride = layer.kernel_size, layer.stride
        self.axes = (axes + 2,)
        self.window = Window(
            per_axis(size, axes, "kernel_size", least=1),
            per_axis(size if stride is None else stride, axes, "stride", least=1),
            per_axis(layer.padding, axes, "padding", least=0),
            per_axis(layer.dilation, axes, "dilation", least=1),
            layer.ceil_mode,
        )

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        y, places = max_pool_forward(x, self.window)
        return y, (places,)

    def by_layer(self, x: Tensor, parameters: Parameters, kept: Kept) -> tuple[Tensor, Kept]:
        y, places = apply(MaxPoolFunction, x, self.window)
        return y, (places,)

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        (places,), plane = passed.kept, Plane(tuple(passed.shape[2:]))
        return apply(MaxPoolGradInputFunction, delta, places, plane), ()


class RectifiedPool(Pool):
    """ReLU, then max-pooling, as max-pooling, then ReLU: the same, as both are maxima.

    A window's largest value is the largest of its rectified values as well, or they are all 0 and
    nothing goes through. So the slope can be read off Y, and X need not be kept.
    """

    needs_output = True

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        y, kept = super().forward(x, parameters, is_fresh)
        return y.relu_(), kept

    def by_layer(self, x: Tensor, parameters: Parameters, kept: Kept) -> tuple[Tensor, Kept]:
        y, kept = super().by_layer(x, parameters, kept)
        return apply(ReLUFunction, y), kept

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        return super().backward(relu_grad_input(delta, passed.y), passed, needs_input, needs)
