"""What the sliding layers share: sizes given once for all axes, or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TypeAlias

from torch import Tensor

Size: TypeAlias = "int | Sequence[int]"


def per_axis(size: Size, axes: int, name: str, least: int) -> tuple[int, ...]:
    """Spread one number over the axes: 2 -> (2, 2) for two axes.

    Args:
        size: an int for all axes, or a sequence with one int for all or one for each.
        axes: how many spatial axes there are.
        name: what the size is called in the error.
        least: the smallest size that makes sense.

    Raises:
        RuntimeError: if a sequence has neither one number nor one for each axis, or a number is
            too small.
        TypeError: if a number is not whole.
    """
    sizes = tuple(index(s) for s in (size if isinstance(size, Sequence) else (size,)))
    if len(sizes) not in (1, axes):
        raise RuntimeError(f"expected {name} to be one number or {axes}, but got {sizes}")
    if min(sizes) < least:
        raise RuntimeError(f"{name} must be at least {least}, but got {sizes}")
    return sizes if len(sizes) == axes else sizes * axes


def check_axes(input: Tensor, axes: int, error: type[Exception] = RuntimeError) -> None:
    """Refuse an input that is neither a batch, (R, C, ...), nor one sample, (C, ...).

    Args:
        input: what a sliding layer was given.
        axes: how many spatial axes the layer has.
        error: what to raise.

    Raises:
        RuntimeError: or ``error``, if the input has another number of dimensions.
    """
    if input.dim() not in (axes + 1, axes + 2):
        raise error(
            f"expected an input with {axes + 1} (one sample) or {axes + 2} (batch) dimensions, "
            f"but got {tuple(input.shape)}"
        )
