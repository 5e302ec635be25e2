"""Exercises: the reader writes a backward pass, and the gradient doctor grades it."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from manualnn.checks import Report, backward_operations, check_function

Forward = Callable[..., Tensor]
Backward = Callable[..., Any]
FACTOR = -1.7
NOT_PROPORTIONAL = (
    f"It is not proportional to delta: for {FACTOR} delta it does not return {FACTOR} times as "
    "much. By the chain rule, delta is a factor of every term, once."
)


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
        title: Its number and name, such as ``2.1, the mean squared error``.
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
                gradient of each variable, several of them as a tuple or a list.
        """
        try:
            once, again = self._tried(backward)
        except Exception as error:
            return self._not_yet(_where(error, backward))
        if not any(gradient.any() for gradient in once):
            return self._not_yet("Nothing but zeros is returned yet.")
        pairs = zip(once, again, strict=True)
        if not all(torch.allclose(FACTOR * g, other, equal_nan=True) for g, other in pairs):
            return self._not_yet(NOT_PROPORTIONAL, hint=self.hint)
        layer = self._layer(backward)
        report = check_function(layer, *self.variables, only=["first-order"])
        if not report.ok:
            return self._not_yet(*_remarks(report), hint=self.hint)
        if by_torch := self._left_to_torch(layer):
            remark = f"The numbers are right, but torch derived them ({', '.join(by_torch)})."
            return self._not_yet(remark, hint="Write the formula with your own hands.")
        *others, last = self._names()
        what = f"gradients of {', '.join(others)} and {last}" if others else f"gradient of {last}"
        agree = "agree" if others else "agrees"
        remark = f"The {what} {agree} with central differences, to eight digits."
        return Grade(self.title, True, (remark,))

    def _not_yet(self, *remarks: str, hint: str = "") -> Grade:
        return Grade(self.title, False, remarks, hint)

    def _tried(self, backward: Backward) -> list[tuple[Tensor, ...]]:
        """The gradients for a cotangent, and for FACTOR times as much."""
        variables = [variable.clone() for variable in self.variables]
        delta = torch.randn_like(self.forward(*variables, *self.constants))
        gradients = [
            self._fitting(backward(factor * delta, *variables, *self.constants))
            for factor in (1, FACTOR)
        ]
        if not all(map(torch.equal, variables, self.variables)):
            raise ValueError("it changes its arguments, which others still need")
        return gradients

    def _names(self) -> list[str]:
        return [*inspect.signature(self.forward).parameters][: len(self.variables)]

    def _fitting(self, returned: Any) -> tuple[Tensor, ...]:
        """What was returned, if each is like its variable; torch would sum it up to fit."""
        names = self._names()
        if returned is None:
            raise TypeError("nothing was returned: is a return missing?")
        gradients = (returned,) if isinstance(returned, Tensor) else returned
        if len(gradients) != len(names):
            raise ValueError(
                f"{len(names)} gradients ({', '.join(names)}) are asked for, and {len(gradients)} "
                "came"
            )
        for gradient, name, variable in zip(gradients, names, self.variables, strict=True):
            if not isinstance(gradient, Tensor):
                kind = type(gradient).__name__
                raise TypeError(f"the gradient of {name} is no tensor, but {kind}")
            if gradient.shape != variable.shape:
                shapes = f"the shape {tuple(gradient.shape)}, and {name} {tuple(variable.shape)}"
                raise ValueError(f"the gradient of {name} has {shapes}")
        return tuple(gradients)

    def _layer(self, backward: Backward) -> Forward:
        """A function with the reader's backward pass, whose arguments bear their names."""
        forward, fitting, constants = self.forward, self._fitting, self.constants

        class Written(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *variables: Tensor) -> Tensor:
                ctx.save_for_backward(*variables)
                return forward(*variables, *constants)

            @staticmethod
            def backward(ctx: Any, delta: Tensor) -> tuple[Tensor, ...]:
                return fitting(backward(delta, *ctx.saved_tensors, *constants))

        def layer(*variables: Tensor) -> Tensor:
            return Written.apply(*variables)

        parameters = inspect.signature(forward).parameters
        chosen = [parameters[name] for name in self._names()]
        layer.__signature__ = inspect.Signature(chosen)  # type: ignore[attr-defined]
        return layer

    def _left_to_torch(self, layer: Forward) -> Sequence[str]:
        """The operations of torch's autograd that the backward pass called."""
        variables = [variable.clone().requires_grad_() for variable in self.variables]
        called = backward_operations(layer(*variables), variables)
        return sorted(n for n in called if "backward" in n or n.startswith("torch."))


def _where(error: Exception, backward: Backward) -> str:
    """What went wrong, and in which line of the reader's."""
    said = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    code = getattr(backward, "__code__", None)
    lines = [
        frame.line
        for frame, (at, _) in zip(
            traceback.extract_tb(error.__traceback__),
            traceback.walk_tb(error.__traceback__),
            strict=True,
        )
        if at.f_code is code and frame.line
    ]
    return f"{said.rstrip('.')}, in `{lines[-1]}`." if lines else f"{said.rstrip('.')}."


def _remarks(report: Report) -> Iterator[str]:
    """The doctor's findings, a line each."""
    for finding in report.findings:
        said = [finding.text]
        if finding.diagnosis and finding.diagnosis.cause == "no-gradient":
            said = [finding.text.split(":")[0], "It is zero so far"]
        elif finding.diagnosis:
            said += [finding.diagnosis.evidence, finding.diagnosis.guess]
        yield " ".join(f"{part.rstrip('.')}." for part in said if part)
