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
from manualnn.backend import formula
from manualnn.layers.activations.basic import ReLUFunction, relu_grad_input
from manualnn.layers.batchnorm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    BatchNormGivenFunction,
    HandDerivedBatchNorm,
    per_channel,
    sample_axes,
    update_running,
)
from manualnn.layers.conv import (
    ConvFunction,
    ConvGradInputFunction,
    ConvGradWeightFunction,
    conv_forward,
    conv_grad_bias,
)
from manualnn.layers.geometry import Geometry, per_axis
from manualnn.layers.linear import LinearFunction, rows
from manualnn.layers.normalisation import (
    Axes,
    NormalisationFunction,
    affine,
    batch_statistics,
    has_large_planes,
    inverse_std,
    sum_delta,
    sum_delta_xhat,
    times,
)
from manualnn.layers.pooling import (
    MaxPoolFunction,
    MaxPoolGradInputFunction,
    Plane,
    Window,
    max_pool_forward,
)

Parameters = tuple[Any, ...]
Kept = tuple[Tensor, ...]

AXES = {BatchNorm1d: (2, 3), BatchNorm2d: (4,), BatchNorm3d: (5,)}
FEW_CHANNELS = 4  # of a picture: a convolution over them is computed again rather than kept


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

    Attributes:
        needs_input: x is needed for the backward pass.
        needs_output: y is.
        is_cheap: y may be computed again.
        is_view: y is x in another shape.
        axes: how many x may have.
        layers: whose place it takes, in their order.
    """

    needs_input = False
    needs_output = False
    is_cheap = True
    is_view = False
    axes: Collection[int] = range(2, 9)

    def __init__(self, *layers: Any) -> None:
        """Takes the place of these layers."""
        self.layers = layers
        self.layer = layers[-1]

    def parameters(self) -> Parameters:
        """Those of the layer, in the order in which :meth:`backward` gives their gradients."""
        return ()

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        """y, and what to keep; y may be written over an x that is fresh."""
        raise NotImplementedError

    def again(self, x: Tensor, parameters: Parameters, kept: Kept, is_fresh: bool) -> Tensor:
        """y once more, with what was kept; it may be written over an x that is fresh."""
        return self.forward(x, parameters, is_fresh)[0]

    def by_layer(self, x: Tensor, parameters: Parameters) -> tuple[Tensor, Kept]:
        """The same as :meth:`forward` by the layer's Function, to be differentiated."""
        raise NotImplementedError

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        """dL/dx and the parameters' gradients for delta = dL/dy, those that are needed."""
        raise NotImplementedError


@formula
def batch_norm_backward(
    delta: Tensor,
    x: Tensor,
    mean: Tensor,
    istd: Tensor,
    gamma: Tensor | None,
    is_batch: bool,
    needs_input: bool,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """dL/dX, if it is needed, dL/dgamma and dL/dbeta (Eq. 65-67), by the batch's own statistics."""
    centred, samples, a = x - mean, sample_axes(x), times(istd, gamma)
    s0, s1 = sum_delta(delta, samples), sum_delta_xhat(delta, centred, istd, samples)
    if not needs_input:
        return None, s1, s0
    if not is_batch:
        return delta * a, s1, s0
    share = a / -(x.numel() // x.shape[1])  # of each of the n values
    return affine(delta, centred, a, share * istd * s1, share * s0), s1, s0


class Convolution(Piece):
    """Y = X * W + b (Eq. 39), with zeros for padding; conv.py."""

    needs_input = True

    def __init__(self, layer: nn.modules.conv._ConvNd) -> None:
        """Takes the place of a layer with ``padding_mode="zeros"``."""
        super().__init__(layer)
        self.is_cheap = layer.in_channels <= FEW_CHANNELS
        self.axes = (layer.weight.dim(),)

    def parameters(self) -> Parameters:
        return self.layer.weight, self.layer.bias

    def sees_input_alone(self) -> bool:
        """Whether no padding and no groups come between the kernel and all of the input."""
        return not any(self.layer.padding) and self.layer.groups == 1

    def geometry(self, shape: torch.Size) -> Geometry:
        """Where the layer's kernel meets an input of this shape."""
        layer = self.layer
        options = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        return Geometry(tuple(shape[2:]), *options, layer.groups)

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        weight, bias = parameters
        return conv_forward(x, weight, bias, self.geometry(x.shape)), ()

    def by_layer(self, x: Tensor, parameters: Parameters) -> tuple[Tensor, Kept]:
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

    def by_layer(self, x: Tensor, parameters: Parameters) -> tuple[Tensor, Kept]:
        return apply(LinearFunction, x, *parameters), ()

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        weight, _ = passed.parameters
        dx = delta @ weight if needs_input else None  # Eq. 31
        deltas = rows(delta)
        dw = deltas.t() @ rows(passed.x) if needs[0] else None  # Eq. 32
        return dx, (dw, deltas.sum(0) if needs[1] else None)  # Eq. 33


class Normalisation(Piece):
    """Batch norm (Eq. 52-57, 65-67); keeps mu and istd, (C). batchnorm.py, normalisation.py."""

    needs_input = True

    def __init__(self, layer: HandDerivedBatchNorm) -> None:
        """Takes the place of BatchNorm1d, BatchNorm2d or BatchNorm3d."""
        super().__init__(layer)
        self.axes = AXES[type(layer)]

    def parameters(self) -> Parameters:
        return self.layer.weight, self.layer.bias

    def takes_statistics(self) -> bool:
        """Whether it normalises by the batch's own statistics."""
        return self.layer.training or self.layer.running_mean is None

    def check(self, x: Tensor) -> None:
        """Refuse what the layer refuses, with its words."""
        one = self.takes_statistics() and x.numel() == x.shape[1]
        if one or x.dim() not in self.axes or x.shape[1] != self.layer.num_features:
            self.layer(x)

    def momentum(self) -> float:
        """alpha; counts the batch, if batches are counted."""
        layer = self.layer
        if layer.num_batches_tracked is not None:
            layer.num_batches_tracked.add_(1)
        return layer.momentum if layer.momentum is not None else 1 / int(layer.num_batches_tracked)

    def given(self) -> Kept:
        """mu and istd of the running statistics, (C)."""
        return self.layer.running_mean, inverse_std(self.layer.running_var, self.layer.eps)

    def statistics(self, x: Tensor) -> Kept:
        """mu and istd to normalise by, (C); in training, the running ones are updated."""
        layer = self.layer
        self.check(x)
        if not self.takes_statistics():
            return self.given()
        mean, var = batch_statistics(x)
        if layer.training and layer.running_mean is not None:
            n = x.numel() // x.shape[1]
            update_running(layer.running_mean, layer.running_var, mean, var, n, self.momentum())
        return mean.flatten(), inverse_std(var.flatten(), layer.eps)

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        layer = self.layer
        if has_large_planes(x) or not self.takes_statistics():
            kept = self.statistics(x)
            return self.again(x, parameters, kept, is_fresh), kept
        self.check(x)
        tracks = layer.training and layer.running_mean is not None
        mean, var = (layer.running_mean, layer.running_var) if tracks else (None, None)
        momentum = self.momentum() if tracks else 0.0
        weight, bias = parameters
        y, mean, istd = torch.native_batch_norm(
            x, weight, bias, mean, var, True, momentum, layer.eps
        )
        return y, (mean, istd)

    def again(self, x: Tensor, parameters: Parameters, kept: Kept, is_fresh: bool) -> Tensor:
        (weight, bias), (mean, istd) = parameters, kept
        return torch.native_batch_norm(x, weight, bias, mean, istd.pow(-2), False, 0.0, 0.0)[0]

    def by_layer(self, x: Tensor, parameters: Parameters) -> tuple[Tensor, Kept]:
        layer, (gamma, beta) = self.layer, per_channel(x, *parameters)
        if self.takes_statistics():
            axes = Axes(sample_axes(x), (1,))
            y, mean, var = apply(NormalisationFunction, x, gamma, beta, axes, layer.eps)
        else:
            mean, var = per_channel(x, layer.running_mean, layer.running_var)
            y = apply(BatchNormGivenFunction, x, mean, var, gamma, beta, layer.eps)
        return y, (mean, inverse_std(var, layer.eps))

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        x, is_batch = passed.x, self.takes_statistics()
        mean, istd, gamma = per_channel(x, *passed.kept, passed.parameters[0])
        dx, s1, s0 = batch_norm_backward(delta, x, mean, istd, gamma, is_batch, needs_input)
        return dx, (s1.flatten() if needs[0] else None, s0.flatten() if needs[1] else None)


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

    def by_layer(self, x: Tensor, parameters: Parameters) -> tuple[Tensor, Kept]:
        return apply(self.function, x, *self.options), ()

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        return self.slope(delta, passed.x, passed.y), ()

    def slope(self, delta: Tensor, x: Any, y: Any) -> Tensor:
        """delta f'(x), by x or by y."""
        return self.function.grad_input(delta, x if self.needs_input else y, *self.options)


class Pool(Piece):
    """Max-pooling (Eq. 49, 51); keeps the places of the maxima. pooling.py."""

    is_cheap = False

    def window(self, axes: int) -> Window:
        """The layer's window, axis by axis."""
        layer = self.layer
        size, stride = layer.kernel_size, layer.stride
        return Window(
            per_axis(size, axes, "kernel_size", least=1),
            per_axis(size if stride is None else stride, axes, "stride", least=1),
            per_axis(layer.padding, axes, "padding", least=0),
            per_axis(layer.dilation, axes, "dilation", least=1),
            layer.ceil_mode,
        )

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        y, places = max_pool_forward(x, self.window(x.dim() - 2))
        return y, (places,)

    def by_layer(self, x: Tensor, parameters: Parameters) -> tuple[Tensor, Kept]:
        y, places = apply(MaxPoolFunction, x, self.window(x.dim() - 2))
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

    def by_layer(self, x: Tensor, parameters: Parameters) -> tuple[Tensor, Kept]:
        y, kept = super().by_layer(x, parameters)
        return apply(ReLUFunction, y), kept

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        return super().backward(relu_grad_input(delta, passed.y), passed, needs_input, needs)


class Flattening(Piece):
    """The axes ``start_dim`` to ``end_dim`` as one; flatten.py."""

    is_view = True

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        return x.flatten(self.layer.start_dim, self.layer.end_dim), ()

    def by_layer(self, x: Tensor, parameters: Parameters) -> tuple[Tensor, Kept]:
        return self.forward(x, parameters, False)

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        return delta.reshape(passed.shape), ()
