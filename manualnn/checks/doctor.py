"""The examination of a function, a module, or the layers of a model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator
from typing import Any

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
from manualnn.checks.gradients import along_directions
from manualnn.checks.registry import CHECKS, Check
from manualnn.checks.report import Finding, Report
from manualnn.checks.subject import WIDE, Subject, converted, is_floating, mapped, tensors_in

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
            2,000 numbers in all that can be differentiated by, each is compared and mistakes are
            named; beyond that, slopes along a few directions are compared.
        only: Names of the checks to run; otherwise all but those that take seconds.
        without: Names of checks to leave out.

    Returns:
        What was tried, what failed and by how much, and why.

    Raises:
        ValueError: If there is no check of such a name.
    """
    return check_function(module, *inputs, only=only, without=without)


def check_function(
    function: Callable[..., Any],
    *inputs: Any,
    only: Collection[str] = (),
    without: Collection[str] = (),
) -> Report:
    """Examines a function, such as the ``apply`` of a Function; see :func:`check_module`."""
    chosen = chosen_checks(only, without)
    subject, obstacle = prepared(function, inputs)
    report = Report(subject.name, [obstacle] if obstacle else [])
    for check in chosen if report.ok else ():
        found = list(check(subject))
        report.findings.extend(found)
        if not any(finding.level in ("wrong", "not run", "unsupported") for finding in found):
            report.passed.append(check.name)
    return report


def check_model(model: nn.Module, *inputs: Any, without: Collection[str] = ()) -> Report:
    """Examines the layer of a model whose gradient is the first to be wrong in the backward pass.

    The model is called once, and each of its layers gets what it got then.

    Args:
        model: Any; layers are its modules without modules in them.
        inputs: Its arguments, see :func:`check_module`.
        without: Names of checks to leave out.

    Returns:
        The report of that layer, or one that says that all slopes were right.
    """
    calls = calls_of_layers(model, inputs)
    for name, layer, given in reversed(calls):
        subject, obstacle = prepared(layer, given)
        if not obstacle and any(f.level == "wrong" for f in along_directions(subject)):
            report = check_module(layer, *given, without=without)
            return Report(f"{name} ({report.name})", report.findings, report.passed)
    text = f"the slopes of all {len(calls)} calls of layers are right"
    return Report(type(model).__name__, [Finding("first-order", "advice", text)])


def calls_of_layers(
    model: nn.Module, inputs: tuple[Any, ...]
) -> list[tuple[str, nn.Module, tuple[Any, ...]]]:
    """Calls a model, and returns its layers with their arguments, in the order of their calls."""
    calls: list[tuple[str, nn.Module, tuple[Any, ...]]] = []
    hooks = []
    for name, layer in model.named_modules():
        if not any(layer.children()):

            def note(layer: nn.Module, given: tuple[Any, ...], name: str = name) -> None:
                calls.append((name, layer, mapped(lambda _, t: t.detach().clone(), given)))

            hooks.append(layer.register_forward_pre_hook(note))
    try:
        with Subject(model, inputs).unchanged():
            model(*inputs)
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
) -> tuple[Subject, Finding | None]:
    """Returns a copy to examine, in float64 where that is possible, and what forbids it.

    Of inputs that need not have a gradient, as targets, the last ones are given none if it does
    not take them otherwise.
    """
    for given in _differentiated(inputs):
        subject = Subject(_copied(function), given)
        obstacle = _obstacle(subject)
        if not obstacle:
            return _in_double(subject), None
    return subject, obstacle


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
    except Exception:
        return subject
    return wide if not _obstacle(wide) and wide.is_double else subject


def _obstacle(subject: Subject) -> Finding | None:
    """Why there is nothing to examine, if so."""
    if any(tensor.is_meta for tensor in subject.variables.values()):
        return Finding("forward", "wrong", "it is on the meta device: there are no numbers in it")
    at = subject.values()
    try:
        outputs = subject()
        for step in (BESIDE, -BESIDE):
            subject.set({name: values + step for name, values in at.items()})
            subject()
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        text = f"the forward pass raises {type(error).__name__}: {first}"
        return Finding("forward", "wrong", text)
    finally:
        subject.set(at)
    if not outputs:
        return Finding("forward", "wrong", "it returns no floating tensor")
    if not any(output.requires_grad for output in outputs):
        text = "no output depends on an input or a parameter in a way that autograd follows"
        return Finding("forward", "wrong", text)
    return None
