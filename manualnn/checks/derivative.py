"""The truth: the Jacobian of a subject, by central differences of its outputs alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from manualnn.checks.subject import Subject, as_real, as_vector

Place = tuple[int, ...]

STEPS = (1e-3, 3e-5, 1e-6, 3e-8)  # of the size of the value, or of 1
CONSISTENT = 1e-7  # relative
JUMP = 1e-4  # of a slope, at a kink


@dataclass(frozen=True)
class Jacobian:
    """The derivative of all outputs by one variable; complex numbers are two real ones each.

    Attributes:
        rows: (numbers of the variable, numbers of the outputs), outputs one after the other; nan
            where an output is, beside that point.
        error: (numbers of the variable), how far off it may be.
        smooth: (numbers of the variable), false where there is a kink: no derivative.
    """

    rows: Tensor
    error: Tensor
    smooth: Tensor

    def product(self, cotangent: Tensor, shape: torch.Size) -> Tensor:
        """The true gradient for the cotangents of all outputs, one after the other."""
        return (self.rows.nan_to_num() @ cotangent).view(shape)


@torch.no_grad()
def jacobian(subject: Subject, variable: Tensor) -> Jacobian:
    """Differentiates every output by every element.

        D(h) = (y(x + h) - y(x - h)) / 2h          error O(h^2)
        R(h) = (4 D(h) - D(2h)) / 3                error O(h^4)

    R(h) and R(2h) have to agree; where they do not, a smaller step stays clear of a kink nearby,
    or there is no derivative.
    """
    values = as_real(variable.detach())
    here, places = as_vector(subject()), product(*map(range, values.shape))
    found = [_of_element(subject, values, place, here) for place in places]
    rows = (
        torch.stack([row for row, *_ in found])
        if found
        else torch.zeros(0, len(here), dtype=values.dtype)
    )
    return Jacobian(
        rows,
        torch.tensor([error for _, error, _ in found], dtype=torch.float64),
        torch.tensor([smooth for *_, smooth in found], dtype=torch.bool),
    )


def _of_element(
    subject: Subject, values: Tensor, place: Place, here: Tensor
) -> tuple[Tensor, float, bool]:
    before = values[place].clone()
    best: tuple[Tensor, float, bool] | None = None
    for step in STEPS:
        h = step * max(1.0, abs(before.item()))
        (one, jump), (two, wider), (four, _) = (
            _quotients(subject, values, place, before, here, k * h) for k in (1, 2, 4)
        )
        near, far = (4 * one - two) / 3, (4 * two - four) / 3
        scale = max(1.0, _largest(near))
        rounding = 1e-16 / h * scale
        apart = _largest(near - far)
        error = apart / 15 + rounding
        bent = _largest(jump) > JUMP * scale and _largest(jump) > 0.75 * _largest(wider)
        smooth = apart <= CONSISTENT * scale + 100 * rounding and not bent  # false for nan
        if smooth:
            return near, error, True
        if best is None or not best[1] <= error:  # which may be nan
            best = near, error, False
    assert best is not None
    return best


def _quotients(
    subject: Subject, values: Tensor, place: Place, before: Tensor, here: Tensor, h: float
) -> tuple[Tensor, Tensor]:
    """The central quotient, and how much the one ahead is larger than the one behind."""
    values[place] = before + h
    width = values[place].item()
    ahead = _or_nan(subject, here)
    values[place] = before - h
    width -= values[place].item()
    behind = _or_nan(subject, here)
    values[place] = before
    return (ahead - behind) / width, (ahead - 2 * here + behind) / (width / 2)


def _or_nan(subject: Subject, like: Tensor) -> Tensor:
    """The outputs, or nan where it takes no such values: a smaller step may stay inside."""
    try:
        return as_vector(subject())
    except Exception:
        return torch.full_like(like, torch.nan)


def _largest(values: Tensor) -> float:
    return values.abs().max().item() if values.numel() else 0.0
