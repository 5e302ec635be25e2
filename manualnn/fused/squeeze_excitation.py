"""Squeeze and excitation (Hu et al. 2018): each channel times a number that all channels decide.

Forward, over planes of H W places, with two activations f and g (ReLU and a sigmoid)::

    z = 1/(H W) sum_{h, w} X        u = z W1^T + b1,  h = f(u)        v = h W2^T + b2,  s = g(v)
    Y = X s

X reaches Y through the product and through z. With delta = dL/dY, from the end to the start::

    ds = sum_{h, w} delta X         dv = ds g'(v)     dL/dW2 = dv^T h     dL/db2 = sum_r dv
                                    du = dv W2 f'(u)  dL/dW1 = du^T z     dL/db1 = sum_r du
    dL/dX = delta s + du W1 / (H W)

All but the first and the last line is about vectors of channels, which are kept; Y is X s once
more.

Shapes: X, Y and delta (R, C, H, W); z, v and s (R, C); u and h (R, K); W1 (K, C), W2 (C, K), which
the layer holds as 1x1 convolutions.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from manualnn.autograd import apply
from manualnn.fused.pieces import Activation, Kept, Parameters, Passed, Piece

PLANE = 2, 3


class SqueezeExcitation(Piece):
    """Y = X s; keeps z, u, h, v and s."""

    needs_input = True
    axes = (4,)

    def __init__(self, layer: Any, activation: Activation, scale_activation: Activation) -> None:
        """Takes torchvision's layer, and its two activations as pieces."""
        super().__init__(layer)
        self.activations = activation, scale_activation

    def parameters(self) -> Parameters:
        fc1, fc2 = self.layer.fc1, self.layer.fc2
        return fc1.weight, fc1.bias, fc2.weight, fc2.bias

    def _excited(self, z: Tensor, parameters: Parameters, call: Any) -> Kept:
        """z, u, h, v and s, the activations called in one way or another."""
        w1, b1, w2, b2 = parameters
        first, second = self.activations
        u = z @ w1.flatten(1).t() + b1
        h = call(first.function, u, *first.options)
        v = h @ w2.flatten(1).t() + b2
        return z, u, h, v, call(second.function, v, *second.options)

    def forward(self, x: Tensor, parameters: Parameters, is_fresh: bool) -> tuple[Tensor, Kept]:
        kept = self._excited(x.mean(PLANE), parameters, lambda f, *inputs: f.forward(*inputs))
        return self.again(x, parameters, kept, is_fresh), kept

    def again(self, x: Tensor, parameters: Parameters, kept: Kept, is_fresh: bool) -> Tensor:
        s = kept[-1][:, :, None, None]
        return x.mul_(s) if is_fresh else x * s

    def by_layer(self, x: Tensor, parameters: Parameters, kept: Kept) -> tuple[Tensor, Kept]:
        kept = self._excited(x.mean(PLANE), parameters, apply)
        return x * kept[-1].unsqueeze(-1).unsqueeze(-1), kept

    def backward(
        self, delta: Tensor, passed: Passed, needs_input: bool, needs: tuple[bool, ...]
    ) -> tuple[Tensor | None, Parameters]:
        (w1, _, w2, _), (z, u, h, v, s) = passed.parameters, passed.kept
        first, second = self.activations
        ds = (delta * passed.x).sum(PLANE)
        dv = second.slope(ds, v, s)
        du = first.slope(dv @ w2.flatten(1), u, h)
        dx = None
        if needs_input:
            dz = du @ w1.flatten(1) / passed.shape[PLANE[0] :].numel()
            dx = delta * s.unsqueeze(-1).unsqueeze(-1) + dz.unsqueeze(-1).unsqueeze(-1)
        return dx, (
            (du.t() @ z).view_as(w1) if needs[0] else None,
            du.sum(0) if needs[1] else None,
            (dv.t() @ h).view_as(w2) if needs[2] else None,
            dv.sum(0) if needs[3] else None,
        )
