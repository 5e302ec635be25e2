"""Inputs at which a formula that is right elsewhere overflows, or divides zero by zero."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from manualnn.checks.registry import NotRun, check, wrong
from manualnn.checks.report import Finding
from manualnn.checks.subject import Subject, random_like

EXTREMES = {"all zeros": 0.0, "a thousand times as large": 1000.0}
BESIDE, STEEP = 1e-3, 1e6


@check
def extreme_inputs(subject: Subject) -> Iterator[Finding]:
    """With inputs of zero, or a thousand times as large, gradients are finite if slopes are."""
    inputs = [name for name in subject.variables if name not in subject.parameters]
    if not inputs:
        raise NotRun("no input can be differentiated by")
    at = subject.values()
    try:
        for text, factor in EXTREMES.items():
            subject.set({n: v * factor if n in inputs else v for n, v in at.items()})
            yield from _not_finite(subject, text)
    finally:
        subject.set(at)


def _not_finite(subject: Subject, text: str) -> Iterator[Finding]:
    try:
        outputs = subject()
        returned = subject.returned(random_like(outputs))
    except Exception:  # out of what it takes, as a logarithm's input
        return
    if not all(output.isfinite().all() for output in outputs):
        return
    for name, gradient in returned.items():
        bad = ~gradient.to_dense().isfinite() if gradient is not None else torch.zeros(())
        if bad.any() and _is_gentle(subject, subject.variables[name], bad):
            yield wrong(
                f"{name} gradient: {int(bad.sum())} of {bad.numel()} elements are not finite for "
                f"inputs that are {text}",
                "nonfinite",
                "The outputs are finite, and so is how they change beside that point.",
                "Something overflows, or zero is divided by zero, in the backward pass alone.",
            )


@torch.no_grad()
def _is_gentle(subject: Subject, variable: Tensor, bad: Tensor) -> bool:
    """Whether the outputs change by little when the bad elements do."""
    here, before = subject(), variable.clone()
    changes = []
    for step in (BESIDE, -BESIDE):
        variable.add_(step * bad)
        try:
            beside = subject()
        except Exception:  # the edge of what it takes
            return False
        finally:
            variable.copy_(before)
        changes += [(y - x).abs().max() / BESIDE for y, x in zip(beside, here, strict=True)]
    return all(change < STEEP for change in changes)
