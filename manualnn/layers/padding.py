"""Padding, and its adjoint: what convolution's padding modes need around the sliding product.

Padding copies: every element of the padded Y has one source in X, or is zero::

    Y[i] = X[source(i)]                                  reflect, replicate, circular
    Y[i] = X[i - before] inside, 0 outside               zeros

An element of X that was copied several times reaches L through every copy, so its gradient is the
sum over them, with delta = dL/dY::

    dL/dX[j] = sum_{i: source(i) = j} delta[i]           reflect, replicate, circular
    dL/dX[j] = delta[j + before]                         zeros: the margin is cut off

Padding is a linear map and this is its adjoint (linear_map.py). Axes are independent: the sum is
taken one axis at a time.

The report pads with zeros only (section 4.2.1); the other modes are those of torch.nn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from manualnn.autograd import apply
from manualnn.layers.linear_map import linear_map


@dataclass(frozen=True)
class Padding:
    """How much is added, and of what.

    Attributes:
        amounts: elements before and after, from the last axis backwards: (left, right, top, ...).
        mode: "constant" (zeros), "reflect", "replicate" or "circular".
    """

    amounts: tuple[int, ...]
    mode: str


def pad_forward(input: Tensor, padding: Padding) -> Tensor:
    """Y[i] = X[source(i)]: (R, C, ...) -> (R, C, ... + before + after)."""
    return torch.nn.functional.pad(input, padding.amounts, padding.mode)


def pad_grad_input(grad_output: Tensor, padding: Padding) -> Tensor:
    """dL/dX[j] = sum_{i: source(i) = j} delta[i], the adjoint of :func:`pad_forward`."""
    if padding.mode == "constant":
        return torch.nn.functional.pad(grad_output, [-amount for amount in padding.amounts])
    grad_input = grad_output
    befores_and_afters = zip(padding.amounts[::2], padding.amounts[1::2], strict=True)
    for axis, (before, after) in enumerate(befores_and_afters, start=1):
        size = grad_input.shape[-axis] - before - after
        positions = torch.arange(size, dtype=torch.float64, device=grad_output.device)
        source = pad_forward(positions[None, None], Padding((before, after), padding.mode))[0, 0]
        shape = [*grad_input.shape]
        shape[-axis] = size
        grad_input = grad_input.new_zeros(shape).index_add(-axis, source.long(), grad_input)
    return grad_input


PadFunction, PadAdjointFunction = linear_map("Pad", pad_forward, pad_grad_input)


def pad(input: Tensor, amounts: tuple[int, ...], mode: str = "constant") -> Tensor:
    """Pad the last axes of a batch, as :func:`torch.nn.functional.pad` does with zeros or copies.

    Args:
        input: (R, C, ...), at most three axes after the channels.
        amounts: elements to add before and after each axis, from the last one backwards.
        mode: "constant" (zeros), "reflect" (fewer than the axis has), "replicate" or "circular"
            (at most as many as the axis has).

    Returns:
        The padded tensor, of the input's dtype.

    Raises:
        RuntimeError: if an amount does not fit the axis.
        NotImplementedError: if the mode is unknown.
    """
    for axis, pair in enumerate(zip(amounts[::2], amounts[1::2], strict=True), start=1):
        if mode == "circular" and max(pair) > input.shape[-axis]:
            raise RuntimeError(
                f"circular padding can add at most the axis once, {input.shape[-axis]} elements of "
                f"an input {tuple(input.shape)}, but got {pair}"
            )
    return apply(PadFunction, input, Padding(tuple(amounts), mode))
