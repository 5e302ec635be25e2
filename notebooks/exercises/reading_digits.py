"""The exercises of notebook 6."""

from functools import partial

import torch
from torch import Tensor

from notebooks.lesson import Exercise

_random = torch.Generator().manual_seed(6)
_tensor = partial(torch.randn, dtype=torch.float64, generator=_random)


def mean_cross_entropy(Z: Tensor, labels: Tensor) -> Tensor:
    """The mean over r of -log softmax(Z_r) at the label of r: (R, C), (R) -> ()."""
    chosen = Z.log_softmax(1).gather(1, labels.unsqueeze(1))
    return -chosen.mean()


def smoothed_cross_entropy(Z: Tensor, labels: Tensor, share: float) -> Tensor:
    """The mean of - sum_c m_rc log p_rc, m = (1 - share) [c = y] + share / C: (R, C), (R) -> ()."""
    log_p = Z.log_softmax(1)
    chosen = log_p.gather(1, labels.unsqueeze(1)).squeeze(1)
    return -((1 - share) * chosen + share * log_p.mean(1)).mean()


def distilled(Z: Tensor, p: Tensor, T: float) -> Tensor:
    """T^2 times the mean over r of KL(p_r || softmax(Z_r / T)): (R, C), (R, C) -> ()."""
    log_q = (Z / T).log_softmax(1)
    return T**2 * (p * (p.log() - log_q)).sum(1).mean()


_labels = torch.tensor([2, 0, 2, 1, 2])

cross_entropy = Exercise(
    "6.1, a batch and its labels",
    mean_cross_entropy,
    (_tensor(5, 3),),
    "The text has the gradient for one sample. What does the mean do to it, and which element of "
    "each row is the one to subtract from?",
    (_labels,),
)
label_smoothing = Exercise(
    "6.2, a share for every class",
    smoothed_cross_entropy,
    (_tensor(5, 3),),
    "Write the loss of a row as - sum_c m_c log p_c, and put log p_c = z_c - log sum_j exp(z_j) "
    "in. Which number do the m_c of a row add up to?",
    (_labels, 0.3),
)
distillation = Exercise(
    "6.3, a teacher's probabilities",
    distilled,
    (_tensor(5, 3),),
    "Which part of the KL divergence does Z reach at all? Name U = Z / T, take the gradient of U "
    "first, and count how many powers of T are left in the end.",
    (_tensor(5, 3).softmax(1), 2.5),
)
