"""Dropout: in training, forget values at random, so that no one of them is relied on.

Forward, with a mask m of independent draws that are 0 with probability p and 1 otherwise::

    y = x m / (1 - p)

The division makes up for what is forgotten: y has the mean x, and at evaluation, y = x, nothing
has to be rescaled. Dropout2d draws one m for each channel of each sample, (R, C, 1, ...), as
neighbouring pixels say nearly the same and a hole in one is filled from the next.

The mask is drawn once and is no function of x. What is left is a product with numbers that are
given, linear in x, so the backward pass sends delta = dL/dy through the very same product, and
the forward mode a tangent::

    dL/dx = delta m / (1 - p)

The map is its own adjoint: one formula serves all orders in both modes. Kept is the mask alone,
one byte for each value, or for each channel. It is drawn from torch's random stream as its twin
draws it, so a seed gives what it gives there (on the CPU; on a GPU torch has a stream of its own
for dropout).
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, led_nowhere
from manualnn.layers.in_place import refuse_leaf


def dropout_mask(input: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """m, False with probability p: of this shape, or like the input where they agree."""
    if input.shape == shape:
        mask = torch.empty_like(input, dtype=torch.bool)  # in the input's order in memory
    else:
        mask = input.new_empty(shape, dtype=torch.bool)
    return mask.bernoulli_(1 - p) if p < 1 else mask.zero_()


def dropout_scale(values: Tensor, mask: Tensor, p: float) -> Tensor:
    """x m / (1 - p), or delta m / (1 - p): (R, C, ...), the mask alike or (R, C, 1, ...)."""
    kept = mask.to(values.dtype)
    return values * (kept / (1 - p) if p < 1 else kept)


class DropoutFunction(Function):
    """Y = X m / (1 - p), for a mask that is given."""

    @staticmethod
    def forward(input: Tensor, mask: Tensor, p: float) -> Tensor:
        return dropout_scale(input, mask, p)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        _, mask, ctx.p = inputs
        ctx.save_for_backward(mask)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return apply(DropoutFunction, grad_output, mask, ctx.p), None, None

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, *_: None) -> Tensor:
        (mask,) = ctx.saved_tensors
        return apply(DropoutFunction, d_input, mask, ctx.p)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each value is set to 0 with probability p, or else divided by 1 - p.

    Args:
        input: any shape.
        p: how much is forgotten, from 0 to 1.
        training: without it, or with p = 0, the input is returned as it is.
        inplace: write the output over the input.

    Raises:
        ValueError: if p is not from 0 to 1.
        RuntimeError: if the input is one of integers, or ``inplace`` would overwrite a leaf that
            requires a gradient.
    """
    _check(p)
    return _forget(input, input.shape, p, training, inplace)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Each channel of each sample is set to 0 with probability p, or else divided by 1 - p.

    Args:
        input: (R, C, H, W); (R, C, L) and other shapes of two axes or more, with a warning.
        p: how much is forgotten, from 0 to 1.
        training: without it, or with p = 0, the input is returned as it is.
        inplace: write the output over the input.

    Raises:
        ValueError: if p is not from 0 to 1.
        RuntimeError: if the input has no channels or is one of integers, or ``inplace`` would
            overwrite a leaf that requires a gradient.
    """
    _check(p)
    if input.dim() != 4:
        warnings.warn(
            f"dropout2d: expected an input (R, C, H, W), but got {tuple(input.shape)}; its first "
            "two axes are taken for samples and channels, which torch will not do for ever: use "
            "dropout, or unsqueeze(0) for one sample",
            stacklevel=2,
        )
    if input.dim() < 2 and training and p > 0:
        raise RuntimeError(
            "Feature dropout requires at least 2 dimensions in the input, samples and channels, "
            f"but got {tuple(input.shape)}"
        )
    shape = torch.Size([*input.shape[:2], *(1 for _ in input.shape[2:])])
    return _forget(input, shape, p, training, inplace)


def _check(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _forget(input: Tensor, shape: torch.Size, p: float, training: bool, inplace: bool) -> Tensor:
    """Dropout with a mask of this shape."""
    if p == 0 or not training or input.numel() == 0:
        return input
    if p < 1 and not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(f"expected floating-point numbers, but got {input.dtype}")
    if not inplace:
        return apply(DropoutFunction, input, dropout_mask(input, shape, p), p)
    refuse_leaf(input)
    return input.copy_(apply(DropoutFunction, input, dropout_mask(input, shape, p), p))


class Dropout(nn.Dropout):
    """:class:`torch.nn.Dropout` with a backward pass by hand: any shape."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """In training x m / (1 - p), else x; the input's shape."""
        return dropout(input, self.p, self.training, self.inplace)


class Dropout2d(nn.Dropout2d):
    """:class:`torch.nn.Dropout2d` with a backward pass by hand: (R, C, H, W), whole channels."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """In training x m / (1 - p), m one for each channel, else x; the input's shape."""
        return dropout2d(input, self.p, self.training, self.inplace)
