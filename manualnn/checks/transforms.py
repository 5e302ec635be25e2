"""Conduct under what torch does to a layer: transforms, compilation, copies, autocast."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from pickle import dumps, loads
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call

from manualnn.checks.passes import (
    GROSS,
    BackwardRaises,
    ForwardRaises,
    Result,
    Tensors,
    baseline,
    both_passes,
    copies,
    distance,
    epsilon,
    forward,
    is_random,
    random_tensors_like,
    unless_it_raises,
)
from manualnn.checks.registry import NotRun, check, costly_check, unsupported, wrong
from manualnn.checks.report import Finding, first_line
from manualnn.checks.second_order import second_gradients, weights
from manualnn.checks.subject import Subject, converted, is_floating, mapped, tensors_in

ROUGH = 1 / 2  # of the largest gradient: near a kink, bfloat16 may lie beyond it


@check
def vmap(subject: Subject) -> Iterator[Finding]:
    """Under torch.func.vmap, over a new axis of all inputs, it gives what a loop gives."""

    def loop(*inputs: Any) -> list[Tensor]:
        turned = mapped(lambda _, tensor: _turned(tensor), inputs)
        results = []
        for sample in (inputs, turned):
            with subject.unchanged():
                results.append(_floating(subject.function(*sample)))
        return [torch.stack(pair) for pair in zip(*results, strict=True)]

    def vectorised(*inputs: Any) -> list[Tensor]:
        def of_tensors(tensors: list[Tensor]) -> list[Tensor]:
            remaining = iter(tensors)
            return _floating(subject.function(*mapped(lambda *_: next(remaining), inputs)))

        batch = [torch.stack([t, _turned(t)]) for _, t in tensors_in(inputs)]
        return torch.func.vmap(of_tensors, randomness="same")(batch)

    baseline(subject)
    if not list(tensors_in(subject.inputs)):
        raise NotRun("no input is a tensor")
    expected = both_passes(_with_function(subject, loop))
    yield from _compared("torch.func.vmap", _with_function(subject, vectorised), expected)


def _turned(tensor: Tensor) -> Tensor:
    return tensor.flip(tuple(range(tensor.dim())))


def _floating(output: Any) -> list[Tensor]:
    return [t for _, t in tensors_in(output) if is_floating(t)]


@check
def func_grad(subject: Subject) -> Iterator[Finding]:
    """The gradient by torch.func.grad is that by autograd."""
    right = baseline(subject)
    function = _of_variables(subject)

    def product(variables: Tensors) -> Tensor:
        return _inner(right.cotangents, function(variables))

    try:
        with subject.unchanged():
            found = torch.func.grad(product)(copies(subject.variables))
    except Exception as error:
        yield unsupported(first_line(error))
    else:
        if what := right.compared(found):
            yield _unlike("torch.func.grad", what, subject)


@check
def forward_mode(subject: Subject) -> Iterator[Finding]:
    """The derivative in forward mode is that in reverse mode, or that by central differences."""
    if subject.changes_parameters():
        raise NotRun("the forward pass changes the parameters: it is no function of them")
    right = baseline(subject)
    function, point = _of_variables(subject), copies(subject.variables)
    tangents = random_tensors_like(point)
    refused = []
    for push in (_by_dual_numbers, _by_torch_func):
        try:
            with subject.unchanged():
                pushed = push(function, point, tangents)
        except Exception as error:
            refused.append(first_line(error))
            continue
        yield from _unlike_reverse_mode(subject, right, pushed, tangents)
    yield from map(unsupported, refused[:1])


def _by_torch_func(
    function: Callable[[Tensors], Tensors], point: Tensors, tangents: Tensors
) -> Tensors:
    pushed: Tensors = torch.func.jvp(function, (point,), (tangents,))[1]
    return pushed


def _by_dual_numbers(
    function: Callable[[Tensors], Tensors], point: Tensors, tangents: Tensors
) -> Tensors:
    """As torch's own forward mode, in which a layer that works in place does so."""
    with forward_ad.dual_level():
        dual = {name: forward_ad.make_dual(t, tangents[name]) for name, t in point.items()}
        outputs = {name: forward_ad.unpack_dual(y) for name, y in function(dual).items()}
        return {
            name: torch.zeros_like(y.primal) if y.tangent is None else y.tangent.clone()
            for name, y in outputs.items()
        }


def _unlike_reverse_mode(
    subject: Subject, right: Result, pushed: Tensors, tangents: Tensors
) -> Iterator[Finding]:
    found = _inner(right.cotangents, pushed)
    reverse = _inner(right.gradients, tangents)
    allowed = epsilon(tangents) ** GROSS * (_norm(right.cotangents) * _norm(pushed))
    if distance(found, reverse) <= allowed:
        return
    central = _central_difference(subject, copies(subject.variables), tangents)
    along = _inner(right.cotangents, central)
    if distance(found, along) <= allowed:
        return
    _unless_it_is_random(subject)
    yield wrong(
        f"forward mode gives {found:.4g} along a random direction",
        "forward-mode",
        f"reverse mode gives {reverse:.4g}, central differences give {along:.4g}",
        "jvp is not the derivative of forward." if found else "It is silently zero.",
    )


@check
def forward_over_reverse(subject: Subject) -> Iterator[Finding]:
    """The derivative of the gradients in forward mode is that in reverse mode."""
    right = baseline(subject)
    if subject.changes_parameters():
        raise NotRun("the forward pass changes the parameters: it is no function of them")
    with unless_it_raises("the second order"):
        leaves = [v.requires_grad_() for v in copies(right.cotangents).values()]
        second = second_gradients(subject, leaves)
    function, point = _of_variables(subject), copies(subject.variables)
    tangents = random_tensors_like(point)
    of_cotangents = random_tensors_like(right.cotangents)

    def gradients(variables: Tensors, cotangents: Tensors) -> Tensors:
        outputs, pull_back = torch.func.vjp(function, variables)[:2]
        constant = {n: torch.zeros_like(y) for n, y in outputs.items() if n not in cotangents}
        (found,) = pull_back(cotangents | constant)
        return found

    try:
        with subject.unchanged():
            given = point, copies(right.cotangents)
            pushed = torch.func.jvp(gradients, given, (tangents, of_cotangents))[1]
    except Exception as error:
        yield unsupported(first_line(error))
        return
    forward_mode = _inner(weights(subject), pushed)
    numbered = {f"cotangent {k + 1}": v for k, v in enumerate(of_cotangents.values())}
    reverse = _inner(second, tangents | numbered)
    allowed = epsilon(point) ** GROSS * (1 + _norm(pushed) + _norm(second))
    if not distance(forward_mode, reverse) <= allowed:
        _unless_it_is_random(subject)
        yield wrong(
            f"the derivative of the gradients is {forward_mode:.4g} in forward mode",
            "forward-mode",
            f"in reverse mode it is {reverse:.4g}",
            "A jvp of what the backward pass calls is not its derivative.",
        )


@costly_check
def compile(subject: Subject) -> Iterator[Finding]:
    """Compiled by torch.compile (aot_eager), it gives what it gives uncompiled."""
    right = baseline(subject)
    torch.compiler.reset()
    try:
        compiled = torch.compile(subject.function, backend="aot_eager")
        yield from _compared("torch.compile", _with_function(subject, compiled), right)
    finally:
        torch.compiler.reset()


@check
def deepcopy(subject: Subject) -> Iterator[Finding]:
    """A copy.deepcopy of the module gives what the module gives."""
    return _copied("copy.deepcopy", copy.deepcopy, subject)


@check
def pickle(subject: Subject) -> Iterator[Finding]:
    """The module, pickled and read again, gives what it gave."""
    return _copied("pickle", lambda module: loads(dumps(module)), subject)


def _copied(
    what: str, copied: Callable[[nn.Module], nn.Module], subject: Subject
) -> Iterator[Finding]:
    right = baseline(subject)
    if subject.module is None:
        raise NotRun("it is not a module")
    try:
        with subject.unchanged():
            other = Subject(copied(subject.module), subject.inputs)
    except Exception as error:
        yield unsupported(first_line(error))
    else:
        yield from _compared(what, other, right)


@check
def autocast(subject: Subject) -> Iterator[Finding]:
    """Under torch.autocast, in bfloat16, gradients are finite and near those in float32."""
    baseline(subject)
    with unless_it_raises("copy.deepcopy"):
        single = converted(subject, {torch.float64: torch.float32})
    right = both_passes(single)
    device = next(iter(single.variables.values())).device.type

    def mixed(*inputs: Any) -> Any:
        with torch.autocast(device, torch.bfloat16):
            return single.function(*inputs)

    try:
        with forward(_with_function(single, mixed)) as passed:
            cotangents = {n: right.cotangents[n].to(y.dtype) for n, y in passed.outputs.items()}
            found = passed.gradients(cotangents)
    except (ForwardRaises, BackwardRaises) as error:
        yield unsupported(str(error))
    else:
        yield from _far_off(single, found, right.gradients)


def _far_off(subject: Subject, found: Tensors, expected: Tensors) -> Iterator[Finding]:
    norms = [t.norm().item() for t in expected.values()]
    if not all(map(math.isfinite, norms)):
        raise NotRun("gradients in float32 are not finite")
    for name, gradient in found.items():
        off = (gradient - expected[name]).norm().item()
        if not off <= ROUGH * max(norms):
            _unless_it_is_random(subject)
            yield wrong(
                f"autocast: the gradient of {name} is {off / max(norms):.2g} of the largest off",
                "autocast",
                "in float32 it is right",
                "torch.amp.custom_fwd and custom_bwd say in which dtype a Function computes.",
            )


def _compared(what: str, other: Subject, expected: Result) -> Iterator[Finding]:
    """Whether another subject gives the same; that it raises is no error."""
    try:
        found = both_passes(other)
    except (ForwardRaises, BackwardRaises) as error:
        yield unsupported(str(error))
        return
    output, gradient = expected.compared_values(found.values), expected.compared(found.gradients)
    for off in filter(None, (output, gradient)):
        yield _unlike(what, off, other)


def _unlike(what: str, off: str, subject: Subject) -> Finding:
    _unless_it_is_random(subject)
    return wrong(f"{what}: {off}", what, "a plain call gives what is right")


def _unless_it_is_random(subject: Subject) -> None:
    if is_random(subject):
        raise NotRun("it is random, and draws other numbers here")


def _with_function(subject: Subject, function: Callable[..., Any]) -> Subject:
    """The same inputs, variables and state, and another function of them."""
    other = copy.copy(subject)
    other.function = function
    return other


def _of_variables(subject: Subject) -> Callable[[Tensors], Tensors]:
    """The subject as a function of its variables, which returns its floating outputs."""
    names = {leaf: name for name, leaf in subject.variables.items()}

    def function(variables: Tensors) -> Tensors:
        inputs = mapped(
            lambda _, t: (variables[names[t]] if t in names else t).clone(), subject.inputs
        )
        if subject.module is None:
            output = subject.function(*inputs)
        else:
            weights = {n: v for n, v in variables.items() if n in subject.parameters}
            buffers = {n: buffer.clone() for n, buffer in subject.module.named_buffers()}
            output = functional_call(subject.module, weights | buffers, inputs)
        return {name: t for name, t in tensors_in(output, "output") if is_floating(t)}

    return function


@torch.no_grad()
def _central_difference(subject: Subject, point: Tensors, tangents: Tensors) -> Tensors:
    step = epsilon(point) ** (1 / 3)

    def moved(by: float) -> Tensors:
        with subject.unchanged(), unless_it_raises("a forward pass nearby"):
            return _of_variables(subject)({n: t + by * tangents[n] for n, t in point.items()})

    ahead, behind = moved(step), moved(-step)
    return {name: (ahead[name] - behind[name]) / (2 * step) for name in ahead}


def _inner(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Tensor:
    """The real inner product of the tensors in the first, with those of their names."""
    return torch.stack([(t.conj() * other[name]).real.sum() for name, t in one.items()]).sum()


def _norm(tensors: Mapping[str, Tensor]) -> float:
    return math.hypot(*(t.nan_to_num(0, 0, 0).norm().item() for t in tensors.values()))
