"""The course of the learning rate."""

from __future__ import annotations

from math import cos, pi

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(optimizer: Optimizer, steps: int, warmup: float) -> LambdaLR:
    """Lets the learning rate rise in a straight line, then fall along half a cosine to zero.

    Args:
        optimizer: Its learning rate is the highest one.
        steps: Length of the training; ``step()`` is called after each of its steps.
        warmup: Share of the steps in which the rate rises, below 1.
    """
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup must be at least 0 and below 1, got {warmup}")

    def factor(step: int) -> float:
        progress = (step + 1) / steps
        if progress < warmup:
            return progress / warmup
        return (1 + cos(pi * (progress - warmup) / (1 - warmup))) / 2

    return LambdaLR(optimizer, factor)
