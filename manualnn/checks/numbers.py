"""Proofs by number: what a derivative is, measured with nothing but function values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["forward", "backward", "central"]

# kind: (step of the value ahead, step of the value behind), both in units of h
_STEPS = {"forward": (1, 0), "backward": (0, -1), "central": (1, -1)}


def difference_quotient(
    function: Callable[[Tensor], Tensor | float],
    x: Tensor,
    h: float | None = None,
    kind: Kind = "central",
) -> Tensor:
    """The gradient of a scalar function at `x` from its values alone, element by element.

        forward   (L(θ + h eᵢ) - L(θ)) / h             error O(h)
        backward  (L(θ) - L(θ - h eᵢ)) / h             error O(h)
        central   (L(θ + h eᵢ) - L(θ - h eᵢ)) / 2h     error O(h²)

    Costs two calls of `function` for each element, so it is for proofs on small tensors.

    Args:
        function: Takes a tensor like `x` and returns one number. It gets a copy of its own each
            time, which it may change in place.
        x: Where to differentiate, float64, of any shape. It is not changed.
        h: The step, > 0. Without it, the one at which rounding and truncation balance for values
            near 1: ε^(1/3), about 6e-6, for central quotients and ε^(1/2), about 1.5e-8, else.
        kind: Which quotient.

    Returns:
        ∂L/∂x, a float64 tensor of x's shape.

    Raises:
        TypeError: `x` or the value of `function` is not float64: float32 would leave three digits.
        ValueError: Unknown `kind`, `h` not above 0 or lost beside an element of `x`, or a value of
            `function` that is not one number.

    Source: Eq. 21, which is the forward quotient; the report names the other two.
    """
    if kind not in _STEPS:
        raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(map(repr, _STEPS))}")
    if x.dtype != torch.float64:
        raise TypeError(f"x is {x.dtype}; a difference quotient needs float64, x.double()")
    if h is None:
        h = torch.finfo(x.dtype).eps ** (1 / 3 if kind == "central" else 1 / 2)
    if not 0 < h < math.inf:
        raise ValueError(f"h is {h}; it must be a finite number above 0")

    step_ahead, step_behind = _STEPS[kind]
    quotient = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    for index in itertools.product(*map(range, x.shape)):
        ahead, behind = x.detach().clone(), x.detach().clone()
        ahead[index] += step_ahead * h
        behind[index] += step_behind * h
        width = (ahead[index] - behind[index]).item()
        if not width > 0:
            raise ValueError(f"h = {h} is lost beside x{list(index)} = {x[index].item()}")
        quotient[index] = (_value(function, ahead) - _value(function, behind)) / width
    return quotient


def _value(function: Callable[[Tensor], Tensor | float], x: Tensor) -> float:
    value = function(x)
    if not isinstance(value, Tensor):
        return float(value)
    if value.dtype != torch.float64:
        raise TypeError(f"the function returned {value.dtype}; a difference quotient needs float64")
    if value.numel() != 1:
        raise ValueError(f"the function returned shape {tuple(value.shape)}; it must be one number")
    return value.item()
