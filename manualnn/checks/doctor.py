"""The examination of a function, a module, or the layers of a model."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.checks import (
    conduct,
    extremes,
    gradients,
    memory,
    precision,
    returned,
    second_order,
    transforms,
    usage,
)
from manualnn.checks.gradients import along_directions, is_right_as_a_whole
from manualnn.checks.registry import CHECKS, Check, NotRun
from manualnn.checks.report import Finding, Report, first_line
from manualnn.checks.subject import (
    WIDE,
    Subject,
    argument_names,
    converted,
    is_floating,
    mapped,
    named,
    tensors_in,
)

# Imported, they are registered.
FILES_OF_CHECKS = (
    gradients,
    second_order,
    extremes,
    precision,
    memory,
    usage,
    conduct,
    returned,
    transforms,
)
BESIDE = 1e-3  # where it has to work as well


def check_module(
    module: nn.Module,
    *inputs: Any,
    only: Collection[str] = (),
    without: Collection[str] = (),
) -> Report:
    """Examines the gradients of a module, and how it goes about them.

    It is examined in float64 where that is possible: there, rounding hides no wrong formula.
    Neither the module nor the inputs are changed.

        report = check_module(MyBatchNorm2d(8), torch.randn(4, 8, 5, 5))
        print(report)
        assert report.ok

    Args:
        module: Any.
        inputs: Its arguments: tensors, and tuples, lists and dicts of them among others. With up to
            2,000 numbers in all that can be differentiated by, or as many as take two seconds, each
            is compared and mistakes are named; beyond that, and where it is not computed in
            float64, slopes along a few directions are compared.
        only: Names of the checks to run; otherwise all but those that take seconds.
        without: Names of checks to leave out.

    Returns:
        What was tried, what failed and by how much, and why.

    Raises:
        ValueError: If there is no check of such a name.
    """
    return check_function(module, *inputs, only=only, without=without)


@torch.enable_grad()
def check_function(
    function: Callable[..., Any],
    *inputs: Any,
    only: Collection[str] = (),
    without: Collection[str] = (),
) -> Report:
    """Examines a function, such as the ``apply`` of a Function; see :func:`check_module`."""
    chosen = chosen_checks(only, without)
    subject, said = prepared(function, inputs)
    if subject is None:
        return Report(named(function), [said] if said else [])
    report = Report(subject.name, [said] if said else [])
    for check in chosen:
        found = list(check(subject))
        report.findings.extend(found)
        if not any(finding.level in ("wrong", "not run", "unsupported") for finding in found):
            report.passed.append(check.name)
    return report


@torch.enable_grad()
def check_model(model: nn.Module, *inputs: Any, without: Collection[str] = ()) -> Report:
    """Examines the layer of a model whose gradient is the first to be wrong in the backward pass.

    The model is called once, each of its layers gets what it got then, and at last the model as a
    whole is compared along one direction of all its parameters and inputs.

    Args:
        model: Any; layers are its modules without modules in them.
        inputs: Its arguments, see :func:`check_module`.
        without: Names of checks to leave out.

    Returns:
        The report of that layer, or one that says how many were right, and what could not be
        compared.
    """
    report = check_layers(model, *inputs, without=without)
    if report.ok and report.passed:
        report.findings.extend(_of_the_whole(model, inputs))
    return report


def _of_the_whole(model: nn.Module, inputs: tuple[Any, ...]) -> Iterator[Finding]:
    subject, said = prepared(model, inputs)
    try:
        if subject is None:
            raise NotRun(said.text if said else "it cannot be examined")
        if not is_right_as_a_whole(subject):
            text = (
                "the gradients of the whole model are wrong, and those of its layers are right: it "
                "is a function between them, or a module with others in it"
            )
            yield Finding("first-order", "wrong", text)
    except Exception as error:
        yield Finding("first-order", "not run", f"the whole model: {error}")


@torch.enable_grad()
def check_layers(model: nn.Module, *inputs: Any, without: Collection[str] = ()) -> Report:
    """Examines the layers of a model, as :func:`check_model` does, and not the whole."""
    report = Report(type(model).__name__)
    try:
        calls = calls_of_layers(model, inputs)
    except Exception as error:
        text = f"the model raises {first_line(error)}"
        report.findings.append(Finding("forward", "wrong", text))
        return report
    right = 0
    for name, layer, given, by_name in reversed(calls):
        subject, said = prepared(layer, given)
        try:
            if by_name:
                raise NotRun(f"it was called with {', '.join(by_name)} by name alone")
            if subject is None:
                raise NotRun(said.text if said else "it cannot be examined")
            found = [f for f in along_directions(subject) if f.level == "wrong"]
            whole = check_module(layer, *given, without=without) if found else None
            if whole and not whole.ok:
                return Report(f"{name} ({whole.name})", whole.findings, whole.passed)
            if found:
                raise NotRun("slopes differ, and the full comparison finds nothing wrong")
            right += 1
        except Exception as error:
            text = f"{name} ({type(layer).__name__}): {error}"
            report.findings.append(Finding("first-order", "not run", text))
    if right:
        report.passed.append(f"slopes of {right} of {len(calls)} calls of layers")
    elif not calls:
        text = "no layer was called: is the model compiled, or are there no modules in it?"
        report.findings.append(Finding("first-order", "not run", text))
    return report


def calls_of_layers(
    model: nn.Module, inputs: tuple[Any, ...]
) -> list[tuple[str, nn.Module, tuple[Any, ...], dict[str, Any]]]:
    """Calls a model, and returns its layers with their arguments, in the order of their calls.

    As far as they can, keyword arguments stand in their places among the others.
    """
    calls: list[tuple[str, nn.Module, tuple[Any, ...], dict[str, Any]]] = []
    hooks = []
    for name, layer in model.named_modules():
        if next(layer.children(), None) is None:

            def note(
                layer: nn.Module, given: tuple[Any, ...], named: dict[str, Any], name: str = name
            ) -> None:
                bound = inspect.signature(layer.forward).bind(*given, **named)
                bound.apply_defaults()
                copied = mapped(lambda _, t: t.detach().clone(), bound.args)
                calls.append((name, layer, copied, bound.kwargs))

            hooks.append(layer.register_forward_pre_hook(note, with_kwargs=True))
    try:
        with Subject(model, inputs).unchanged():
            model(*mapped(lambda _, tensor: tensor.clone(), inputs))
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def chosen_checks(only: Collection[str], without: Collection[str]) -> list[Check]:
    """Returns the checks to run.

    Raises:
        ValueError: If there is no check of such a name.
    """
    for name in (*only, *without):
        if name not in CHECKS:
            raise ValueError(f"there is no check {name!r}; there are {', '.join(CHECKS)}")
    names = only or [name for name, check in CHECKS.items() if not check.costly]
    return [check for name, check in CHECKS.items() if name in names and name not in without]


def prepared(
    function: Callable[..., Any], inputs: tuple[Any, ...]
) -> tuple[Subject | None, Finding | None]:
    """Returns a copy to examine, in float64 where that is possible, and what is to be said of it.

    Of inputs that need not have a gradient, as targets, the last ones are given none if it does
    not take them otherwise. There is no copy of what cannot be examined.
    """
    choices = list(_differentiated(inputs))
    for needed in (_works_beside, lambda subject: True):
        for number, given in enumerate(choices):
            subject, obstacle = _subject(function, given)
            if subject is None:
                continue
            if needed(subject):
                return _in_double(subject), _dropped(subject, choices[0]) if number else None
    return None, obstacle


def _dropped(subject: Subject, inputs: tuple[Any, ...]) -> Finding:
    """Says by which inputs it is not differentiated."""
    names = argument_names(subject.function, len(inputs))
    pairs = zip(inputs, names, strict=True)
    floating = [n for value, name in pairs for n, t in tensors_in(value, name) if is_floating(t)]
    left = ", ".join(name for name in floating if name not in subject.variables)
    text = f"not differentiated by {left}: the forward pass does not take that, or no other value"
    return Finding("forward", "advice", text)


def _differentiated(inputs: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield inputs
    floating = [t for _, t in tensors_in(inputs) if is_floating(t)]
    if not any(t.requires_grad for t in floating):
        for count in range(len(floating) - 1, 0, -1):
            chosen = {id(t) for t in floating[:count]}

            def marked(_: str, tensor: Tensor, chosen: set[int] = chosen) -> Tensor:
                return tensor.detach().clone().requires_grad_() if id(tensor) in chosen else tensor

            yield mapped(marked, inputs)


def _copied(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        return copy.deepcopy(function)
    except Exception:  # a tensor of a graph among its attributes
        return function


def _in_double(subject: Subject) -> Subject:
    if not any(variable.dtype in WIDE for variable in subject.variables.values()):
        return subject
    try:
        wide = converted(subject, WIDE)
        return wide if not _obstacle(wide) and wide.is_double else subject
    except Exception:  # it cannot be copied
        return subject


def _subject(
    function: Callable[..., Any], inputs: tuple[Any, ...]
) -> tuple[Subject | None, Finding | None]:
    """Returns what there is to examine, or why there is nothing."""
    try:
        subject = Subject(_copied(function), inputs)
        obstacle = _obstacle(subject)
    except Exception as error:
        text = f"the forward pass raises {first_line(error)}"
        return None, Finding("forward", "wrong", text)
    return (None, obstacle) if obstacle else (subject, None)


def _obstacle(subject: Subject) -> Finding | None:
    """Why there is nothing to examine, if so; raises what the forward pass raises."""
    if any(tensor.is_meta for tensor in subject.variables.values()):
        return Finding("forward", "wrong", "it is on the meta device: there are no numbers in it")
    outputs = subject()
    if not outputs:
        return Finding("forward", "wrong", "it returns no floating tensor")
    if not any(output.requires_grad for output in outputs):
        text = "no output depends on an input or a parameter in a way that autograd follows"
        return Finding("forward", "wrong", text)
    return None


def _works_beside(subject: Subject) -> bool:
    at = subject.values()
    try:
        for step in (BESIDE, -BESIDE):
            subject.set({name: values + step for name, values in at.items()})
            subject()
    except Exception:
        return False
    finally:
        subject.set(at)
    return True
