"""Proof by number that a backward pass is the derivative of its forward pass, at two orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from manualnn.checks.doctor import check_function
from manualnn.checks.report import GradientError

DERIVATIVES = "first-order", "second-order"
IN_FORWARD_MODE = "forward-mode", "forward-over-reverse"
LAYOUTS = (
    *("expanded-cotangent", "transposed-cotangent", "sliced-cotangent", "channels-last-cotangent"),
    "second-order-layouts",
)


def prove(
    function: Callable[..., Any], inputs: Sequence[Any], *, forward_mode: bool = True
) -> None:
    """Prove the first and second derivative of a function, whatever the cotangent's layout.

    Those checks of :func:`manualnn.checks.check_function` that a formula has to pass, and none of
    which may be left unanswered: each gradient beside central differences of all elements, for a
    random cotangent, the derivative of the gradients beside theirs, both in forward mode as well,
    and all of it for cotangents in other layouts.

    Args:
        function: Returns a tensor or a tuple of tensors; called several times, it must be a
            function of its arguments alone.
        inputs: Its arguments; those with ``requires_grad``, in float64, are differentiated.
        forward_mode: Prove the forward mode as well.

    Raises:
        manualnn.checks.GradientError: If a derivative is wrong, depends on the cotangent's layout,
            or could not be told.
    """
    needed = (*DERIVATIVES, *(IN_FORWARD_MODE if forward_mode else ()))
    report = check_function(function, *inputs, only=(*needed, *LAYOUTS))
    if not (report.ok and set(needed) <= set(report.passed)):
        raise GradientError(str(report))
