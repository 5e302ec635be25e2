"""The exercises of notebook 1."""

from functools import partial

import torch
from torch import Tensor

from notebooks.lesson import Exercise

_random = torch.Generator().manual_seed(1)
_tensor = partial(torch.randn, dtype=torch.float64, generator=_random)


def _some_large(*shape: int) -> Tensor:
    """Numbers around 0, and a few so far out, on both sides, that exp overflows."""
    values = _tensor(*shape)
    values[0, 0], values[-1, -1] = 1000.0, -1000.0
    return values


def sigmoid_of(X: Tensor) -> Tensor:
    """1 / (1 + exp(-X)), element by element; any shape."""
    return X.sigmoid()


def silu_of(X: Tensor) -> Tensor:
    """X sigmoid(X), element by element; any shape."""
    return X * X.sigmoid()


def neuron_error(w: Tensor, b: Tensor, X: Tensor, y: Tensor) -> Tensor:
    """sum (sigmoid(X w + b) - y)^2: (in), (1), and of R samples (R, in), (R) -> ()."""
    return ((X @ w + b).sigmoid() - y).square().sum()


sigmoid = Exercise(
    "1.1, the sigmoid",
    sigmoid_of,
    (_some_large(3, 5),),
    "The lines of (11) are equal on paper. Which of them can still be computed where the "
    "exponential is infinite?",
)
silu = Exercise(
    "1.2, SiLU",
    silu_of,
    (_tensor(3, 5),),
    "X stands in two places of a product. What does Y change by when only the first of them moves, "
    "and what when only the second does?",
)
neuron = Exercise(
    "1.3, one neuron and its loss",
    neuron_error,
    (_tensor(3), _tensor(1)),
    "Name the steps from w to L for one sample, and differentiate each by the one before. Which of "
    "these factors do w and b have in common, and how do the samples come together?",
    (_tensor(7, 3), torch.rand(7, dtype=torch.float64, generator=_random)),
)
