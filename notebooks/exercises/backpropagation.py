"""The exercises of notebook 2."""

from functools import partial

import torch
from torch import Tensor

from notebooks.lesson import Exercise

_random = torch.Generator().manual_seed(2)
_tensor = partial(torch.randn, dtype=torch.float64, generator=_random)


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean of the squared differences, over all elements."""
    return (prediction - target).square().mean()


def tanh_layer(X: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """tanh(X W + b): (R, in), (in, out), (out) -> (R, out)."""
    return (X @ W + b).tanh()


def tied(X: Tensor, W: Tensor) -> Tensor:
    """tanh(X W) W^T: (R, in), (in, hidden) -> (R, in)."""
    return (X @ W).tanh() @ W.T


loss = Exercise(
    "2.1, the mean squared error",
    mean_squared_error,
    (_tensor(5, 3),),
    "Write Y for one element of the prediction, differentiate, and look at what stands before the "
    "sum.",
    (_tensor(5, 3),),
)
layer = Exercise(
    "2.2, a layer with tanh",
    tanh_layer,
    (_tensor(5, 3), _tensor(3, 4), _tensor(4)),
    "Bring delta through tanh first; only then X, W and b are in sight. Which of the "
    "three reaches every row?",
)
tied_weights = Exercise(
    "2.3, one weight used twice",
    tied,
    (_tensor(5, 4), _tensor(4, 3)),
    "Give the two places of W two names, derive the gradient of each, and ask what the chain rule "
    "does when a variable reaches L by two ways. How do the gradients of W and of its transpose "
    "hang together?",
)
