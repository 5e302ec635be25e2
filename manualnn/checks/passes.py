"""One forward and backward pass of a subject, step by step, and how two of them compare."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from manualnn.checks.graph import graph_nodes
from manualnn.checks.registry import NotRun
from manualnn.checks.report import first_line
from manualnn.checks.subject import (
    SEED,
    Subject,
    argument_names,
    is_floating,
    mapped,
    random_like,
    seed_everywhere,
    tensors_in,
)

Tensors = dict[str, Tensor]
Arrange = Callable[[Tensor], Tensor]

GROSS = 1 / 3  # of the digits have to agree: ill conduct is never as fine as rounding
FINE = 2 / 3
ROUNDING = 1e3  # times the rounding of what a difference is made of


class NothingToDifferentiate(NotRun):
    """Raised where no output depends on a variable."""


class ForwardRaises(NotRun):
    """Raised where the forward pass raises; the message says what."""


class BackwardRaises(NotRun):
    """Raised where the backward pass raises; the message says what."""


@contextmanager
def unless_it_raises(what: str) -> Iterator[None]:
    """Turns an error into a :class:`NotRun` that says what raised it."""
    try:
        yield
    except Exception as error:
        raise NotRun(f"{what} raises {first_line(error)}") from error


class Pass:
    """A forward pass, its graph still there.

    Attributes:
        given: The tensors of the arguments, by name: copies, the subject's variables behind them.
        sources: What these came from, before the call.
        values: The floating tensors of the output, by name.
        outputs: Those of them that depend on a variable.
        variables: Those of the subject that are not frozen.
    """

    def __init__(self, subject: Subject, arrange: Arrange = torch.clone) -> None:
        """Calls the subject.

        Args:
            subject: What to call.
            arrange: Makes the tensor that is handed to it from each tensor of its inputs.

        Raises:
            ForwardRaises: If the subject does.
        """
        inputs = mapped(lambda _, tensor: arrange(tensor), subject.inputs)
        self.given = named_tensors(subject, inputs)
        self.sources = {name: t.grad_fn for name, t in self.given.items()}
        try:
            returned = subject.function(*inputs)
        except Exception as error:
            raise ForwardRaises(f"the forward pass raises {first_line(error)}") from error
        self.values = {n: t for n, t in tensors_in(returned, "output") if is_floating(t)}
        self.outputs = {name: t for name, t in self.values.items() if t.requires_grad}
        self.variables = {n: v for n, v in subject.variables.items() if v.requires_grad}

    def gradients(self, cotangents: Mapping[str, Tensor], again: bool = False) -> Tensors:
        """Returns the gradients of the variables, zero where there is none.

        Args:
            cotangents: By the names of some or all outputs.
            again: Keep the graph for another backward pass.

        Raises:
            BackwardRaises: If the backward pass does.
        """
        try:
            found = torch.autograd.grad(
                [self.outputs[name] for name in cotangents],
                list(self.variables.values()),
                list(cotangents.values()),
                retain_graph=again,
                materialize_grads=True,
            )
        except Exception as error:
            raise BackwardRaises(f"the backward pass raises {first_line(error)}") from error
        return dict(zip(self.variables, found, strict=True))


@contextmanager
def forward(subject: Subject, arrange: Arrange = torch.clone) -> Iterator[Pass]:
    """Runs a forward pass; buffers and random numbers are put back when all is done with it.

    Args:
        subject: What to call.
        arrange: As in :class:`Pass`.

    Raises:
        ForwardRaises: If the subject does.
    """
    with subject.unchanged():
        yield Pass(subject, arrange)


def written_inputs(subject: Subject, passed: Pass) -> dict[str, float]:
    """Returns how far off those inputs are afterwards that the forward pass has written to."""
    before = named_tensors(subject, subject.inputs)
    changes = {name: distance(t, before[name]) for name, t in passed.given.items()}
    return {n: change for n, change in changes.items() if change or passed.given[n]._version}


def own_nodes(passed: Pass) -> list[Any]:
    """Returns the nodes of the graph that are somebody's Function.

    Raises:
        NotRun: If there is none.
    """
    nodes = dict.fromkeys(node for y in passed.outputs.values() for node in graph_nodes(y))
    own = [node for node in nodes if hasattr(node, "_forward_cls")]
    if not own:
        raise NotRun("there is no torch.autograd.Function in the graph")
    return own


@dataclass(frozen=True)
class Result:
    """What both passes give.

    Attributes:
        given: The tensors of the arguments, as the forward pass left them.
        values: The floating outputs.
        cotangents: Random ones.
        handed: These as they are after the backward pass.
        gradients: What it returned.
    """

    given: Tensors
    values: Tensors
    cotangents: Tensors
    handed: Tensors
    gradients: Tensors

    @property
    def written_cotangents(self) -> dict[str, float]:
        """How far off those cotangents are afterwards that the backward pass has written to."""
        changes = {name: distance(t, self.cotangents[name]) for name, t in self.handed.items()}
        return {n: change for n, change in changes.items() if change or self.handed[n]._version}

    def trouble(self, backward: Callable[[], Tensors]) -> str:
        """Says that another backward pass raises, or which gradients differ; "" for neither."""
        try:
            return self.compared(backward())
        except (ForwardRaises, BackwardRaises) as error:
            return str(error)

    def compared_values(self, values: Tensors) -> str:
        """Says which outputs differ from these; "" for none."""
        floating = {name: t for name, t in self.given.items() if is_floating(t)}
        rounding = ROUNDING * epsilon(self.values) * size(floating)
        return differences(values, self.values, max(tolerance(self.values), rounding))

    def compared(self, gradients: Tensors) -> str:
        """Says which gradients differ from these; "" for none.

        The tolerance is the same for all of them, however small: that of a bias before a
        normalisation is nothing but the rounding of larger ones.
        """
        rounding = ROUNDING * epsilon(self.gradients) * size(self.cotangents)
        off = differences(gradients, self.gradients, max(tolerance(self.gradients), rounding))
        return f"the gradient of {off}" if off else ""


def both_passes(
    subject: Subject, arrange: Arrange = torch.clone, cotangent: Arrange = torch.clone
) -> Result:
    """Runs both passes.

    Args:
        subject: What to call.
        arrange: As in :class:`Pass`.
        cotangent: Makes what is handed to the backward pass from each of the random cotangents.

    Raises:
        NothingToDifferentiate: If no output depends on a variable.
        ForwardRaises: If the forward pass raises.
        BackwardRaises: If the backward pass raises.
    """
    with forward(subject, arrange) as passed:
        if not (passed.outputs and passed.variables):
            raise NothingToDifferentiate("no output depends on a variable")
        values, cotangents = copies(passed.values), random_tensors_like(passed.outputs)
        handed = {name: cotangent(t) for name, t in cotangents.items()}
        gradients = passed.gradients(handed)
        return Result(copies(passed.given), values, cotangents, handed, gradients)


def baseline(subject: Subject) -> Result:
    """Runs both passes as they are meant to be run, by which all else is judged.

    Raises:
        NotRun: If they raise, if there is nothing to differentiate, or if equal calls differ.
    """
    first, second = both_passes(subject), both_passes(subject)
    if first.compared_values(second.values) or first.compared(second.gradients):
        raise NotRun("equal calls differ: see state-in-forward and nondeterminism")
    return first


def is_random(subject: Subject) -> bool:
    """Whether the output depends on random numbers."""
    with forward(subject) as passed:
        values = copies(passed.values)
    with subject.unchanged():
        seed_everywhere(SEED + 1)
        return bool(differences(Pass(subject).values, values, tolerance(values, FINE)))


def named_tensors(subject: Subject, inputs: tuple[Any, ...]) -> Tensors:
    """Returns the tensors of a call's arguments, named as those of the function."""
    names = argument_names(subject.function, len(inputs))
    pairs = zip(inputs, names, strict=True)
    return {n: t for value, name in pairs for n, t in tensors_in(value, name)}


def random_tensors_like(outputs: Mapping[str, Tensor]) -> Tensors:
    """Returns random, contiguous tensors of these names, the same each time."""
    return dict(zip(outputs, random_like(list(outputs.values())), strict=True))


def copies(tensors: Mapping[str, Tensor]) -> Tensors:
    """Returns tensors that nobody else can change."""
    return {name: t.detach().clone() for name, t in tensors.items()}


def differences(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], allowed: float) -> str:
    """Says which tensors differ and by how much; "" where none does.

    Args:
        found: By name; what is missing counts as equal.
        expected: By name.
        allowed: The largest difference that means nothing.
    """
    errors = {name: distance(t, expected[name]) for name, t in found.items()}
    return ", ".join(
        f"{name} is {_off(error, size({name: expected[name]}))}"
        for name, error in errors.items()
        if error > allowed
    )


def distance(found: Tensor, expected: Tensor) -> float:
    """Returns the largest difference; nan and inf equal themselves, and are far from all else."""
    if found.shape != expected.shape:
        return math.inf
    found, expected = found.detach().to_dense(), expected.detach().to_dense()
    same = (found == expected) | (found.isnan() & expected.isnan())
    if same.all():
        return 0.0
    apart = (found - expected).abs().masked_fill(same, 0)
    return apart.nan_to_num(math.inf, math.inf).max().item()


def _off(error: float, right: float) -> str:
    if math.isinf(error):
        return "not finite, or of another shape"
    return f"{error / right:.2g} of its size off" if right else f"{error:.2g} instead of 0"


def tolerance(tensors: Mapping[str, Tensor], digits: float = GROSS) -> float:
    """Returns how far apart numbers of this size and precision may be."""
    return size(tensors) * epsilon(tensors) ** digits


def size(tensors: Mapping[str, Tensor]) -> float:
    """Returns the largest finite number."""
    finite = [t.detach().to_dense().abs().nan_to_num(0, 0, 0) for t in tensors.values()]
    return max((t.max().item() for t in finite if t.numel()), default=0.0)


def epsilon(tensors: Mapping[str, Tensor]) -> float:
    """Returns the relative rounding of the least precise."""
    return max((torch.finfo(t.dtype).eps for t in tensors.values()), default=0.0)
