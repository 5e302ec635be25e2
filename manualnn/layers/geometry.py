"""What the sliding layers share: where a kernel meets the input, and sizes axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import TypeAlias

from torch import Tensor

Size: TypeAlias = "int | Sequence[int]"


@dataclass(frozen=True)
class Geometry:
    """Where the kernel meets the input: sizes, stride s, padding p and dilation d, axis by axis."""

    input_size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def output_size(self) -> tuple[int, ...]:
        """(H', W'), how many steps the kernel makes along each axis (Eq. 34-36)."""
        return tuple(steps // s + 1 for steps, s in zip(self._room, self.stride, strict=True))

    @property
    def unreached(self) -> tuple[int, ...]:
        """How many rows (columns) of the padded input lie beyond the kernel's last step."""
        return tuple(steps % s for steps, s in zip(self._room, self.stride, strict=True))

    @property
    def _room(self) -> tuple[int, ...]:
        """H + 2 p - d (k - 1) - 1, how far the kernel can move along each axis."""
        axes = zip(self.input_size, self.kernel_size, self.padding, self.dilation, strict=True)
        return tuple(size + 2 * p - d * (k - 1) - 1 for size, k, p, d in axes)


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
