"""The checks of numbers: first and second order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from manualnn.checks.comparison import (
    Comparison,
    away_from_kinks,
    compare,
    is_large,
    slope,
)
from manualnn.checks.diagnosis import Chart, diagnose
from manualnn.checks.graph import graph_nodes
from manualnn.checks.registry import NotRun, advice, check, unsupported
from manualnn.checks.report import Diagnosis, Finding
from manualnn.checks.subject import Subject, as_real, inner, is_floating, random_like

SECOND_ORDER_TOLERANCE = 1e-6
ENTRIES = 2_000_000  # of a matrix that is computed whole
DIRECTIONS = 3
STEPS_OF_DOUBLE = (1e-3, 1e-4, 1e-5, 1e-6)
STEPS_OF_SINGLE = (1e-1, 1e-2)
TOLERANCE_OF_SINGLE = 1e-2


@check
def first_order(subject: Subject) -> Iterator[Finding]:
    """Each gradient is that of central differences, for random cotangents."""
    if subject.changes_parameters():
        raise NotRun("the forward pass changes the parameters: it is no function of them")
    if not all(output.isfinite().all() for output in subject()):
        raise NotRun("an output is not finite")
    if is_large(subject):
        yield from along_directions(subject)
        return
    try:
        found = compare(subject)
    except RuntimeError as error:
        yield from _raised(error)
        return
    yield from _not_finite(subject, found)
    if any(not comparison.jacobian.smooth.all() for comparison in found.values()):
        yield from _at_ties(subject, found)
    subject.notes["compared"] = found
    with away_from_kinks(subject) as moved:
        if moved:
            yield advice(f"{moved} lie at kinks, where there is no derivative; they were moved")
        found = subject.notes["compared"]
        for name, comparison in found.items():
            if comparison.is_wrong and comparison.returned.isfinite().all():
                yield _wrong(subject, found, name)


def along_directions(subject: Subject) -> Iterator[Finding]:
    """Compares slopes along a few random directions: for many elements, or few digits."""
    cotangents = random_like(subject())
    try:
        returned = subject.returned(cotangents)
    except RuntimeError as error:
        yield from _raised(error)
        return

    def total() -> Tensor:
        return torch.stack(list(map(inner, subject(), cotangents))).sum()

    steps = STEPS_OF_DOUBLE if subject.is_double else STEPS_OF_SINGLE
    tolerance = SECOND_ORDER_TOLERANCE if subject.is_double else TOLERANCE_OF_SINGLE
    for name, variable in subject.variables.items():
        gradient = returned[name]
        dense = torch.zeros_like(variable) if gradient is None else gradient.to_dense()
        for seed in range(DIRECTIONS):
            direction = random_like([variable], seed)[0]
            truth, uncertain = slope(total, variable, direction, steps)
            found = float(inner(dense, direction))
            size = float((as_real(dense) * as_real(direction)).double().norm())
            if not abs(found - truth) <= tolerance * max(abs(truth), size) + 100 * uncertain + 1e-9:
                yield Finding(
                    "",
                    "wrong",
                    f"{name} gradient: {found:.5g} along a direction along which the output "
                    f"changes by {truth:.5g} (+- {uncertain:.0e})",
                )
                break


def _raised(error: RuntimeError) -> Iterator[Finding]:
    text = str(error).splitlines()[0]
    diagnosis = None
    if "invalid gradient" in text and "shape" in text:
        diagnosis = Diagnosis(
            "not-reduced",
            text,
            "The gradient of a broadcast argument is summed over the axes along which it was "
            "repeated.",
        )
    yield Finding("", "wrong", f"the backward pass raises: {text}", diagnosis)


def _not_finite(subject: Subject, found: dict[str, Comparison]) -> Iterator[Finding]:
    for name, comparison in found.items():
        bad = ~comparison.returned.isfinite()
        bad &= comparison.truth.isfinite()
        if bad.any():
            values = comparison.returned[bad].unique()[:2].tolist()
            at = as_real(subject.variables[name].detach())[bad].abs()
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


def _slope(subject: Subject, name: str, mask: Tensor, cotangents: list[Tensor], h: float) -> float:
    values = as_real(subject.variables[name].detach())
    before = values.clone()
    here = sum(map(inner, subject(), cotangents))
    values += h * mask
    there = sum(map(inner, subject(), cotangents))
    values.copy_(before)
    return float(there - here) / h


def _wrong(subject: Subject, found: dict[str, Comparison], name: str) -> Finding:
    comparison = found[name]
    scale = comparison.truth.abs().max().item()
    share = comparison.off.max().item() / scale if scale else float("inf")
    text = f"{name} gradient: {100 * share:.3g} % off"
    diagnosis = None
    outputs = subject()
    if len(outputs) == 1 and comparison.jacobian.rows.numel() <= ENTRIES:
        diagnosis = _diagnosed(subject, found, name)
    if diagnosis is None:
        text += f"; {_where(comparison)}"
    return Finding("", "wrong", text, diagnosis)


def _diagnosed(subject: Subject, found: dict[str, Comparison], name: str) -> Diagnosis | None:
    output = subject()[0].detach()
    numbers, comparison = as_real(output), found[name]
    columns = []
    for number in range(numbers.numel()):
        cotangent = torch.zeros_like(output, memory_format=torch.contiguous_format)
        as_real(cotangent).view(-1)[number] = 1
        gradient = subject.returned([cotangent])[name]
        columns.append(
            torch.zeros_like(comparison.truth) if gradient is None else as_real(gradient.to_dense())
        )
    returned = torch.stack([column.detach().flatten() for column in columns], 1)
    chart = Chart(
        subject,
        name,
        comparison.jacobian.rows,
        returned,
        comparison.truth.shape,
        numbers,
        {other: each.jacobian.rows for other, each in found.items()},
        tensors_at_hand(subject),
    )
    flat = as_real(random_like([output])[0]).flatten()
    linear = (returned @ flat).view(comparison.truth.shape)
    is_linear = (linear - comparison.returned).abs().max() <= 1e-8 * comparison.returned.abs().max()
    if is_linear:
        return diagnose(chart)
    return _not_linear(subject, name, comparison) or diagnose(chart)


def _not_linear(subject: Subject, name: str, comparison: Comparison) -> Diagnosis | None:
    twice = [2 * v for v in random_like(subject())]
    again = subject.returned(twice)[name]
    if again is not None and torch.allclose(again, comparison.returned):
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
    for name, buffer in subject.module.named_buffers() if subject.module else ():
        add(name, buffer)
    for output in outputs:
        add("the output", output)
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
    return {name: as_real(tensor).double() for name, tensor in found.items()}


def _where(comparison: Comparison) -> str:
    """Where the error sits."""
    off = comparison.off > 1e-3 * comparison.off.max()
    if off.ndim > 2:
        inside = off
        for axis in range(2, off.ndim):
            inside = inside.narrow(axis, min(1, off.shape[axis]), max(off.shape[axis] - 2, 0))
        if inside.numel() and not inside.any():
            return "it sits at the border alone"
    for axis, size in enumerate(off.shape):
        others = tuple(a for a in range(off.ndim) if a != axis)
        along = off.any(others) if others else off
        if not along.all():
            indices = along.nonzero().flatten().tolist()
            listed = ", ".join(map(str, indices[:6]))
            return f"it sits at index {listed} of axis {axis}, of {size}"
    return (
        "it is everywhere"
        if off.all()
        else f"it sits in {int(off.sum())} of {off.numel()} elements"
    )


@check
def second_order(subject: Subject) -> Iterator[Finding]:
    """The derivative of each gradient is that of its differences, along random directions."""
    if is_large(subject):
        raise NotRun("it takes a smaller input, in float64")
    if subject.changes_parameters():
        raise NotRun("the forward pass changes the parameters: it is no function of them")
    try:
        with away_from_kinks(subject):
            if any(comparison.is_wrong for comparison in subject.notes["compared"].values()):
                raise NotRun("the first order is wrong")
            yield from _second_order(subject)
    except RuntimeError as error:
        raise NotRun(f"the backward pass raises: {error}") from error


def _second_order(subject: Subject) -> Iterator[Finding]:
    leaves = [v.requires_grad_() for v in random_like(subject())]
    weights = {name: random_like([v])[0] for name, v in subject.variables.items()}

    def total(create_graph: bool = False) -> Tensor:
        gradients = subject.returned(leaves, create_graph)
        parts = [inner(g, weights[n]) for n, g in gradients.items() if g is not None]
        return torch.stack(parts).sum() if parts else torch.zeros(())

    by = {**subject.variables, **{f"cotangent {k + 1}": v for k, v in enumerate(leaves)}}
    try:
        first = total(create_graph=True)
        if not first.requires_grad:
            second: Sequence[Tensor | None] = [None] * len(by)
        else:
            second = torch.autograd.grad(first, list(by.values()), allow_unused=True)
    except RuntimeError as error:
        yield unsupported(str(error).splitlines()[0])
        return
    for (name, variable), gradient in zip(by.items(), second, strict=True):
        direction = random_like([variable])[0]
        truth, uncertain = slope(total, variable, direction, STEPS_OF_DOUBLE)
        returned = 0.0 if gradient is None else float(inner(gradient, direction))
        allowed = SECOND_ORDER_TOLERANCE * max(abs(truth), 1e-3) + 100 * uncertain
        if not abs(returned - truth) <= allowed:
            yield Finding(
                "",
                "wrong",
                f"the derivative of the gradients by {name} is {returned:.4g} along a direction "
                f"along which it is {truth:.4g}",
                Diagnosis(
                    "detached",
                    "The first order is right.",
                    "The backward pass uses something that is detached, .data, or saved by forward "
                    f"although it depends on {name}: compute it in backward, return it from "
                    "forward, or forbid the second order with @once_differentiable.",
                ),
            )
