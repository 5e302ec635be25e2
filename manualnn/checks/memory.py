"""Conduct with the same values in other memory, and with no values at all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from manualnn.checks.layouts import layouts
from manualnn.checks.passes import (
    Arrange,
    BackwardRaises,
    ForwardRaises,
    Result,
    Tensors,
    baseline,
    both_passes,
    copies,
    forward,
    is_random,
    size,
    written_inputs,
)
from manualnn.checks.registry import NotRun, check, unsupported, wrong
from manualnn.checks.report import Diagnosis, Finding
from manualnn.checks.subject import Subject, tensors_in

ELSE = "contiguous, the same values give what is right"
SHARING = "expanded rows", "overlapping"
CONTIGUOUS = (
    "Memory seems to be taken for contiguous, by view, as_strided or data_ptr: use reshape, or "
    "contiguous() first."
)


@check
def expanded_cotangent(subject: Subject) -> Iterator[Finding]:
    """A cotangent of stride 0, as that of ``y.sum()``, gives what its contiguous copy gives."""
    return _cotangent_as(subject, "expanded", "expanded rows")


@check
def transposed_cotangent(subject: Subject) -> Iterator[Finding]:
    """A transposed cotangent gives what its contiguous copy gives."""
    return _cotangent_as(subject, "transposed")


@check
def sliced_cotangent(subject: Subject) -> Iterator[Finding]:
    """A cotangent that is every other element of a tensor gives what its contiguous copy gives."""
    return _cotangent_as(subject, "sliced")


@check
def channels_last_cotangent(subject: Subject) -> Iterator[Finding]:
    """A channels-last cotangent gives what its contiguous copy gives."""
    return _cotangent_as(subject, "channels_last")


@check
def overlapping_cotangent(subject: Subject) -> Iterator[Finding]:
    """A cotangent of overlapping windows gives what its contiguous copy gives."""
    return _cotangent_as(subject, "overlapping")


@check
def expanded_input(subject: Subject) -> Iterator[Finding]:
    """Inputs of one row, repeated with stride 0, give what their contiguous copies give."""
    return _inputs_as(subject, "expanded rows")


@check
def transposed_input(subject: Subject) -> Iterator[Finding]:
    """Transposed inputs give what their contiguous copies give."""
    return _inputs_as(subject, "transposed")


@check
def sliced_input(subject: Subject) -> Iterator[Finding]:
    """Inputs that are every other element of a tensor give what their contiguous copies give."""
    return _inputs_as(subject, "sliced")


@check
def channels_last_input(subject: Subject) -> Iterator[Finding]:
    """Channels-last inputs give what their contiguous copies give."""
    return _inputs_as(subject, "channels_last")


@check
def overlapping_input(subject: Subject) -> Iterator[Finding]:
    """Inputs of overlapping windows give what their contiguous copies give."""
    return _inputs_as(subject, "overlapping")


@check
def empty_batch(subject: Subject) -> Iterator[Finding]:
    """A batch of size 0 has gradients, and those of the weights are zero.

    An error, or nan, is loud enough: what does not offer it says so.
    """
    baseline(subject)
    try:
        empty = both_passes(subject, arrange=_without_its_batch(subject))
    except (ForwardRaises, BackwardRaises) as error:
        yield unsupported(f"batch of size 0: {error}")
    else:
        yield from _gradients_of_nothing(empty)


def _without_its_batch(subject: Subject) -> Arrange:
    batched = [t for _, t in tensors_in(subject.inputs) if t.dim() > 0]
    if not batched:
        raise NotRun("no input has a batch axis")
    batch = len(batched[0])
    return lambda t: t[:0].clone() if t.dim() > 0 and len(t) == batch else t.clone()


def _gradients_of_nothing(empty: Result) -> Iterator[Finding]:
    if any(y.numel() for y in empty.values.values()):
        raise NotRun("without a batch there is an output still")
    for name, gradient in empty.gradients.items():
        if gradient.isnan().any():
            yield unsupported(f"batch of size 0: the gradient of {name} is nan")
        elif gradient.any():
            yield wrong(
                f"batch of size 0: the gradient of {name} is not zero",
                "empty-batch",
                f"it is up to {size({name: gradient}):.2g}, a sum of no terms",
                "Memory may be left as it was allocated (torch.empty).",
            )


def _cotangent_as(subject: Subject, *names: str) -> Iterator[Finding]:
    right = baseline(subject)
    if right.written_cotangents:
        raise NotRun("the backward pass writes to it: see changes-cotangent")
    for layout in _that_apply(names, list(right.cotangents.values())):
        laid_out, dense = partial(_laid_out, layout=layout), partial(_dense, layout=layout)
        expected = both_passes(subject, cotangent=dense)
        if what := expected.trouble(partial(_gradients, subject, laid_out)):
            yield wrong(f"{layout} cotangent: {what}", "assumes-contiguous", ELSE, CONTIGUOUS)


def _gradients(subject: Subject, cotangent: Arrange) -> Tensors:
    return both_passes(subject, cotangent=cotangent).gradients


def _inputs_as(subject: Subject, layout: str) -> Iterator[Finding]:
    baseline(subject)
    if layout in SHARING and _writes_to_its_inputs(subject):
        raise NotRun("the forward pass writes to its inputs, and their elements share memory")
    _that_apply((layout,), [t for _, t in tensors_in(subject.inputs)])
    expected = both_passes(subject, arrange=partial(_dense, layout=layout))
    try:
        with forward(subject, partial(_laid_out, layout=layout)) as passed:
            output = expected.compared_values(passed.values)
            gradient = expected.trouble(lambda: passed.gradients(copies(expected.cotangents)))
    except ForwardRaises as error:
        why = Diagnosis("assumes-contiguous", ELSE, CONTIGUOUS)
        yield unsupported(f"{layout} inputs: {error}", why)
        return
    if (output or gradient) and is_random(subject):
        raise NotRun("it is random, and may draw numbers in the order of memory")
    for what in filter(None, (output, gradient)):
        yield wrong(f"{layout} inputs: {what}", "assumes-contiguous", ELSE, CONTIGUOUS)


def _writes_to_its_inputs(subject: Subject) -> bool:
    with forward(subject) as passed:
        return bool(written_inputs(subject, passed))


def _that_apply(names: tuple[str, ...], tensors: list[Tensor]) -> list[str]:
    """Those in which a tensor is not contiguous.

    Raises:
        NotRun: If there is none.
    """
    found = [n for n in names if not all(_laid_out(t, n).is_contiguous() for t in tensors)]
    if not found:
        raise NotRun(f"there is nothing that could be {names[0]}")
    return found


def _laid_out(tensor: Tensor, layout: str) -> Tensor:
    """A copy in a layout, a contiguous one if there is no such layout for it."""
    own = tensor.clone(memory_format=torch.contiguous_format)
    made = _overlapping(own) if layout == "overlapping" else layouts(own).get(layout, own)
    return made if made.dtype == own.dtype else own  # a sum of bool is int


def _dense(tensor: Tensor, layout: str) -> Tensor:
    return _laid_out(tensor, layout).contiguous()


def _overlapping(tensor: Tensor) -> Tensor:
    """Element (i, j, ...) is number i + j + ... of the tensor."""
    return tensor.as_strided(tensor.shape, (1,) * tensor.dim())
