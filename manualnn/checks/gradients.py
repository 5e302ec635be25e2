"""The check of numbers at first order: each gradient beside central differences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from manualnn.checks.comparison import (
    Comparison,
    away_from_kinks,
    compare,
    is_large,
    moved_at_random,
    slope,
)
from manualnn.checks.diagnosis import Chart, diagnose
from manualnn.checks.graph import graph_nodes
from manualnn.checks.registry import NotRun, advice, check
from manualnn.checks.report import Diagnosis, Finding, first_line
from manualnn.checks.subject import Subject, as_real, as_vector, inner, is_floating, random_like

TOLERANCE_OF_SLOPES = 1e-6
ENTRIES = 2_000_000  # of a matrix that is computed whole
CONTIGUOUS = torch.contiguous_format
DIRECTIONS = 3
STEPS_OF_DOUBLE = (1e-3, 1e-5, 1e-7)
STEPS_OF_SINGLE = (1e-1, 1e-2)
TOLERANCE_OF_SINGLE = 1e-2


@check
def first_order(subject: Subject) -> Iterator[Finding]:
    """Each gradient is that of central differences, for random cotangents."""
    if subject.changes_parameters():
        raise NotRun("the forward pass changes the parameters: it is no function of them")
    _require_finite(subject)
    if is_large(subject):
        yield from along_directions(subject)
        return
    try:
        subject.returned(random_like(subject()))
    except Exception as error:
        yield from _raised(error)
        return
    found = compare(subject)
    yield from _not_finite(subject, found)
    if any(not comparison.jacobian.smooth.all() for comparison in found.values()):
        yield from _at_ties(subject, found)
    subject.notes["compared"] = found
    with away_from_kinks(subject) as moved:
        if moved:
            yield advice(f"{moved} lie at kinks, where there is no derivative; they were moved")
        found = subject.notes["compared"]
        for name, comparison in found.items():
            rough = int((~comparison.jacobian.smooth).sum())
            if rough and rough == comparison.truth.numel():
                raise NotRun(f"there is no derivative by {name} nearby")
            if rough:
                yield advice(f"{rough} elements of {name} have no derivative nearby: not compared")
            if comparison.is_wrong:
                yield _wrong(subject, found, name)


def _require_finite(subject: Subject) -> None:
    if not all(output.isfinite().all() for output in subject()):
        raise NotRun("an output is not finite")


def along_directions(subject: Subject) -> Iterator[Finding]:
    """Compares slopes along a few random directions: for many elements, or few digits."""
    _require_finite(subject)
    found = list(_unlike_slopes(subject))
    if found:
        with moved_at_random(subject):
            try:
                outputs = subject()
                is_finite = all(output.isfinite().all() for output in outputs)
                at_kinks = is_finite and not any(_unlike_slopes(subject))
            except Exception:  # out of what it takes
                at_kinks = False
        if at_kinks:
            text = "the input lies at kinks, or ties, where there is no derivative; it was moved"
            found = [advice(text)]
    yield from found


def _unlike_slopes(subject: Subject) -> Iterator[Finding]:
    cotangents = random_like(subject())
    try:
        returned = subject.returned(cotangents)
    except Exception as error:
        yield from _raised(error)
        return

    def total() -> Tensor:
        return torch.stack(list(map(inner, subject(), cotangents))).sum()

    steps = STEPS_OF_DOUBLE if subject.is_double else STEPS_OF_SINGLE
    tolerance = TOLERANCE_OF_SLOPES if subject.is_double else TOLERANCE_OF_SINGLE
    for name, variable in subject.variables.items():
        gradient = returned[name]
        dense = torch.zeros_like(variable) if gradient is None else gradient.to_dense()
        for seed in range(DIRECTIONS):
            direction = random_like([variable], seed)[0]
            found = float(inner(dense, direction))
            size = float((as_real(dense) * as_real(direction)).double().norm())
            truth, _ = slope(total, variable, direction, steps[1:2])
            if abs(found - truth) <= tolerance * max(abs(truth), size):
                continue  # as is nearly always so
            truth, uncertain = slope(total, variable, direction, steps)
            if not abs(found - truth) <= tolerance * max(abs(truth), size) + 100 * uncertain + 1e-9:
                yield Finding(
                    "",
                    "wrong",
                    f"{name} gradient: {found:.5g} along a direction along which the output "
                    f"changes by {truth:.5g} (+- {uncertain:.0e})",
                )
                break


def is_right_as_a_whole(subject: Subject) -> bool:
    """Whether the slope along one random direction of all variables together is right."""
    _require_finite(subject)
    cotangents = random_like(subject())
    returned = subject.returned(cotangents)
    at = subject.values()
    directions = dict(zip(at, random_like(list(at.values())), strict=True))
    step = torch.zeros((), dtype=torch.float64)

    def total() -> Tensor:
        subject.set({name: v + step.to(v.dtype) * directions[name] for name, v in at.items()})
        try:
            return torch.stack(list(map(inner, subject(), cotangents))).sum()
        finally:
            subject.set(at)

    slopes = {n: float(inner(g, directions[n])) for n, g in returned.items() if g is not None}
    size = sum(slope * slope for slope in slopes.values()) ** 0.5
    steps = STEPS_OF_DOUBLE if subject.is_double else STEPS_OF_SINGLE
    tolerance = TOLERANCE_OF_SLOPES if subject.is_double else TOLERANCE_OF_SINGLE
    truth, uncertain = slope(total, step, torch.ones(()), steps)
    off = abs(sum(slopes.values()) - truth)
    return off <= 100 * (tolerance * max(abs(truth), size) + uncertain) + 1e-9


def _raised(error: Exception) -> Iterator[Finding]:
    text = first_line(error)
    shapes = re.search(
        r"invalid gradient at index \d+ - got \[(.*)\] but .* shape .*\[(.*)\]", text
    )
    diagnosis = None
    if shapes:
        returned, expected = (sorted(shape.split(", ")) for shape in shapes.groups())
        cause, guess = (
            "not-reduced",
            (
                "The gradient of a broadcast argument is summed over the axes along which it was "
                "repeated."
            ),
        )
        if returned == expected:
            cause, guess = "transposed", "A transpose is missing, or one too many."
        evidence = f"Returned has the shape [{shapes[1]}], its argument [{shapes[2]}]."
        diagnosis = Diagnosis(cause, evidence, guess)
    yield Finding("", "wrong", f"the backward pass raises: {text}", diagnosis)


def _not_finite(subject: Subject, found: dict[str, Comparison]) -> Iterator[Finding]:
    for name, comparison in found.items():
        bad = ~comparison.returned.isfinite()
        bad &= comparison.jacobian.rows.isfinite().all(1).view(bad.shape)
        if bad.any():
            values = comparison.returned[bad].unique()[:2].tolist()
            at = as_real(subject.variables[name].detach()).cpu()[bad].abs()
            yield Finding(
                "",
                "wrong",
                f"{name} gradient: {int(bad.sum())} of {bad.numel()} elements are {values}, "
                "while the output is finite",
                Diagnosis(
                    "nonfinite",
                    f"{name} is from {at.min():.4g} to {at.max():.4g} there, in absolute value.",
                    "Something overflows, or zero is divided by zero, in the backward pass alone.",
                ),
            )


def _at_ties(subject: Subject, found: dict[str, Comparison]) -> Iterator[Finding]:
    """Moves all tied elements together: there, a maximum has a derivative."""
    cotangents = random_like(subject())
    for name, comparison in found.items():
        together = (~comparison.jacobian.smooth).view(comparison.truth.shape)
        returned = comparison.returned[together].sum().item()
        slopes = [_slope(subject, name, together, cotangents, h) for h in (1e-6, -1e-6)]
        scale = comparison.returned[together].abs().sum().item()
        is_smooth = abs(slopes[0] - slopes[1]) <= 1e-6 * max(scale, 1e-3)
        if together.any() and is_smooth and abs(returned - slopes[0]) > 1e-4 * max(scale, 1e-3):
            yield Finding(
                "",
                "wrong",
                f"{name} gradient: at ties it adds up to {returned:.4g}, and should to "
                f"{slopes[0]:.4g}",
                Diagnosis(
                    "ties-shared",
                    f"Moving the {int(together.sum())} tied elements together is a derivative.",
                    "Every tied element gets the whole gradient: one of them may, or each a share.",
                ),
            )


@torch.no_grad()
def _slope(subject: Subject, name: str, mask: Tensor, cotangents: list[Tensor], h: float) -> float:
    values = as_real(subject.variables[name].detach())
    before = values.clone()
    here = sum(map(inner, subject(), cotangents))
    values += h * mask.to(values.device)
    there = sum(map(inner, subject(), cotangents))
    values.copy_(before)
    return float(there - here) / h


def _wrong(subject: Subject, found: dict[str, Comparison], name: str) -> Finding:
    comparison = found[name]
    off, scale = comparison.off.max().item(), comparison.truth.abs().max().item()
    if not scale:
        text = f"{name} gradient: up to {off:.3g}, and no output depends on it"
        evidence = "Returned is not zero, and the truth is."
        return Finding("", "wrong", text, Diagnosis("nonzero-where-zero", evidence))
    text = f"{name} gradient: {100 * off / scale:.3g} % off"
    diagnosis = None
    if comparison.jacobian.rows.numel() <= ENTRIES:
        diagnosis = _diagnosed(subject, found, name)
    if diagnosis is None:
        text += f"; {_where(comparison)}"
    return Finding("", "wrong", text, diagnosis)


def _diagnosed(subject: Subject, found: dict[str, Comparison], name: str) -> Diagnosis | None:
    outputs, comparison = [y.detach() for y in subject()], found[name]
    returned = _returned_map(subject, name, outputs)
    flat = as_vector(outputs)
    chart = Chart(
        subject,
        name,
        comparison.jacobian.rows.nan_to_num(),
        returned,
        comparison.truth.shape,
        flat if len(outputs) > 1 else as_real(outputs[0]).cpu(),
        list(pairwise(accumulate((as_real(y).numel() for y in outputs), initial=0))),
        {other: each.jacobian.rows.nan_to_num() for other, each in found.items()},
        tensors_at_hand(subject),
    )
    linear = (returned @ as_vector(random_like(outputs))).view(comparison.truth.shape)
    is_linear = (linear - comparison.returned).abs().max() <= 1e-8 * comparison.returned.abs().max()
    if is_linear:
        return diagnose(chart)
    return _not_linear(subject, name, comparison) or diagnose(chart)


def _returned_map(subject: Subject, name: str, outputs: Sequence[Tensor]) -> Tensor:
    """What the backward pass makes of each cotangent that is 1 at one place, column by column."""
    columns = []
    for k, output in enumerate(outputs):
        for number in range(as_real(output).numel()):
            cotangents = [torch.zeros_like(y, memory_format=CONTIGUOUS) for y in outputs]
            as_real(cotangents[k]).view(-1)[number] = 1
            gradient = subject.returned(cotangents)[name]
            if gradient is None:
                gradient = torch.zeros_like(subject.variables[name])
            columns.append(as_vector([gradient]))
    return torch.stack(columns, 1)


def _not_linear(subject: Subject, name: str, comparison: Comparison) -> Diagnosis | None:
    twice = [2 * v for v in random_like(subject())]
    again = subject.returned(twice)[name]
    if again is not None and torch.allclose(as_vector([again]), comparison.returned.flatten()):
        return Diagnosis(
            "missing-factor",
            "Returned does not depend on the cotangent.",
            "Whoever calls backward() on a sum of losses hands down another cotangent than 1: "
            "multiply by it.",
        )
    return None


def tensors_at_hand(subject: Subject) -> dict[str, Tensor]:
    """What a formula could be made of, by name, each value once."""
    found: dict[str, Tensor] = {}

    def add(name: str, tensor: Tensor) -> None:
        known = any(t.shape == tensor.shape and torch.equal(t, tensor) for t in found.values())
        if not known and tensor.numel():
            found[name] = tensor.detach().clone()

    outputs = subject()
    for name, variable in subject.variables.items():
        add(name, variable)
    for number, value in enumerate(subject.inputs):
        if isinstance(value, Tensor):
            add(f"input {number + 1}", value)
    for name, buffer in subject.module.named_buffers() if subject.module is not None else ():
        add(name, buffer)
    for number, output in enumerate(outputs):
        add("the output" if len(outputs) == 1 else f"output {number + 1}", output)
        for node in graph_nodes(output):
            for number, saved in enumerate(getattr(node, "saved_tensors", None) or ()):
                if isinstance(saved, Tensor):
                    add(f"saved tensor {number + 1} of {node.name()}", saved)
    integers = {n: t for n, t in found.items() if not is_floating(t) and t.ndim == 1}
    for name, table in list(found.items()):
        for index_name, index in integers.items():
            is_table = table.ndim == 1 and is_floating(table) and index.dtype == torch.int64
            if is_table and index.min() >= 0 and index.max() < len(table):
                add(f"{name}[{index_name}]", table[index])
    return {name: as_real(tensor).double().cpu() for name, tensor in found.items()}


def _where(comparison: Comparison) -> str:
    """Where the error sits."""
    off = comparison.off > 1e-3 * comparison.off.max()
    if off.ndim > 2:
        inside = off
        for axis in range(2, off.ndim):
            inside = inside.narrow(axis, min(1, off.shape[axis]), max(off.shape[axis] - 2, 0))
        if inside.numel() and not inside.any():
            return "the error sits at the border alone"
    for axis, size in enumerate(off.shape):
        others = tuple(a for a in range(off.ndim) if a != axis)
        along = off.any(others) if others else off
        if not along.all():
            indices = along.nonzero().flatten().tolist()
            listed = ", ".join(map(str, indices[:6]))
            return f"the error sits at index {listed} of axis {axis}, of {size}"
    return (
        "the error is everywhere"
        if off.all()
        else f"the error sits in {int(off.sum())} of {off.numel()} elements"
    )
