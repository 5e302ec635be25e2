"""Gradients of a convolution with another stride, dilation or padding than the forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from manualnn.checks.diagnosis.chart import Chart, Guess, Guesses

SAME = 1e-6  # relative


@dataclass(frozen=True)
class Geometry:
    """Where kernel element j of output h' meets the input: at s h' + d j - p, along each axis."""

    stride: int
    dilation: int
    padding: int

    def met(self, outputs: int, kernel: int, inputs: int) -> Tensor:
        """(outputs, kernel, inputs), 1 where they meet."""
        start = self.stride * torch.arange(outputs).view(-1, 1, 1) - self.padding
        place = start + self.dilation * torch.arange(kernel).view(-1, 1)
        return (place == torch.arange(inputs)).double()


def convolution(chart: Chart) -> Guesses:
    """Finds the geometry of the truth, and that of what was returned."""
    for weight, x in _operands(chart):
        for name, matrix in _by_geometry(chart, weight, x):
            if _same(matrix, chart.truth):
                yield from _others(chart, weight, x, name)
                return


def _operands(chart: Chart) -> Iterator[tuple[Tensor, Tensor]]:
    """A weight and an input, one of which is the variable."""
    axes = chart.output.ndim
    if axes not in (3, 4):
        return
    variables, parameters = chart.subject.variables, chart.subject.parameters
    fitting = {name: v for name, v in variables.items() if v.ndim == axes}
    inputs = [v for name, v in fitting.items() if name not in parameters]
    for weight, x in product(fitting.values(), inputs):
        is_involved = variables[chart.name] is weight or variables[chart.name] is x
        if weight is not x and is_involved and weight.shape[0] == chart.output.shape[1]:
            yield weight.detach().cpu(), x.detach().cpu()


def _geometries() -> Iterator[Geometry]:
    for stride, dilation, padding in product((1, 2, 3, 4), (1, 2, 3), (0, 1, 2, 3, 4, -1)):
        yield Geometry(stride, dilation, padding)


def _by_geometry(chart: Chart, weight: Tensor, x: Tensor) -> Iterator[tuple[Geometry, Tensor]]:
    if x.shape[1] % weight.shape[1] or weight.shape[0] % (x.shape[1] // weight.shape[1]):
        return
    for geometry in _geometries():
        yield geometry, _gradient(chart, weight, x, geometry)


def _gradient(chart: Chart, weight: Tensor, x: Tensor, geometry: Geometry) -> Tensor:
    """The map from the cotangent to the gradient, as a matrix."""
    sizes = zip(chart.output.shape[2:], weight.shape[2:], x.shape[2:], strict=True)
    met = [geometry.met(*size) for size in sizes]
    met += [torch.ones(1, 1, 1, dtype=torch.float64)] * (2 - len(met))
    pad = [1] * (2 - (x.ndim - 2))
    weight, x = weight.reshape(*weight.shape, *pad), x.reshape(*x.shape, *pad)
    groups = x.shape[1] // weight.shape[1]
    grouped = weight.unflatten(0, (groups, -1))  # g, o, i, j, k
    one = torch.eye(groups, dtype=torch.float64)
    if chart.is_parameter:
        parts = x.unflatten(1, (groups, -1))  # r, g, i, y, x
        same = torch.eye(grouped.shape[1], dtype=torch.float64)
        matrix = torch.einsum("rgiyx,hjy,wkx,gG,oO->goijkrGOhw", parts, *met, one, same)
    else:
        rows = torch.eye(len(x), dtype=torch.float64)
        matrix = torch.einsum("goijk,hjy,wkx,gG,rR->rgiyxRGohw", grouped, *met, one, rows)
    return matrix.reshape(chart.truth.shape)


def _others(chart: Chart, weight: Tensor, x: Tensor, right: Geometry) -> Guesses:
    for geometry, matrix in _by_geometry(chart, weight, x):
        changed = {
            "stride-ignored": ("stride", geometry.stride, right.stride),
            "dilation-ignored": ("dilation", geometry.dilation, right.dilation),
            "shifted-by-one": ("padding", geometry.padding, right.padding),
        }
        wrong = {
            cause: f"{name} {found}, not {true}"
            for cause, (name, found, true) in changed.items()
            if found != true
        }
        if len(wrong) in (1, 2):
            cause, what = next(iter(wrong)), " and ".join(wrong.values())
            yield Guess(
                cause,
                f"Returned is the gradient of the convolution with {what}.",
                "The backward pass has to take the forward pass's own.",
                chart.returned,
                matrix,
            )


def _same(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= SAME * other.abs().max())
