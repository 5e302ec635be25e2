"""Learning to read digits: loss, metrics and optimizer of one net."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim import AdamW
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from manualnn.optim import SGD, Adadelta
from recipes.common.layers import namespace
from recipes.common.schedule import warmup_cosine
from recipes.digits.metrics import Misread
from recipes.digits.nets import CLASSES, NETS

OPTIMIZERS = {"adamw": AdamW, "adadelta": Adadelta, "sgd": SGD}


class DigitReader(LightningModule):
    """A net that reads 28x28 images of digits.

    Args:
        net: The net's name.
        layers: ``manual`` builds it from manualnn, ``torch`` from torch.nn.
        optimizer: ``adamw`` is torch's, ``adadelta`` and ``sgd`` are manualnn's.
        learning_rate: The highest learning rate.
        weight_decay: The optimizer's weight decay.
        warmup: Share of the steps in which the learning rate rises before it falls along a cosine;
            null keeps it constant.
        label_smoothing: Share of the target that goes to all classes alike, from 0 to 1.
        channels_last: Keep images and kernels in channels-last order.
    """

    def __init__(
        self,
        net: Literal["cnn", "fully_connected", "small"] = "cnn",
        layers: Literal["manual", "torch"] = "manual",
        optimizer: Literal["adamw", "adadelta", "sgd"] = "adamw",
        learning_rate: float = 3e-3,
        weight_decay: float = 0.01,
        warmup: float | None = 0.1,
        label_smoothing: float = 0.05,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        modules = namespace(layers)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.net = NETS[net](modules).to(memory_format=self.memory_format)
        self.loss = modules.CrossEntropyLoss(label_smoothing=label_smoothing)
        self.make_optimizer = partial(
            OPTIMIZERS[optimizer], lr=learning_rate, weight_decay=weight_decay
        )
        self.warmup = warmup
        self.train_accuracy = MulticlassAccuracy(CLASSES, average="micro")
        self.val_accuracy = MulticlassAccuracy(CLASSES, average="micro")
        self.test_scores = MetricCollection(
            {
                "test_accuracy": MulticlassAccuracy(CLASSES, average="micro"),
                "test_f1": MulticlassF1Score(CLASSES),
            }
        )
        self.confusion = MulticlassConfusionMatrix(CLASSES)
        self.misread = Misread()

    def forward(self, images: Tensor) -> Tensor:
        """Returns the logits (N, 10) of images (N, 1, 28, 28) with values from 0 to 1."""
        return self.net(images.contiguous(memory_format=self.memory_format))

    def training_step(self, batch: list[Tensor], batch_index: int) -> Tensor:
        images, labels = batch
        logits = self(images)
        loss = self.loss(logits, labels)
        accuracy = self.train_accuracy(logits, labels)
        self.log_dict({"loss": loss, "accuracy": accuracy}, prog_bar=True, logger=False)
        epoch = {"train_loss": loss, "train_accuracy": self.train_accuracy}
        self.log_dict(epoch, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: list[Tensor], batch_index: int) -> None:
        images, labels = batch
        logits = self(images)
        self.val_accuracy(logits, labels)
        self.log("val_loss", self.loss(logits, labels), sync_dist=True)
        self.log("val_accuracy", self.val_accuracy, prog_bar=True)

    def test_step(self, batch: list[Tensor], batch_index: int) -> None:
        images, labels = batch
        logits = self(images)
        probabilities = logits.softmax(1)
        self.test_scores(probabilities, labels)
        self.confusion.update(probabilities, labels)
        self.misread.update(images, probabilities, labels)
        self.log("test_loss", self.loss(logits, labels), sync_dist=True)
        self.log_dict(self.test_scores)

    def predict_step(self, batch: list[Tensor], batch_index: int) -> Tensor:
        """Returns the probabilities (N, 10) of the digits."""
        return self(batch[0]).softmax(1)

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(self.parameters())
        if self.warmup is None:
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = warmup_cosine(optimizer, steps, self.warmup)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]
