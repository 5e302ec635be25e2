"""A running average of the weights, used wherever a net is validated, tested or saved."""

from __future__ import annotations

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class RunningAverage(WeightAveraging):
    """Averages the weights exponentially, over a span that grows with the training.

    The n-th step keeps the share min(decay, (1 + n) / (10 + n)) of the average, so that the
    random weights of the beginning are soon forgotten.

    Args:
        decay: Largest share of the average that a step keeps, below 1.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, got {decay}")
        self.decay = decay
        super().__init__(avg_fn=self.average)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Copies the module to hold the average, without the trainer and all that it holds."""
        pl_module.trainer = None
        super().setup(trainer, pl_module, stage)
        pl_module.trainer = trainer

    def average(self, average: Tensor, current: Tensor, steps: Tensor) -> Tensor:
        """Returns the average after one more step, the current weights included."""
        if not average.is_floating_point():  # batch norm's count of batches
            return current
        keep = ((1 + steps) / (10 + steps)).clamp(max=self.decay)
        return torch.lerp(current, average, keep.to(current))
