"""The doctor while a model trains, as a callback of Lightning; imports Lightning."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from manualnn.checks.doctor import check_layers
from manualnn.checks.subject import mapped


class GradientCheck(Callback):
    """Checks the gradients of all layers every n steps, and stops where one is wrong.

    A check calls the model once, on a few rows of the batch, and each layer about 20 times, in
    float64, for every tensor that it differentiates by: as long as 10 training steps of a small
    net, or 20 to 30 of a ResNet-18 (batches of 16 to 64, two cores). Every 1000 steps, that is one
    to three percent.

    Args:
        every_n_steps: How often.
        rows: How many rows of the batch to look at.
        argument: Which part of a batch that is a tuple or list is the model's input.

    Raises:
        ValueError: If one of the first two is below 1.
        manualnn.checks.GradientError: While training, with the diagnosis.
    """

    def __init__(self, every_n_steps: int = 1000, rows: int = 4, argument: int = 0) -> None:
        """Sets how often and how much; see the class."""
        if every_n_steps < 1 or rows < 1:
            raise ValueError(
                f"every_n_steps and rows must be at least 1, got {every_n_steps} and {rows}"
            )
        self.every_n_steps, self.rows, self.argument = every_n_steps, rows, argument
        self.checked = -1

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Checks the model as it is."""
        if trainer.global_step % self.every_n_steps or trainer.global_step == self.checked:
            return
        self.checked = trainer.global_step
        given = batch[self.argument] if isinstance(batch, (tuple, list)) else batch
        few = mapped(lambda _, tensor: _first(tensor, self.rows), given)
        check_layers(pl_module, few).raise_if_failed()


def _first(tensor: Tensor, rows: int) -> Tensor:
    return tensor[:rows] if tensor.ndim else tensor
