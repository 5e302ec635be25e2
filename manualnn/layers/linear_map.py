"""Linear maps: padding, averaging, resizing, joining, and whatever else only adds up its input.

A linear map is Y = A X with a matrix A that no one ever writes down. With delta = dL/dY, the chain
rule needs its transpose, the adjoint, and nothing of X::

    dL/dX = A^T delta,      because  <delta, A X> = <A^T delta, X>  for all X

and a tangent of X is carried on by A itself. The adjoint of the adjoint is the map again, so two
Functions that call one another are closed under differentiation, at every order and in both modes,
and save nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from manualnn.autograd import Function, apply

LinearFormula = Callable[[Tensor, Any], Tensor]

# By name: torch.compile finds a class in a global dictionary, but not in a closure.
FUNCTIONS: dict[str, type[Function]] = {}


def linear_map(
    name: str, forward: LinearFormula, adjoint: LinearFormula
) -> tuple[type[Function], type[Function]]:
    """Make the Functions of a linear map and of its adjoint from their two formulas.

    Args:
        name: of the map, e.g. "Pad", as it shows in ``grad_fn``: PadFunction, PadAdjointFunction.
        forward: (X, options) -> A X, linear in X.
        adjoint: (delta, options) -> A^T delta, for the same options.

    Returns:
        Two Functions of a tensor and its options, a frozen dataclass that says all that either
        formula needs, the shape of X included.
    """
    there, back = f"{name}Function", f"{name}AdjointFunction"
    FUNCTIONS[there] = _one_way(there, forward, back)
    FUNCTIONS[back] = _one_way(back, adjoint, there)
    return FUNCTIONS[there], FUNCTIONS[back]


def _one_way(name: str, formula: LinearFormula, adjoint: str) -> type[Function]:
    class LinearMap(Function):
        @staticmethod
        def forward(input: Tensor, options: Any) -> Tensor:
            return formula(input, options)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Tensor, Any], output: Tensor) -> None:
            ctx.options = inputs[1]

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
            return apply(FUNCTIONS[adjoint], grad_output, ctx.options), None

        @staticmethod
        def jvp(ctx: Any, d_input: Tensor, _: None) -> Tensor:
            return apply(FUNCTIONS[name], d_input, ctx.options)

    return type(name, (LinearMap,), {})
