"""What a backward pass returns beside what the derivative is: the numbers of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from manualnn.checks.derivative import Jacobian, jacobian
from manualnn.checks.subject import Subject, as_real, as_vector, random_like

TOLERANCE = 1e-8  # of the largest entry, in float64
MOVED = 0.1  # how far a point is moved from a kink, of its size or 1
TRIES = 5
ELEMENTS = 2_000  # of the variables, beyond which directions are compared instead
SECONDS = 2.0  # likewise, of the time that all elements would take
CALLS = 6  # for each element


@dataclass
class Comparison:
    """Both gradients of one variable, for the same random cotangents; complex ones as two real."""

    name: str
    jacobian: Jacobian
    truth: Tensor
    returned: Tensor

    @property
    def off(self) -> Tensor:
        """How far off each element is, where there is a derivative and it is finite."""
        known = self.jacobian.smooth.view(self.truth.shape) & self.returned.isfinite()
        off = (self.returned - self.truth).abs()
        return torch.where(known, off, torch.zeros_like(off))

    @property
    def is_wrong(self) -> bool:
        """Whether it is farther off than rounding explains."""
        scale = self.truth.abs().max().item() if self.truth.numel() else 0.0
        error = self.jacobian.error.view(self.truth.shape)
        allowed = TOLERANCE * max(scale, 1e-3) + 100 * error
        return bool((self.jacobian.smooth.view(error.shape) & ~(self.off <= allowed)).any())


def compare(subject: Subject) -> dict[str, Comparison]:
    """Compares the gradients of all variables for random cotangents."""
    cotangents = random_like(subject())
    returned = subject.returned(cotangents)
    flat = as_vector(cotangents)
    found = {}
    for name, variable in subject.variables.items():
        truth = jacobian(subject, variable)
        gradient = returned[name]
        dense = torch.zeros_like(variable) if gradient is None else gradient.detach().to_dense()
        shape = as_real(variable.detach()).shape
        here = as_vector([dense]).view(shape)
        found[name] = Comparison(name, truth, truth.product(flat, shape), here)
    return found


def is_large(subject: Subject) -> bool:
    """Whether moving every element would take too long, or leave too few digits."""
    if not subject.is_double:
        return True
    if "seconds" not in subject.notes:
        subject.notes["seconds"] = CALLS * subject.elements * subject.seconds()
    return subject.elements > ELEMENTS or subject.notes["seconds"] > SECONDS


@contextmanager
def moved_at_random(subject: Subject) -> Iterator[None]:
    """Moves all elements of the inputs a little, for a while: none lies at a kink, or ties."""
    before = subject.values()
    for name in subject.variables.keys() - subject.parameters.keys():
        _move(subject.variables[name], torch.tensor(True))
    try:
        yield
    finally:
        subject.set(before)


@contextmanager
def away_from_kinks(subject: Subject) -> Iterator[str]:
    """Moves what lies at kinks a little, for a while; says what.

    What was compared is noted, and where.
    """
    before = subject.values()
    if "compared" not in subject.notes:
        subject.notes["compared"] = compare(subject)
    if "moved" not in subject.notes:
        subject.notes["moved"] = _moved(subject), subject.values()
    text, values = subject.notes["moved"]
    subject.set(values)
    try:
        yield text
    finally:
        subject.set(before)


def _moved(subject: Subject) -> str:
    moved: dict[str, int] = {}
    for seed in range(TRIES):
        kinks = {name: ~c.jacobian.smooth for name, c in subject.notes["compared"].items()}
        if not any(mask.any() for mask in kinks.values()):
            break
        for name, mask in kinks.items():
            if mask.any():
                moved[name] = max(moved.get(name, 0), int(mask.sum()))
                _move(subject.variables[name], mask, seed)
        subject.notes["compared"] = compare(subject)
    return " and ".join(f"{count} elements of {name}" for name, count in moved.items())


@torch.no_grad()
def _move(variable: Tensor, mask: Tensor, seed: int = 0) -> None:
    values = as_real(variable.detach())
    (random,) = random_like([values], seed + 2)
    moved = mask.expand(values.numel()).view(values.shape).to(values.device)
    values += MOVED * values.abs().clamp(min=1) * random * moved


def slope(
    function: Callable[[], Tensor], variable: Tensor, direction: Tensor, steps: Sequence[float]
) -> tuple[float, float]:
    """How a number changes along a direction of a variable, and how far off that may be.

    Of several steps, the largest first, the one is taken whose quotient changes least with twice
    the step, and with the next smaller one: where kinks lie in between, both change.
    """
    before = variable.detach().clone()
    epsilon = torch.finfo(variable.dtype).eps

    def quotient(h: float) -> float:
        values = []
        for step in (h, -h):
            with torch.no_grad():
                variable.copy_(before + step * direction)
            values.append(float(function().detach()))
        with torch.no_grad():
            variable.copy_(before)
        return (values[0] - values[1]) / (2 * h)

    found: list[tuple[float, float]] = []
    here = abs(float(function().detach()))
    for h in reversed(steps):
        one, two, four = quotient(h), quotient(2 * h), quotient(4 * h)
        near, far = (4 * one - two) / 3, (4 * two - four) / 3
        rounding = epsilon / h * max(here, h * abs(near))
        jump = max(abs(near - found[-1][0]) - found[-1][1], 0.0) if found else 0.0
        found.append((near, abs(near - far) / 15 + rounding + jump))
    return min(found, key=lambda estimate: estimate[1])
