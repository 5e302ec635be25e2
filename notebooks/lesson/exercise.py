"""Exercises: the reader writes a backward pass, and the gradient doctor grades it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from manualnn.checks import Report, backward_operations, check_function

Forward = Callable[..., Tensor]
Backward = Callable[..., Any]


@dataclass(frozen=True)
class Grade:
    """What became of an exercise.

    Attributes:
        title: Of the exercise.
        ok: Whether the backward pass is the derivative, and written by hand.
        remarks: What the doctor found, a line each.
        hint: The exercise's own hint; "" where none is needed.
    """

    title: str
    ok: bool
    remarks: tuple[str, ...]
    hint: str = ""

    def _repr_markdown_(self) -> str:
        verdict = "&#10003; right" if self.ok else "&#10007; not yet"
        lines = [f"**Exercise {self.title}: {verdict}.**", "", *(f"- {r}" for r in self.remarks)]
        return "\n".join([*lines, "", f"*Hint:* {self.hint}"] if self.hint else lines)

    def __str__(self) -> str:
        verdict = "right" if self.ok else "not yet"
        lines = [f"Exercise {self.title}: {verdict}.", *(f"  {r}" for r in self.remarks)]
        return "\n".join([*lines, f"  Hint: {self.hint}"] if self.hint else lines)


@dataclass(frozen=True)
class Exercise:
    """A function whose backward pass the reader writes.

    Attributes:
        title: Its number and name, such as ``2.1 The mean squared error``.
        forward: The function of the variables and then the constants, all positional.
        variables: An example: float64 tensors of an odd size along each axis, by which the doctor
            knows a sum from a mean and one axis from another. Each is asked the gradient of.
        constants: Numbers, or tensors without a gradient.
        hint: A question or a thought that helps along, without the formula.
    """

    title: str
    forward: Forward
    variables: tuple[Tensor, ...]
    hint: str
    constants: tuple[Any, ...] = ()

    def grade(self, backward: Backward) -> Grade:
        """Holds a backward pass against central differences of the forward pass (Eq. 21).

        Args:
            backward: Of the cotangent, dL/dY, the variables, and the constants; returns the
                gradient of each variable, a tuple if there are several.
        """
        layer = self._layer(backward)
        report = check_function(layer, *self.variables, only=["first-order"])
        if not report.ok:
            return Grade(self.title, False, tuple(_remarks(report)), self.hint)
        if by_torch := self._left_to_torch(layer):
            remark = f"The numbers are right, but torch derived them ({', '.join(by_torch)})."
            return Grade(self.title, False, (remark,), "Write the formula with your own hands.")
        names = ", ".join(self._names())
        remark = f"The gradient of {names} agrees with central differences, to eight digits."
        return Grade(self.title, True, (remark,))

    def _names(self) -> list[str]:
        return [*inspect.signature(self.forward).parameters][: len(self.variables)]

    def _layer(self, backward: Backward) -> Forward:
        """A function with the reader's backward pass, whose arguments bear their names."""
        forward, constants, names = self.forward, self.constants, self._names()

        class Written(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *variables: Tensor) -> Tensor:
                ctx.save_for_backward(*variables)
                return forward(*variables, *constants)

            @staticmethod
            def backward(ctx: Any, delta: Tensor) -> tuple[Tensor, ...]:
                returned = backward(delta, *ctx.saved_tensors, *constants)
                return _fitting(returned, dict(zip(names, ctx.saved_tensors, strict=True)))

        def layer(*variables: Tensor) -> Tensor:
            return Written.apply(*variables)

        parameters = inspect.signature(forward).parameters
        chosen = [parameters[name] for name in names]
        layer.__signature__ = inspect.Signature(chosen)  # type: ignore[attr-defined]
        return layer

    def _left_to_torch(self, layer: Forward) -> Sequence[str]:
        """The operations of torch's autograd that the backward pass called."""
        variables = [variable.clone().requires_grad_() for variable in self.variables]
        called = backward_operations(layer(*variables), variables)
        return sorted(n for n in called if "backward" in n or n.startswith("torch."))


def _fitting(returned: Any, variables: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """What was returned, as a tuple, if each is like its variable; torch would sum it to fit."""
    gradients = returned if isinstance(returned, tuple) else (returned,)
    if len(gradients) != len(variables):
        expected = f"{len(variables)} gradients ({', '.join(variables)})"
        raise ValueError(f"{expected} are asked for, and {len(gradients)} came")
    for gradient, (name, variable) in zip(gradients, variables.items(), strict=True):
        if not isinstance(gradient, Tensor):
            raise TypeError(f"the gradient of {name} is {gradient!r}, and has to be a tensor")
        if gradient.shape != variable.shape:
            shapes = f"has the shape {tuple(gradient.shape)}, and {name} {tuple(variable.shape)}"
            raise ValueError(f"the gradient of {name} {shapes}")
    return gradients


def _remarks(report: Report) -> list[str]:
    """The doctor's findings, a line each."""
    causes = {finding.diagnosis and finding.diagnosis.cause for finding in report.findings}
    if causes == {"no-gradient"}:
        return ["Nothing but zeros is returned yet."]
    remarks = []
    for finding in report.findings:
        said = [finding.text]
        if finding.diagnosis:
            said += [finding.diagnosis.evidence, finding.diagnosis.guess]
        remarks.append(" ".join(part.rstrip(".") + "." for part in said if part))
    return remarks
