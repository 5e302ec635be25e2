"""Conduct of a forward and a backward pass: what they change, what they remember."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from manualnn.checks.passes import (
    FINE,
    BackwardRaises,
    Pass,
    Tensors,
    baseline,
    both_passes,
    copies,
    differences,
    distance,
    forward,
    own_nodes,
    tolerance,
    written_inputs,
)
from manualnn.checks.registry import NotRun, advice, check, wrong
from manualnn.checks.report import Finding
from manualnn.checks.subject import Subject, is_floating, seed_everywhere, tensors_in


@check
def changes_cotangent(subject: Subject) -> Iterator[Finding]:
    """The backward pass leaves its cotangent as it is."""
    for name, change in baseline(subject).written_cotangents.items():
        yield wrong(
            f"the backward pass writes to the cotangent of {name}",
            "changes-cotangent",
            f"it is {change:.2g} off afterwards",
            "Others may read it: write delta * y, not delta *= y, or change a clone.",
        )


@check
def changes_input(subject: Subject) -> Iterator[Finding]:
    """The forward pass leaves its inputs as they are, or tells autograd what it does to them."""
    with forward(subject) as passed:
        if not passed.given:
            raise NotRun("no input is a tensor")
        for name, change in written_inputs(subject, passed).items():
            if passed.given[name].grad_fn is not passed.sources[name]:
                continue  # autograd knows
            if passed.given[name].requires_grad:
                yield wrong(
                    f"the forward pass writes to {name}",
                    "changes-input",
                    f"it is {change:.2g} off afterwards, and autograd does not know",
                    "Without ctx.mark_dirty, what used the input before has a wrong gradient.",
                )
            else:
                yield advice(f"the forward pass writes to {name}, which needs no gradient")


@check
def changes_saved_tensors(subject: Subject) -> Iterator[Finding]:
    """The backward pass leaves the inputs, outputs and weights that were saved as they are."""
    right = baseline(subject)
    saved: list[Tensor] = []

    def kept(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with saved_tensors_hooks(kept, lambda tensor: tensor), forward(subject) as passed:
        known = _storages(subject, passed)
        shared = [t for t in saved if _storage(t) in known]
        if not shared:
            raise NotRun("no input, output or weight is saved")
        before = [t.detach().clone() for t in shared]
        passed.gradients(copies(right.cotangents))
        changes = list(map(distance, shared, before))
    for tensor, change in zip(shared, changes, strict=True):
        if change:
            yield wrong(
                f"the backward pass writes to a saved tensor of shape {tuple(tensor.shape)}",
                "changes-saved-tensors",
                f"it is {change:.2g} off afterwards",
                "It is an input, an output or a weight: no in-place operation on it.",
            )


@check
def keeps_tensors_on_ctx(subject: Subject) -> Iterator[Finding]:
    """No Function keeps tensors as attributes of ctx.

    An input or output that is kept so leaks memory, as the graph and it then keep each other alive,
    and is used as it is by then, changed or not: wrong. For others, hooks that offload or recompute
    what is saved are bypassed: advice.
    """
    with forward(subject) as passed:
        known = _storages(subject, passed)
        for node in own_nodes(passed):
            for name, tensor in _kept_on(node):
                if tensor.requires_grad or _storage(tensor) in known:
                    yield wrong(
                        f"{node.name()} keeps an input or output as {name}",
                        "keeps-tensors-on-ctx",
                        f"a tensor of shape {tuple(tensor.shape)}",
                        "ctx.save_for_backward frees it, and notices when it is changed.",
                    )
                else:
                    yield advice(f"{node.name()} keeps {name}: leave it to ctx.save_for_backward")


def _kept_on(ctx: Any) -> Iterator[tuple[str, Tensor]]:
    for attribute, value in vars(ctx).items():
        yield from tensors_in(value, f"ctx.{attribute}")


def _storages(subject: Subject, passed: Pass) -> set[int]:
    buffers = subject.module.buffers() if subject.module is not None else ()
    state = [*subject.parameters.values(), *buffers]
    tensors = [*passed.given.values(), *passed.values.values(), *state]
    return {_storage(t) for t in tensors} - {0}


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else 0


@check
def late_change(subject: Subject) -> Iterator[Finding]:
    """A tensor changed between forward and backward pass raises, or does not matter."""
    right = baseline(subject)
    with forward(subject) as passed:
        names = list(_changeable(subject, passed))
    for name in names:
        with forward(subject) as passed, suppress(BackwardRaises):
            if not _changed_in_place(_changeable(subject, passed)[name]):
                continue
            if what := right.compared(passed.gradients(copies(right.cotangents))):
                yield wrong(
                    f"{name} changed after the forward pass: {what}",
                    "keeps-tensors-on-ctx",
                    "autograd would have raised an error",
                    "It seems to be kept on ctx, or saved as x.data: nobody checks its version.",
                )


def _changeable(subject: Subject, passed: Pass) -> Tensors:
    tensors = passed.given | subject.parameters | passed.outputs
    return {name: t for name, t in tensors.items() if is_floating(t)}


def _changed_in_place(tensor: Tensor) -> bool:
    try:
        with torch.no_grad():
            tensor.neg_().sub_(1)
    except RuntimeError:  # one of several views, or expanded
        return False
    return True


@check
def state_in_forward(subject: Subject) -> Iterator[Finding]:
    """A call gives what the call before it gave, whatever it does to buffers."""
    with subject.unchanged():
        first = copies(Pass(subject).values)
        if not first:
            raise NotRun("there is no floating output")
        seed_everywhere()
        off = differences(Pass(subject).values, first, tolerance(first, FINE))
    if off and _fresh_calls_differ(subject):
        raise NotRun("it is random: see nondeterminism")
    if off:
        yield wrong(
            f"the second of two equal calls gives something else: {off}",
            "state-in-forward",
            "random numbers and training mode are the same",
            "Where a gradient is recomputed or checked, it is that of another function.",
        )


@check
def nondeterminism(subject: Subject) -> Iterator[Finding]:
    """Equal calls with equal random numbers give equal outputs and gradients."""
    if off := _fresh_calls_differ(subject):
        yield wrong(
            f"equal calls differ: {off}",
            "nondeterminism",
            "state and torch's random numbers are the same",
            "Its random numbers may not be torch's, or memory is left as allocated (torch.empty).",
        )


def _fresh_calls_differ(subject: Subject) -> str:
    first, second = both_passes(_copied(subject)), both_passes(_copied(subject))
    output = differences(second.values, first.values, tolerance(first.values, FINE))
    return output or first.compared(second.gradients)


def _copied(subject: Subject) -> Subject:
    """With the state as it is now, where it can be copied."""
    if subject.module is None:
        return subject
    try:
        with subject.unchanged():
            return Subject(copy.deepcopy(subject.module), subject.inputs)
    except Exception:
        return subject
