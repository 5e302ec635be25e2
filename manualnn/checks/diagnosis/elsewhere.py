"""Gradients that are the truth about other values: the output's, or another weight's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations

import torch
from torch import Tensor

from manualnn.checks.derivative import jacobian
from manualnn.checks.diagnosis.chart import Chart, Guess, Guesses

GRID = 6.0  # derivatives of activations are tabulated from -6 to 6
POINTS = 4001


@contextmanager
def replaced(variable: Tensor, values: Tensor) -> Iterator[None]:
    """Gives a variable other values for a while."""
    before = variable.detach().clone()
    with torch.no_grad():
        variable.copy_(values.clone())
    try:
        yield
    finally:
        with torch.no_grad():
            variable.copy_(before)


def at_output(chart: Chart) -> Guesses:
    """f'(y) instead of f'(x)."""
    variable = chart.subject.variables[chart.name]
    if chart.shape != chart.output.shape:
        return
    with replaced(variable, chart.output):
        there = jacobian(chart.subject, variable).rows
    if chart.seen(there - chart.truth):
        yield Guess(
            "at-output",
            "Returned is the derivative at the output's values.",
            f"The derivative has to be taken at {chart.name}: save that, not the output.",
            chart.returned,
            there,
        )


def at_input(chart: Chart) -> Guesses:
    """A formula for f' in terms of y, given x: h(x), where h(f(u)) = f'(u)."""
    if not chart.is_elementwise:
        return
    y, slope = _tabulated(chart)
    x, returned = chart.variable.flatten(), chart.returned.diagonal()
    order = y.argsort()
    y, slope = y[order], slope[order]
    inside = (x > y[0]) & (x < y[-1])
    if inside.sum() < 2:
        return
    above = torch.searchsorted(y, x[inside]).clamp(1, len(y) - 1)
    width = (y[above] - y[above - 1]).clamp(min=1e-300)
    share = (x[inside] - y[above - 1]) / width
    expected = torch.lerp(slope[above - 1], slope[above], share)
    near = (returned[inside] - expected).abs() < 1e-3 * slope.abs().max()
    if near.all() and (y.diff() >= 0).all():
        yield Guess(
            "at-output",
            f"Where {chart.name} lies in the range of the output, returned is the derivative there "
            "in terms of the output.",
            f"The formula wants the output, and was given {chart.name}.",
            chart.truth,
            chart.truth,
        )


def _tabulated(chart: Chart) -> tuple[Tensor, Tensor]:
    """Outputs and slopes of an elementwise function from -6 to 6."""
    variable = chart.subject.variables[chart.name]
    outputs, h = [], 1e-5
    grid = torch.linspace(-GRID, GRID, POINTS, dtype=torch.float64)
    with torch.no_grad():
        for move in (0.0, h, -h):
            parts = []
            for some in grid.split(variable.numel()):
                values = torch.zeros(variable.numel(), dtype=torch.float64)
                values[: len(some)] = some + move
                with replaced(variable, values.view_as(variable)):
                    parts.append(chart.subject()[0].flatten()[: len(some)].cpu())
            outputs.append(torch.cat(parts).double())
    middle, ahead, behind = outputs
    return middle, (ahead - behind) / (2 * h)


def other_weights(chart: Chart) -> Guesses:
    """The gradient for a weight that is turned, transposed, or dealt to groups otherwise."""
    variable = chart.subject.variables[chart.name]
    for name, weight in chart.subject.parameters.items():
        if name == chart.name or weight.ndim < 2:
            continue
        for cause, text, meaning, values in _changed(weight.detach(), name):
            if torch.equal(values, weight):
                continue
            with replaced(weight, values):
                there = jacobian(chart.subject, variable).rows
            yield Guess(cause, text, meaning, chart.returned, there)


def _changed(weight: Tensor, name: str) -> Iterator[tuple[str, str, str, Tensor]]:
    kernel = list(range(2, weight.ndim))
    if kernel:
        text = f"Returned is the gradient for {name} rotated by half a turn."
        meaning = "The gradient by the input turns the kernel: W[k - 1 - j]."
        yield "kernel-not-rotated", text, meaning, weight.flip(kernel)
    if weight.shape[0] == weight.shape[1]:
        text = f"Returned is the gradient for {name} transposed."
        meaning = "The gradient by the input goes through the transposed weight."
        yield "transposed", text, meaning, weight.transpose(0, 1)
    for groups in (g for g in range(2, weight.shape[0]) if weight.shape[0] % g == 0):
        order = torch.arange(weight.shape[0]).view(groups, -1).T.flatten()
        text = f"Returned is the gradient for {name} with channels in the order {order.tolist()}."
        meaning = f"The channels of {groups} groups lie one group after the other."
        yield "groups-mixed", text, meaning, weight[order]


def through_another_weight(chart: Chart) -> Guesses:
    """dL/dX = d W2^T where d W1^T is right: the last factor is another matrix."""
    weights = {
        name: p.detach().double().cpu()
        for name, p in chart.subject.parameters.items()
        if p.ndim == 2 and p.shape[0] == p.shape[1] == (chart.shape or [0])[-1]
    }
    weights |= {f"{name} transposed": weight.T for name, weight in weights.items()}
    returned, truth = (
        m.view(*chart.shape, -1).movedim(-1, 0) for m in (chart.returned, chart.truth)
    )
    for (wrong, used), (right, needed) in permutations(weights.items(), 2):
        if torch.linalg.cond(used) < 1e6:
            corrected = returned @ torch.linalg.inv(used) @ needed
            yield Guess(
                "wrong-tensor",
                f"Returned goes through {wrong} where the truth goes through {right}.",
                "",
                corrected,
                truth,
            )
