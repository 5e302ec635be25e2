"""What a Function returns, before autograd casts and sums it to what it should have been."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.autograd import Function

from manualnn.checks.passes import baseline, copies, forward, own_nodes
from manualnn.checks.registry import NotRun, advice, check, wrong
from manualnn.checks.report import Finding
from manualnn.checks.subject import Subject


@check
def gradient_properties(subject: Subject) -> Iterator[Finding]:
    """A Function returns gradients of the dtype, layout, shape and strides of its arguments."""
    right = baseline(subject)
    with forward(subject) as passed:
        nodes = [node for node in own_nodes(passed) if node._forward_cls.vjp is Function.vjp]
        if not nodes:
            raise NotRun("what vjp returns is not seen")
        with _recorded({node._forward_cls for node in nodes}) as returned:
            passed.gradients(copies(right.cotangents))
        for node in nodes:
            for number, gradient, target in _with_targets(node, returned.get(node, ())):
                where = f"{node.name()}: gradient {number + 1}"
                yield from _improper(gradient, where, *target)


@contextmanager
def _recorded(functions: set[type[Function]]) -> Iterator[dict[Any, tuple[Any, ...]]]:
    """Yields what each node's backward returns, as it runs."""
    returned: dict[Any, tuple[Any, ...]] = {}
    with ExitStack() as stack:
        for function in functions:
            record = staticmethod(_recording(function.backward, returned))
            stack.enter_context(mock.patch.object(function, "backward", record))
        yield returned


def _recording(
    backward: Callable[..., Any], returned: dict[Any, tuple[Any, ...]]
) -> Callable[..., Any]:
    def record(ctx: Any, *cotangents: Any) -> Any:
        gradients = backward(ctx, *cotangents)
        returned[ctx] = tuple(gradients) if isinstance(gradients, (tuple, list)) else (gradients,)
        return gradients

    return record


def _with_targets(
    node: Any, gradients: tuple[Any, ...]
) -> Iterator[tuple[int, Tensor, tuple[Any, Any]]]:
    """Each gradient with its number, and where it goes: the next node, and what this expects."""
    needed = [k for k, is_needed in enumerate(node.needs_input_grad) if is_needed]
    edges = [(target, slot) for target, slot in node.next_functions if target is not None]
    for number, (target, slot) in zip(needed, edges, strict=True):
        if number < len(gradients) and gradients[number] is not None:
            yield number, gradients[number], (target, target._input_metadata[slot])


def _improper(gradient: Tensor, where: str, target: Any, expected: Any) -> Iterator[Finding]:
    if gradient.dtype != expected.dtype:
        yield _of_other_dtype(where, gradient.dtype, expected.dtype)
    if tuple(gradient.shape) != tuple(expected.shape):
        yield advice(
            f"{where} has the shape {tuple(gradient.shape)}, not {tuple(expected.shape)}: "
            "autograd sums it up"
        )
    elif gradient.layout != torch.strided:
        yield advice(f"{where} is {gradient.layout}")
    elif _is_contiguous(getattr(target, "variable", None)) and not gradient.is_contiguous():
        yield advice(f"{where} has the strides {gradient.stride()}, its parameter is contiguous")


def _of_other_dtype(where: str, found: torch.dtype, expected: torch.dtype) -> Finding:
    text = f"{where} is {found}, not {expected}"
    if not (found.is_floating_point or found.is_complex):
        guess = "Numbers were rounded to whole ones."
        return wrong(text, "precision", "It has no fractions.", guess)
    if torch.finfo(found).eps <= torch.finfo(expected).eps:
        return advice(f"{text}: autograd casts it")
    return wrong(
        text,
        "precision",
        f"the rounding is {torch.finfo(found).eps:.0e}, not {torch.finfo(expected).eps:.0e}",
        "It is computed in a dtype of less precision.",
    )


def _is_contiguous(variable: Tensor | None) -> bool:
    return variable is not None and variable.is_contiguous()
