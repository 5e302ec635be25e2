"""The checks of second order: what a gradient penalty, or a second backward pass, gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from manualnn.checks.comparison import away_from_kinks, is_large, slope
from manualnn.checks.gradients import STEPS_OF_DOUBLE, TOLERANCE_OF_SLOPES
from manualnn.checks.layouts import layouts
from manualnn.checks.passes import FINE, Tensors, differences, tolerance
from manualnn.checks.registry import NotRun, check, unsupported, wrong
from manualnn.checks.report import Finding, first_line
from manualnn.checks.subject import Subject, inner, random_like


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
            yield from _unlike_differences(subject)
    except RuntimeError as error:
        raise NotRun(f"the backward pass raises: {error}") from error


def _unlike_differences(subject: Subject) -> Iterator[Finding]:
    leaves = [v.requires_grad_() for v in random_like(subject())]
    try:
        second = second_gradients(subject, leaves)
    except Exception as error:
        yield unsupported(first_line(error))
        return
    for name, variable in _differentiated(subject, leaves).items():
        (direction,) = random_like([variable])
        truth, uncertain = slope(
            lambda: _weighted(subject, leaves), variable, direction, STEPS_OF_DOUBLE
        )
        returned = float(inner(second[name], direction))
        allowed = TOLERANCE_OF_SLOPES * max(abs(truth), 1e-3) + 100 * uncertain
        if not abs(returned - truth) <= allowed:
            yield wrong(
                f"the derivative of the gradients by {name} is {returned:.4g} along a direction "
                f"along which it is {truth:.4g}",
                "detached",
                "The first order is right.",
                "The backward pass uses something that is detached, .data, or saved by forward "
                f"although it depends on {name}: compute it in backward, return it from "
                "forward, or forbid the second order with @once_differentiable.",
            )


@check
def second_order_layouts(subject: Subject) -> Iterator[Finding]:
    """Both orders are the same for cotangents expanded, transposed, sliced and channels-last."""
    cotangents = random_like(subject())
    names = dict.fromkeys(
        n for v in cotangents for n, laid in layouts(v).items() if not laid.is_contiguous()
    )
    if not names:
        raise NotRun("there is no other layout for a cotangent")
    for name in names:
        laid_out = [layouts(v).get(name, v) for v in cotangents]
        try:
            expected = _both_orders(subject, [v.contiguous() for v in laid_out])
        except RuntimeError as error:
            raise NotRun(f"the second order raises {first_line(error)}") from error
        try:
            found = _both_orders(subject, laid_out)
            trouble = differences(found, expected, tolerance(expected, FINE))
        except RuntimeError as error:
            trouble = f"raises {first_line(error)}"
        if trouble:
            yield wrong(
                f"{name} cotangent: {trouble}",
                "assumes-contiguous",
                "contiguous, the same values give something else",
                "Memory seems to be taken for contiguous: use reshape, or contiguous() first.",
            )


def _both_orders(subject: Subject, cotangents: Sequence[Tensor]) -> Tensors:
    leaves = [v.detach().requires_grad_() for v in cotangents]
    first = {n: g.detach() for n, g in subject.returned(leaves).items() if g is not None}
    second = second_gradients(subject, leaves)
    return first | {f"second order, {name}": gradient for name, gradient in second.items()}


def second_gradients(subject: Subject, leaves: Sequence[Tensor]) -> Tensors:
    """Returns the gradients of all gradients, weighted at random, by variables and cotangents.

    Args:
        subject: What is differentiated.
        leaves: The cotangents, which require a gradient.

    Raises:
        RuntimeError: If there is no second order.
    """
    by = _differentiated(subject, leaves)
    first = _weighted(subject, leaves, create_graph=True)
    if not first.requires_grad:
        return {name: torch.zeros_like(variable) for name, variable in by.items()}
    found = torch.autograd.grad(first, list(by.values()), materialize_grads=True)
    return dict(zip(by, found, strict=True))


def _differentiated(subject: Subject, leaves: Sequence[Tensor]) -> Tensors:
    return {**subject.variables, **{f"cotangent {k + 1}": v for k, v in enumerate(leaves)}}


def weights(subject: Subject) -> Tensors:
    """Returns what the gradients are weighted with, by name."""
    return {name: random_like([v])[0] for name, v in subject.variables.items()}


def _weighted(subject: Subject, leaves: Sequence[Tensor], create_graph: bool = False) -> Tensor:
    by_name = weights(subject)
    gradients = subject.returned(leaves, create_graph)
    parts = [inner(g, by_name[name]) for name, g in gradients.items() if g is not None]
    return torch.stack(parts).sum() if parts else torch.zeros(())
