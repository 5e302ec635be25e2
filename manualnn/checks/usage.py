"""Conduct in a network: frozen variables, outputs nobody uses, several calls and passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from manualnn.checks.passes import (
    NothingToDifferentiate,
    Result,
    baseline,
    both_passes,
    copies,
    forward,
)
from manualnn.checks.registry import NotRun, check, wrong
from manualnn.checks.report import Finding
from manualnn.checks.subject import Subject

FEW = 3  # variables, of which every subset is frozen
MOST = 8  # of more, that are frozen


@check
def frozen_variables(subject: Subject) -> Iterator[Finding]:
    """Without some of the variables, the gradients of the others are what they were."""
    right = baseline(subject)
    if len(subject.variables) < 2:
        raise NotRun("there is one variable alone")
    for names in _subsets(list(subject.variables)):
        with _frozen(subject, names), suppress(NothingToDifferentiate):
            if what := right.trouble(lambda: both_passes(subject).gradients):
                yield wrong(
                    f"{', '.join(names)} frozen: {what}",
                    "frozen-variables",
                    "with all variables it is right",
                    "needs_input_grad seems to be taken for that of another argument.",
                )


def _subsets(names: list[str]) -> Iterator[tuple[str, ...]]:
    """Every subset of a few; of many, each alone and all but each."""
    if len(names) <= FEW:
        for count in range(1, len(names)):
            yield from combinations(names, count)
    else:
        for name in names[:MOST]:
            yield (name,)
            yield tuple(other for other in names if other != name)


@contextmanager
def _frozen(subject: Subject, names: tuple[str, ...]) -> Iterator[None]:
    try:
        for name in names:
            subject.variables[name].requires_grad_(False)
        yield
    finally:
        for name in names:
            subject.variables[name].requires_grad_()


@check
def none_cotangent(subject: Subject) -> Iterator[Finding]:
    """The cotangent of an output that nobody uses is None, and counts as zero."""
    right = baseline(subject)
    if not all(gradient.to_dense().isfinite().all() for gradient in right.gradients.values()):
        raise NotRun("a gradient is not finite")
    outputs = list(right.cotangents)
    several = outputs if len(outputs) > 1 else []
    for used in [(), *((name,) for name in several)]:
        unused = [name for name in outputs if name not in used]
        if what := _trouble_without(unused, subject, right):
            yield wrong(
                f"nobody uses {', '.join(unused)}: {what}",
                "none-cotangent",
                "with a cotangent of zeros it is right",
                "With set_materialize_grads(False) a cotangent may be None.",
            )


def _trouble_without(unused: list[str], subject: Subject, right: Result) -> str:
    cotangents = copies(right.cotangents)
    zeros = {name: torch.zeros_like(cotangents[name]) for name in unused}
    with forward(subject) as passed:
        expected = replace(right, gradients=passed.gradients(cotangents | zeros))
    with forward(subject) as passed:
        dropped = _Dropped.apply(*(passed.outputs[name] for name in unused))
        passed.outputs |= zip(unused, dropped, strict=True)
        return expected.trouble(lambda: passed.gradients(copies(right.cotangents)))


class _Dropped(Function):
    """Hands None back, as a layer does that makes no use of its input."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(t.clone() for t in inputs)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[None, ...]:
        return (None,) * len(cotangents)


@check
def two_backward_passes(subject: Subject) -> Iterator[Finding]:
    """A second backward pass through the same graph gives what the first one gives."""
    right = baseline(subject)
    with forward(subject) as passed:
        passed.gradients(copies(right.cotangents), again=True)
        if what := right.trouble(lambda: passed.gradients(copies(right.cotangents))):
            yield wrong(
                f"second backward pass: {what}",
                "two-backward-passes",
                "the first one is right",
                "The backward pass seems to change, or to drop, what the forward pass saved.",
            )


@check
def double_use(subject: Subject) -> Iterator[Finding]:
    """Called twice before a backward pass, with the same inputs, it has twice the gradient."""
    right = baseline(subject)
    twice = replace(right, gradients={name: 2 * t for name, t in right.gradients.items()})
    with forward(subject) as passed:
        pass
    with forward(subject) as other:
        passed.outputs |= {f"other {name}": t for name, t in other.outputs.items()}
        cotangents = {
            name: right.cotangents[name.removeprefix("other ")].clone() for name in passed.outputs
        }
        if what := twice.trouble(lambda: passed.gradients(cotangents)):
            yield _remembered(f"called twice with the same inputs: {what}", "double-use")


@check
def interleaved_calls(subject: Subject) -> Iterator[Finding]:
    """A call with other inputs, between forward and backward pass, leaves the gradient as it is."""
    right = baseline(subject)
    with forward(subject) as passed, forward(subject, _other_way_round):
        if what := right.trouble(lambda: passed.gradients(copies(right.cotangents))):
            yield _remembered(f"called again before the backward pass: {what}", "interleaved-calls")


def _other_way_round(tensor: Tensor) -> Tensor:
    return tensor.flip(tuple(range(tensor.dim())))


def _remembered(text: str, cause: str) -> Finding:
    return wrong(
        text,
        cause,
        "called once, it is right",
        "What a backward pass needs seems to be kept in the module or class, not by "
        "ctx.save_for_backward.",
    )
