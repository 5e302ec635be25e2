"""Batch norm in evaluation mode, taken into the convolution or the product before it.

With given statistics, batch norm (Eq. 54-55) is an affine map of each channel, a = gamma istd::

    a (X * W + b - mu) + beta = X * (a W) + (a (b - mu) + beta)

so that the layer before it gives its output at once. For values alone: where gradients are wanted,
the layers' own formulas hold.
"""

from __future__ import annotations

from torch import Tensor

from manualnn.fused.norm import Normalisation
from manualnn.fused.pieces import Parameters, Piece
from manualnn.fused.products import Convolution, Product
from manualnn.layers.normalisation import times


def absorb(
    weight: Tensor,
    bias: Tensor | None,
    mean: Tensor,
    istd: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """a W and a (b - mu) + beta: (C', ...), (C') and (C') for the others."""
    a = times(istd, gamma)
    shift = -mean * a if bias is None else (bias - mean) * a
    return weight * a.view(-1, *(1,) * (weight.dim() - 1)), shift if beta is None else shift + beta


def can_absorb(piece: Piece, norm: Normalisation, x: Tensor) -> bool:
    """Whether each output of this piece is one channel of the batch norm after it."""
    is_map = isinstance(piece, Convolution) or (isinstance(piece, Product) and x.dim() == 2)
    return is_map and not norm.is_batch and len(piece.layer.weight) == norm.layer.num_features


def evaluate(pieces: tuple[Piece, ...], parameters: list[Parameters], x: Tensor) -> Tensor:
    """What the pieces make of x, each batch norm in the layer before it where there is one."""
    place = 0
    while place < len(pieces):
        piece, own = pieces[place], parameters[place]
        following = pieces[place + 1] if place + 1 < len(pieces) else None
        if isinstance(following, Normalisation) and can_absorb(piece, following, x):
            own = absorb(*own, *following.given(), *parameters[place + 1])
            place += 1
        x, _ = piece.forward(x, own, False)
        place += 1
    return x
