"""Precision: what single and half precision make of gradients that are right in double."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from manualnn.checks.passes import is_random, unless_it_raises
from manualnn.checks.registry import NotRun, advice, check, unsupported, wrong
from manualnn.checks.report import Finding, first_line
from manualnn.checks.subject import WIDE, Subject, converted, random_like

SINGLE = {torch.float64: torch.float32, torch.complex128: torch.complex64}
HALF = {torch.float64: torch.bfloat16}
FAR = 1000.0  # from zero, where differences of large numbers lose digits
FACTOR = 20  # times what the rounding of the variables and of the gradients themselves does
DRAWS = 3


@check
def narrow_precision(subject: Subject) -> Iterator[Finding]:
    """In float32 and bfloat16, gradients are those of float64, but for what rounding explains."""
    if not subject.is_double:
        raise NotRun("it is not computed in float64")
    if subject.changes_parameters() or is_random(subject):
        raise NotRun("it is random, or changes its parameters")
    with unless_it_raises("copy.deepcopy"):
        single, half = converted(subject, SINGLE), converted(subject, HALF)
    for narrow, dtype in (single, torch.float32), (half, torch.bfloat16):
        try:
            yield from _imprecise(narrow, dtype, str(dtype).removeprefix("torch."))
        except RuntimeError as error:
            yield unsupported(f"{dtype}: {first_line(error)}")
    with suppress(RuntimeError), torch.no_grad():  # out of what it takes
        for name in single.variables.keys() - single.parameters.keys():
            single.variables[name] += FAR
        with torch.enable_grad():
            found = list(_imprecise(single, torch.float32, f"float32, inputs larger by {FAR:g},"))
        yield from (advice(finding.text) for finding in found)


def _imprecise(narrow: Subject, dtype: torch.dtype, where: str) -> Iterator[Finding]:
    """Compares what is computed from rounded variables with what these give in double precision."""
    epsilon = torch.finfo(dtype).eps
    exact = converted(narrow, WIDE)
    cotangents = random_like(narrow())
    found, right = _both(narrow, cotangents), _both(exact, cotangents)
    if not all(t.isfinite().all() for t in right.values()):
        return
    moved = _moved_by_rounding(exact, cotangents, epsilon)
    floor = max(t.norm().item() for t in (*right.values(), *cotangents))
    off = {
        name: (t - right[name]).norm().item() / FACTOR / (moved[name] + epsilon * floor)
        for name, t in found.items()
    }
    outputs = [off.pop(name) for name in list(off) if name not in exact.variables]
    if not all(share <= 1 for share in outputs):
        yield advice(f"in {where} the output is {FACTOR * max(outputs):.3g} times its rounding off")
        return
    for name, share in off.items():
        if not share <= 1:
            error = (found[name] - right[name]).norm() / right[name].norm()
            yield wrong(
                f"{name} gradient in {where}: {100 * error:.2g} % off, and the output is right",
                "precision",
                f"That is {FACTOR * share:.2g} times what rounding the variables does.",
                "Something is rounded that is too large, or too small, beside what is made of it: "
                "a variance as the difference of squares, a logarithm or root of almost nothing.",
            )


def _both(subject: Subject, cotangents: Sequence[Tensor]) -> dict[str, Tensor]:
    """Outputs and gradients by name, in double precision."""
    outputs = subject()
    cast = [v.to(y.dtype) for v, y in zip(cotangents, outputs, strict=True)]
    numbered = {f"output {k + 1}": y for k, y in enumerate(outputs)}
    gradients = {n: g.to_dense() for n, g in subject.returned(cast).items() if g is not None}
    return {n: t.detach().to(WIDE.get(t.dtype, t.dtype)) for n, t in (numbered | gradients).items()}


def _moved_by_rounding(
    subject: Subject, cotangents: Sequence[Tensor], epsilon: float
) -> dict[str, float]:
    """How much outputs and gradients change with variables that are rounded, at most."""
    at, here = subject.values(), _both(subject, cotangents)
    changes = dict.fromkeys(here, 0.0)
    for seed in range(DRAWS):
        noise = random_like(list(at.values()), seed)
        subject.set({n: v * (1 + epsilon * r) for (n, v), r in zip(at.items(), noise, strict=True)})
        for name, values in _both(subject, cotangents).items():
            changes[name] = max(changes[name], (values - here[name]).norm().item())
    subject.set(at)
    return changes
