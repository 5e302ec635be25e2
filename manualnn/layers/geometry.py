"""What the sliding layers share: sizes given once for all axes, or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Size: TypeAlias = "int | Sequence[int]"


def per_axis(size: Size, axes: int, name: str) -> tuple[int, ...]:
    """Spread one number over the axes: 2 -> (2, 2) for two axes.

    Args:
        size: an int for all axes, or a sequence with one int for all or one for each.
        axes: how many spatial axes there are.
        name: what the size is called in the error.

    Raises:
        RuntimeError: if a sequence has neither one number nor one for each axis.
    """
    sizes = (size,) if isinstance(size, int) else tuple(size)
    if len(sizes) not in (1, axes):
        raise RuntimeError(f"expected {name} to be one number or {axes}, but got {sizes}")
    return sizes if len(sizes) == axes else sizes * axes
