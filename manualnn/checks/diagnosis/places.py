"""Gradients that are right, but not all of them, too much of them, or in the wrong place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from math import prod

import torch
from torch import Tensor

from manualnn.checks.diagnosis.chart import Chart, Guess, Guesses, axes_text


def nothing_returned(chart: Chart) -> Guesses:
    """Zero where there is a gradient."""
    if not chart.seen(chart.returned):
        yield Guess(
            "no-gradient",
            "Returned is zero or None, and the truth is not.",
            "backward returns None for this argument, or a detached part feeds it.",
            chart.truth,
            chart.truth,
        )


def outputs_forgotten(chart: Chart) -> Guesses:
    """The gradient of some outputs alone, where there are several."""
    kept = chart.returned.abs().amax(0) > 1e-9
    counted = [n for n, (a, b) in enumerate(chart.spans) if kept[a:b].any()]
    only = torch.zeros_like(chart.truth)
    for number in counted:
        part = slice(*chart.spans[number])
        only[:, part] = chart.truth[:, part]
    if 0 < len(counted) < len(chart.spans):
        yield Guess(
            "missing-sum",
            f"Only output {', '.join(str(n + 1) for n in counted)} of {len(chart.spans)} counts.",
            "Each output has a cotangent: add what the others hand back.",
            chart.returned,
            only,
        )


def part_of_the_sum(chart: Chart) -> Guesses:
    """Each entry is the true one or zero: contributions are lost."""
    there, kept = chart.truth.abs() > 1e-9, chart.returned.abs() > 1e-9
    if (kept & ~there).any() or not kept.any():
        return
    part = torch.where(kept, chart.truth, 0.0)
    columns = (kept | ~there).all(0) | (~kept).all(0)
    lost = ~kept.any(0) & there.any(0)
    slices = _slices(~lost, there.any(0), chart.output.shape)
    if columns.all() and slices:
        yield Guess(
            "missing-sum",
            f"Only {slices} of the output count.",
            "A sum over the others is missing.",
            chart.returned,
            part,
        )
    elif chart.shape == chart.output.shape and torch.equal(
        kept, kept & torch.eye(len(kept), dtype=torch.bool)
    ):
        yield Guess(
            "missing-sum",
            "Returned is the diagonal of the Jacobian times the cotangent.",
            "Each input changes other outputs as well: their sum is missing.",
            chart.returned,
            part,
        )
    else:
        yield Guess(
            "overlap-overwritten",
            f"{int((there & ~kept).sum())} of {int(there.sum())} contributions are lost, where an "
            "element is used several times.",
            "Contributions are assigned and the last one stays; add them (+=, scatter_add).",
            chart.returned,
            part,
        )


def _slices(kept: Tensor, used: Tensor, shape: torch.Size) -> str:
    """Says which indices of which axes are kept, of those used, where that is all to be said."""
    kept, used = (kept & used).view(shape), used.view(shape)
    said, rebuilt = [], used.clone()
    for axis in range(len(shape)):
        others = tuple(a for a in range(len(shape)) if a != axis)
        along, needed = (
            mask.any(others, keepdim=True) if others else mask for mask in (kept, used)
        )
        rebuilt &= along
        if not torch.equal(along, needed):
            indices = ", ".join(map(str, along.flatten().nonzero().flatten().tolist()[:4]))
            said.append(f"index {indices} of axis {axis}")
    return " and ".join(said) if torch.equal(rebuilt, kept) else ""


def last_window_only(chart: Chart) -> Guesses:
    """Of all places of the output that an element is used for, the last one or the first counts."""
    if chart.output.ndim < 3:
        return
    size = chart.output.shape
    planes = chart.truth.view(len(chart.truth), *size).movedim(2, -1).flatten(2, -2)  # n, R, P, C
    used = planes.abs().amax((1, 3)) > 1e-12  # n, P
    for which, name in ((-1, "last"), (0, "first")):
        order = torch.arange(used.shape[1])
        rank = torch.where(used, order, -1 if which else used.shape[1])
        chosen = rank.amax(1) if which else rank.amin(1)
        only = planes * (order == chosen.unsqueeze(1))[:, None, :, None]
        back = only.unflatten(2, size[2:]).movedim(-1, 2).reshape_as(chart.truth)
        yield Guess(
            "overlap-overwritten",
            f"Where windows overlap, the {name} one alone counts.",
            "Contributions of windows are assigned; they have to be added (+=, fold).",
            chart.returned,
            back,
        )


def too_many(chart: Chart) -> Guesses:
    """Right where there is a gradient, and something where there is none."""
    there = chart.truth.abs() > 1e-9
    extra = (chart.returned.abs() > 1e-9) & ~there
    if not extra.any():
        return
    rows = ~there.any(1)
    if not (extra & ~rows.unsqueeze(1)).any():
        yield Guess(
            "nonzero-where-zero",
            f"Returned is right, but {int(extra.any(1).sum())} elements that change nothing have a "
            "gradient.",
            "A mask is missing: what was cut off, ignored or padded has the gradient 0.",
            torch.where(rows.unsqueeze(1), 0.0, chart.returned),
            chart.truth,
        )
    crossing = "rows of the batch" if _crosses_the_batch(chart, extra) else "elements"
    yield Guess(
        "extra-sum",
        f"Returned is what is right and {int(extra.sum())} contributions more, from {crossing} "
        "that have none to give.",
        "A sum runs over too many axes.",
        torch.where(there, chart.returned, 0.0),
        chart.truth,
    )


def _crosses_the_batch(chart: Chart, extra: Tensor) -> bool:
    if not chart.shape or not chart.output.ndim or chart.shape[0] != chart.output.shape[0]:
        return False
    rows = torch.arange(chart.shape[0]).repeat_interleave(len(extra) // chart.shape[0])
    columns = torch.arange(chart.shape[0]).repeat_interleave(extra.shape[1] // chart.shape[0])
    return bool((rows[:, None] != columns)[extra].all())


def mask_inverted(chart: Chart) -> Guesses:
    """Something exactly where there is nothing, and nothing where there is something."""
    there, returned = chart.truth.abs().amax(1) > 1e-9, chart.returned.abs().amax(1) > 1e-9
    if there.any() and not there.all() and torch.equal(there, ~returned):
        yield Guess(
            "mask-inverted",
            f"The {int(returned.sum())} elements with a gradient are those that should have none.",
            "A condition is the wrong way round.",
            chart.truth,
            chart.truth,
        )


def summed_over_an_axis(chart: Chart) -> Guesses:
    """The truth, summed over axes of the variable, at every index."""
    truth = chart.truth.view(*chart.shape, -1)
    for count in range(1, len(chart.shape) + 1):
        for axes in combinations(range(len(chart.shape)), count):
            if all(chart.shape[axis] > 1 for axis in axes):
                summed = truth.sum(axes, keepdim=True).expand_as(truth)
                yield Guess(
                    "extra-sum",
                    f"Returned = true, summed over {axes_text(axes)} of {chart.name}.",
                    "A sum runs over too many axes.",
                    chart.returned,
                    summed.reshape_as(chart.truth),
                )


def the_same_along_an_axis(chart: Chart) -> Guesses:
    """One number for all indices of an axis, where the truth differs."""
    returned, truth = (m.view(*chart.shape, -1) for m in (chart.returned, chart.truth))
    for axis, size in enumerate(chart.shape):
        first = returned.narrow(axis, 0, 1).expand_as(returned)
        if size > 1 and not torch.allclose(truth, truth.narrow(axis, 0, 1).expand_as(truth)):
            yield Guess(
                "extra-sum",
                f"Returned is the same along axis {axis} of {chart.name}; the truth is not.",
                "A sum or a norm was taken over an axis that has to stay.",
                returned,
                first,
            )


def transposed(chart: Chart) -> Guesses:
    """The truth with two axes of the variable exchanged, or the Jacobian not transposed."""
    if chart.truth.shape[0] == chart.truth.shape[1] > 1:
        yield Guess(
            "transposed",
            "Returned = J delta with the Jacobian J; true is its transpose times delta.",
            "The backward pass runs the other way: a sum over what an element reaches.",
            chart.returned,
            chart.truth.T,
        )
    truth = chart.truth.view(*chart.shape, -1)
    for one, other in combinations(range(len(chart.shape)), 2):
        if chart.shape[one] == chart.shape[other] > 1:
            yield Guess(
                "transposed",
                f"Returned = true with axes {one} and {other} exchanged.",
                "A transpose is missing, or one too many.",
                chart.returned,
                truth.transpose(one, other).reshape_as(chart.truth),
            )


def reduced_over_another_axis(chart: Chart) -> Guesses:
    """Each contribution is added at the index of another axis of the output."""
    if len(chart.shape) != 1:
        return
    total = chart.truth.sum(0).view(chart.output.shape)
    for axis, size in enumerate(chart.output.shape):
        if size == chart.shape[0] > 1:
            index = torch.arange(size).view([-1 if a == axis else 1 for a in range(total.ndim)])
            moved = torch.stack([total * (index == k) for k in range(size)]).view_as(chart.truth)
            if not torch.allclose(moved, chart.truth):
                yield Guess(
                    "not-reduced",
                    f"Returned has what belongs to each index of axis {axis} of the output.",
                    "A broadcast argument's gradient is summed over all other axes than its own; "
                    "here the wrong axes were summed.",
                    chart.returned,
                    moved,
                )


def flipped(chart: Chart) -> Guesses:
    """The kernel the wrong way round: axes of the variable, or of it and of the output, flipped."""
    last = [axis for axis in range(2, len(chart.shape))] or [len(chart.shape) - 1]
    if not chart.shape:
        return
    unfolded = chart.truth.view(*chart.shape, -1)
    meaning = "A kernel has to be rotated by half a turn in one of the two products."
    if all(chart.shape[axis] > 1 for axis in last):
        turned = unfolded.flip(last).reshape_as(chart.truth)
        text = f"Returned = true, flipped along {axes_text(last)}."
        yield Guess("kernel-not-rotated", text, meaning, chart.returned, turned)
    if chart.output.ndim == len(chart.shape) > 2:
        of_output = [len(chart.shape) + axis for axis in last]
        both = chart.unfolded(chart.truth).flip([*last, *of_output])
        yield Guess(
            "kernel-not-rotated",
            "Returned is the gradient for the kernel rotated by half a turn.",
            meaning,
            chart.returned,
            both.reshape_as(chart.truth),
        )


def shifted(chart: Chart) -> Guesses:
    """The truth, moved by one along axes of the variable; what leaves it is lost."""
    spatial = [axis for axis in range(len(chart.shape)) if axis > 1 or len(chart.shape) < 3]
    axes = [axis for axis in spatial if chart.shape[axis] > 2]
    returned, truth = (m.view(*chart.shape, -1) for m in (chart.returned, chart.truth))
    for chosen in [*([axis] for axis in axes), *([spatial] if len(spatial) > 1 else [])]:
        for step in (1, -1):
            here, there = returned, truth
            for axis in chosen:
                length = chart.shape[axis] - 1
                here = here.narrow(axis, max(step, 0), length)
                there = there.narrow(axis, max(-step, 0), length)
            if chart.seen(here) and chart.seen(there):
                yield Guess(
                    "shifted-by-one",
                    f"Returned = true, moved by {step:+d} along {axes_text(chosen)}.",
                    "A padding, or where counting starts, is off by one.",
                    here,
                    there,
                )
    yield from _shifted_in_memory(chart)


def _shifted_in_memory(chart: Chart) -> Guesses:
    if len(chart.shape) < 3 or prod(chart.shape[-2:]) < 4:
        return
    pixels = prod(chart.shape[-2:])
    returned, truth = (m.view(-1, pixels, m.shape[1]) for m in (chart.returned, chart.truth))
    for step in (1, -1):  # but for the first and the last pixel, where an index may be clamped
        yield Guess(
            "shifted-by-one",
            f"Returned = true, moved by {step:+d} pixel in the order of memory.",
            "Where counting starts is off by one.",
            returned[:, 1 + max(step, 0) : pixels - 2 + max(step, 0)],
            truth[:, 1 + max(-step, 0) : pixels - 2 + max(-step, 0)],
        )


def shifted_cotangent(chart: Chart) -> Guesses:
    """The gradient for a cotangent that is moved by one."""
    returned, truth = (m.view(-1, *chart.output.shape) for m in (chart.returned, chart.truth))
    for axis in range(2, chart.output.ndim):
        for step in (1, -1):
            length = chart.output.shape[axis] - 1
            here = returned.narrow(axis + 1, max(step, 0), length)
            there = truth.narrow(axis + 1, max(-step, 0), length)
            if length and chart.seen(here) and chart.seen(there):
                yield Guess(
                    "shifted-by-one",
                    f"Returned is the gradient for a cotangent moved by {-step:+d} on axis {axis}.",
                    "Where counting starts is off by one.",
                    here,
                    there,
                )


def channels_dealt(chart: Chart) -> Guesses:
    """The gradient for a cotangent whose channels are in another order of groups."""
    if chart.output.ndim < 3:
        return
    channels = chart.output.shape[1]
    truth = chart.truth.view(-1, *chart.output.shape)
    for groups in (g for g in range(2, channels) if channels % g == 0):
        order = torch.arange(channels).view(groups, -1).T.flatten()
        for each in (order, order.argsort()):
            yield Guess(
                "groups-mixed",
                f"Returned is the gradient for the channels in the order {each.tolist()}.",
                f"The channels of {groups} groups lie one group after the other, not in turn.",
                chart.returned,
                truth[:, :, each].reshape_as(chart.truth),
            )


def first_group_for_all(chart: Chart) -> Guesses:
    """Every output channel meets what the first group meets."""
    if len(chart.shape) < 3 or chart.output.ndim < 3 or chart.shape[0] != chart.output.shape[1]:
        return
    truth = chart.unfolded(chart.truth)  # O, I, k..., R, O, h...
    axis = len(chart.shape) + 1
    first = truth[0].select(axis - 1, 0)
    made = torch.zeros_like(truth)
    for channel in range(chart.shape[0]):
        made[channel].select(axis - 1, channel).copy_(first)
    if not torch.allclose(made, truth):
        yield Guess(
            "groups-mixed",
            "Returned is the gradient as if all channels belonged to the first group.",
            "Each group of output channels sees its own group of input channels.",
            chart.returned,
            made.reshape_as(chart.truth),
        )


def responses_misplaced(chart: Chart) -> Guesses:
    """Each output's gradient has the right values, s pixels apart where it should be another s."""
    axes = range(2, len(chart.shape))
    if chart.output.ndim != len(chart.shape) or not axes:
        return
    truth = chart.unfolded(chart.truth)
    for step in (-1, 1, -2, 2):
        responses = truth.flatten(len(chart.shape) + 2)  # variable..., R, C, P
        places = product(*(range(chart.output.shape[axis]) for axis in axes))
        moved = torch.stack(
            [
                _moved(response, [step * index for index in place])
                for response, place in zip(responses.unbind(-1), places, strict=True)
            ],
            -1,
        )
        yield Guess(
            "stride-ignored",
            f"Each output's share lies {abs(step)} pixel(s) {'less' if step < 0 else 'more'} apart "
            "from its neighbour's than it should.",
            "Windows are a stride apart: the stride is ignored, or taken for another one.",
            chart.returned,
            moved.reshape_as(chart.truth),
        )


def _moved(response: Tensor, steps: Sequence[int]) -> Tensor:
    """Moves along the axes of a plane, 2 and following; what leaves is lost, zeros come in."""
    for axis, step in enumerate(steps, 2):
        kept = max(response.shape[axis] - abs(step), 0)
        made = torch.zeros_like(response)
        if kept:
            target = made.narrow(axis, max(step, 0), kept)
            target.copy_(response.narrow(axis, max(-step, 0), kept))
        response = made
    return response
