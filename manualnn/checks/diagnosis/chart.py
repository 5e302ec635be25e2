"""What is known of one wrong gradient, and what a guess about it has to fulfil."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from manualnn.checks.subject import Subject, as_real

TOLERANCE = 1e-6  # relative


@dataclass(frozen=True)
class Chart:
    """One variable's derivative: what it is, and what the backward pass makes of it.

    Both maps are matrices (variable.numel(), outputs.numel()): column o is the gradient for a
    cotangent that is 1 at output o and 0 elsewhere. Complex numbers are two real ones, along a
    last axis.

    Attributes:
        subject: What is examined.
        name: Of the variable.
        truth: Its Jacobian, transposed, by differences.
        returned: What the backward pass returns.
        shape: Of the variable.
        output: The output; if there are several, all their numbers one after the other.
        spans: From which of them to which each output goes.
        truths: The Jacobians of all variables, by name.
        tensors: What a formula could be made of, by name: inputs, parameters, buffers, output,
            saved tensors.
    """

    subject: Subject
    name: str
    truth: Tensor
    returned: Tensor
    shape: torch.Size
    output: Tensor
    spans: list[tuple[int, int]]
    truths: dict[str, Tensor]
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def variable(self) -> Tensor:
        """Its values."""
        return as_real(self.subject.variables[self.name].detach()).cpu()

    @property
    def is_complex(self) -> bool:
        """Whether there are complex numbers in it."""
        return any(t.is_complex() for t in (self.subject.variables[self.name], *self.subject()))

    @property
    def is_parameter(self) -> bool:
        """Whether it is a parameter, over whose uses a gradient sums, and no input."""
        return self.name in self.subject.parameters

    @property
    def is_elementwise(self) -> bool:
        """Whether each output depends on the one element in its place alone."""
        if self.shape != self.output.shape:
            return False
        return bool((self.truth == 0)[~torch.eye(len(self.truth), dtype=torch.bool)].all())

    @property
    def batch(self) -> int:
        """Rows of the batch: the size of the first axis of the output, or of the input."""
        tensor = self.output if self.output.ndim else self.variable
        return tensor.shape[0] if tensor.ndim else 1

    def unfolded(self, matrix: Tensor) -> Tensor:
        """A matrix with the axes of the variable and then those of the output."""
        return matrix.view(*self.shape, *self.output.shape)

    def seen(self, matrix: Tensor) -> bool:
        """Whether there is anything in a matrix."""
        return bool(matrix.abs().max() > 1e-9) if matrix.numel() else False


@dataclass(frozen=True)
class Guess:
    """A cause that would explain a wrong gradient if two matrices were equal.

    Attributes:
        cause: A word for it.
        evidence: What was seen, in numbers.
        meaning: What it may come from.
        left: One matrix, mostly what was returned, corrected.
        right: The other, mostly the truth.
    """

    cause: str
    evidence: str
    meaning: str
    left: Tensor
    right: Tensor

    @property
    def error(self) -> float:
        """The relative distance of the two."""
        if self.left.shape != self.right.shape or not self.right.numel():
            return torch.inf
        scale = self.right.abs().max().item()
        if not scale > 0:
            return torch.inf
        error = (self.left - self.right).abs().max().item() / scale
        return error if error == error else torch.inf


Guesses = Iterator[Guess]


def axes_text(axes: Sequence[int]) -> str:
    """``axis 1`` or ``axes 0, 2``."""
    return f"ax{'es' if len(axes) > 1 else 'is'} {', '.join(map(str, axes))}"


def number(value: float) -> str:
    """A number as a person would write it."""
    return f"{value:.4g}"
