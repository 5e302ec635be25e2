"""A wrong gradient as a picture: expected, returned and difference; imports matplotlib."""

from __future__ import annotations

from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from manualnn.checks.comparison import ELEMENTS, compare, is_large
from manualnn.checks.doctor import prepared


def heat_maps(function: Any, *inputs: Any, variable: str | None = None) -> Figure:
    """Draws what a gradient should be, what it is, and the difference, for a random cotangent.

    Args:
        function: A module or function, see :func:`manualnn.checks.check_module`.
        inputs: Its arguments.
        variable: The name of the input or parameter; the most wrong one unless told.

    Returns:
        Three heat maps. Axes before the last are laid one below the other.

    Raises:
        ValueError: If the subject cannot be examined, or has no such variable.
    """
    subject, said = prepared(function, inputs)
    if subject is None:
        raise ValueError(said.text if said else "it cannot be examined")
    if is_large(subject):
        raise ValueError(f"it takes float64 and up to {ELEMENTS} numbers, got {subject.elements}")
    found = compare(subject)
    if variable is None:
        variable = max(found, key=lambda name: float(found[name].off.max()))
    if variable not in found:
        raise ValueError(f"there is no {variable!r}; there are {', '.join(found)}")
    comparison = found[variable]
    shape = tuple(comparison.truth.shape)
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    figure.suptitle(f"{subject.name}: gradient of {variable} {shape}")
    difference = comparison.returned - comparison.truth
    pictures = {"expected": comparison.truth, "returned": comparison.returned}
    largest = max(float(each.abs().max()) for each in pictures.values()) or 1.0
    for axes, (title, values) in zip(
        figure.subplots(1, 3), {**pictures, "returned - expected": difference}.items(), strict=True
    ):
        plane = as_plane(values).numpy()
        drawn = axes.imshow(plane, "RdBu_r", vmin=-largest, vmax=largest, aspect="auto")
        axes.set_title(title)
        axes.set_xlabel(f"axis {max(len(shape) - 1, 0)}")
        axes.set_ylabel(_rows(shape))
    figure.colorbar(drawn, ax=figure.axes, shrink=0.8)
    return figure


def as_plane(values: Tensor) -> Tensor:
    """Lays all axes but the last below each other: (rows, columns)."""
    wide = values.detach().double()
    return torch.atleast_2d(wide) if wide.ndim < 2 else wide.flatten(0, -2)


def _rows(shape: tuple[int, ...]) -> str:
    axes = ", ".join(map(str, range(len(shape) - 1)))
    return f"{'axes' if len(shape) > 2 else 'axis'} {axes}" if axes else ""
