"""The exercises of notebook 3."""

from functools import partial

import torch
from torch import Tensor

from notebooks.lesson import Exercise

_random = torch.Generator().manual_seed(3)
_tensor = partial(torch.randn, dtype=torch.float64, generator=_random)


def with_bias(b: Tensor, Z: Tensor) -> Tensor:
    """Z[r, c', h', w'] + b[c', h']: (C', H'), (R, C', H', W') -> (R, C', H', W')."""
    return Z + b[None, :, :, None]


def along_a_line(X: Tensor, W: Tensor, stride: int) -> Tensor:
    """sum_i X[r, s w' + i] W[i]: (R, W), (k) -> (R, W')."""
    return (X.unfold(1, len(W), stride) * W).sum(-1)


def each_channel_alone(X: Tensor, W: Tensor) -> Tensor:
    """sum_ji X[r, c, 2 h' + j, 2 w' + i] W[c, j, i], over two axes of X, (R, C, H, W)."""
    windows = X.unfold(2, W.shape[1], 2).unfold(3, W.shape[2], 2)
    return (windows * W[:, None, None]).sum((-2, -1))


bias = Exercise(
    "3.1, a bias for each kernel and each row",
    with_bias,
    (_tensor(3, 5),),
    "Take one number of b. To which elements of Y is it added, and with which factor? Which of "
    "the four indices of delta may still be free when you are done?",
    (_tensor(7, 3, 5, 9),),
)
line = Exercise(
    "3.2, a convolution along a line, with a stride",
    along_a_line,
    (_tensor(7, 15), _tensor(5)),
    "Follow one output w': to which stretch of X does its delta go back? Do this for one output "
    "after the other. Which elements of X are in two stretches, and which in none?",
    (3,),
)
depthwise = Exercise(
    "3.3, each channel its own kernel",
    each_channel_alone,
    (_tensor(3, 2, 8, 11), _tensor(2, 5, 4)),
    "Which sum of Eq. 39 is gone, and so which sum of Eq. 41? Then take one weight (j, i): all "
    "elements of X that it meets are one slice with a step. Both gradients can use that slice.",
)
