"""Gradients that are a sum of which a term is wrong, or that are normalised the wrong way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from math import prod

import torch
from torch import Tensor

from manualnn.checks.diagnosis.chart import TOLERANCE, Chart, Guess, Guesses, axes_text
from manualnn.checks.diagnosis.scale import NEAR, broadcast

FEW = 3  # numbers, from which on a pattern is none by chance


def constant_term(chart: Chart) -> Guesses:
    """True - returned is the same along some axes of the variable."""
    missing = (chart.truth - chart.returned).view(*chart.shape, -1)
    axes = tuple(
        axis
        for axis in range(len(chart.shape))
        if torch.allclose(missing, missing.narrow(axis, 0, 1).expand_as(missing))
    )
    if prod(chart.shape[axis] for axis in axes) < FEW:
        return
    constant = missing.mean(axes, keepdim=True).expand_as(missing)
    yield Guess(
        "wrong-term",
        f"True - returned is the same along {axes_text(axes)}.",
        "A term that is a sum or a mean along it is missing, or has another factor or sign.",
        chart.returned + constant.reshape_as(chart.returned),
        chart.truth,
    )


def wrong_term(chart: Chart) -> Guesses:
    """For each output, or each row of each, true - returned is a multiple of something at hand."""
    missing = (chart.truth - chart.returned).view(*chart.shape, -1)
    support = missing.abs() > TOLERANCE * missing.abs().max()
    everything, last = tuple(range(len(chart.shape))), (len(chart.shape) - 1,)
    for axes, each in (everything, "each output"), (last, "each row and output"):
        if not chart.shape or support.sum(axes).max() < FEW:
            continue  # few numbers are a multiple of anything
        for text, tensor in _directions(chart):
            along = tensor.unsqueeze(-1) * support
            used = along.square().sum(axes, keepdim=True).clamp(min=1e-300)
            factor = (missing * along).sum(axes, keepdim=True) / used
            yield Guess(
                "wrong-term",
                f"True - returned = {text}, times a number for {each}.",
                f"The gradient has a term along {text}, which is missing, or has another factor or "
                "sign.",
                chart.returned + (along * factor).reshape_as(chart.returned),
                chart.truth,
            )


def _directions(chart: Chart) -> Iterator[tuple[str, Tensor]]:
    floating = {n: t for n, t in chart.tensors.items() if t.is_floating_point()}
    for name, tensor in floating.items():
        for how, values in broadcast(tensor, chart.shape):
            yield name + how, values
    alike = {n: t for n, t in floating.items() if t.ndim and t.shape == chart.shape}
    for name, tensor in alike.items():
        yield f"softmax({name}) along axis {tensor.ndim - 1}", tensor.softmax(-1)
        for other, matrix in floating.items():
            if matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] == tensor.shape[-1]:
                yield f"{name} @ {other}", tensor @ matrix
                yield f"{name} @ {other}.T", tensor @ matrix.T


def wrong_slice(chart: Chart) -> Guesses:
    """In a slice of an axis alone, one tensor stands for another of the slice's shape."""
    off = (chart.returned - chart.truth).abs() > TOLERANCE * chart.truth.abs().max()
    rows = off.any(1).view(chart.shape)
    for axis in range(len(chart.shape)):
        others = tuple(a for a in range(rows.ndim) if a != axis)
        wrong = (rows.any(others) if others else rows).nonzero().flatten()
        if not 0 < len(wrong) < chart.shape[axis]:
            continue
        returned, truth = (
            m.view(*chart.shape, -1).index_select(axis, wrong)
            for m in (chart.returned, chart.truth)
        )
        shape = returned.shape[:-1]
        alike = {
            n: t for n, t in chart.tensors.items() if t.shape == shape and t.is_floating_point()
        }
        for (used, wrong_one), (needed, right_one) in permutations(alike.items(), 2):
            if (wrong_one.abs() > 1e-9).all():
                yield Guess(
                    "wrong-tensor",
                    f"At index {', '.join(map(str, wrong[:6].tolist()))} of axis {axis}, returned "
                    f"has {used} as a factor where the truth has {needed}.",
                    "",
                    returned / wrong_one.unsqueeze(-1) * right_one.unsqueeze(-1),
                    truth,
                )


def normalised_along_another_axis(chart: Chart) -> Guesses:
    """Gradients that sum to one along an axis, as a softmax does, do so along another one."""
    shape = chart.shape
    if len(shape) < 2 or chart.output.numel() == len(chart.truth):
        return
    returned, truth = (m.sum(1).view(shape) for m in (chart.returned, chart.truth))
    for wrong, right in permutations(range(len(shape)), 2):
        sums = truth.sum(right)
        if torch.allclose(sums, sums.mean().expand_as(sums)) and not torch.allclose(
            returned.sum(right), sums
        ):
            yield Guess(
                "wrong-axis",
                f"The gradients add up to the same along axis {wrong}, and should along axis "
                f"{right}.",
                "A softmax, a mean or a norm is taken over the wrong axis.",
                returned.sum(wrong),
                sums.mean().expand_as(returned.sum(wrong)),
            )


def misplaced(chart: Chart) -> Guesses:
    """What an output hands back adds up to what it should, and lies elsewhere."""
    sums = chart.truth.sum(0)
    if chart.is_elementwise or (sums.abs() < 1e-6).any():
        return
    yield Guess(
        "misplaced",
        "What each output hands back adds up to what it should, and lies at other places.",
        "The backward pass is the transpose of another map: other positions or weights of an "
        "interpolation (align_corners?), another order of indices.",
        chart.returned.sum(0),
        sums,
    )


def at_the_border(chart: Chart) -> Guesses:
    """Right but for the first and last elements of the axes of an image."""
    if len(chart.shape) < 3 or chart.output.ndim < 3:
        return
    returned, truth = (m.view(*chart.shape, -1) for m in (chart.returned, chart.truth))
    for axis in range(2, len(chart.shape)):
        inside = max(chart.shape[axis] - 2, 0)
        returned, truth = (m.narrow(axis, min(1, inside), inside) for m in (returned, truth))
    if chart.seen(truth):
        yield Guess(
            "padding",
            "Returned is right but for elements at the border of an image.",
            "What padding puts beyond the border hands its gradients back to the elements that it "
            "was made of.",
            returned,
            truth,
        )


def nearly_right(chart: Chart) -> Guesses:
    """Everywhere, within a percent."""
    scale = chart.truth.abs().max()
    error = (chart.returned - chart.truth).abs().max() / scale.clamp(min=1e-300)
    if error < NEAR:
        yield Guess(
            "epsilon",
            f"Returned is true within {100 * error:.2g} %, everywhere.",
            "So little may be an epsilon that is missing, of another size, or added elsewhere "
            "(beside a root instead of under it).",
            chart.truth,
            chart.truth,
        )
