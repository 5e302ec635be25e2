"""Learning to find objects: loss, metrics and optimizer of the detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Literal

import torch
import torchvision
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW
from torchmetrics.detection import MeanAveragePrecision

import manualnn
from manualnn import vision
from recipes.common.layers import namespace
from recipes.common.schedule import warmup_cosine
from recipes.objects.assignment import assign
from recipes.objects.boxes import Selection, centres, reflected, to_boxes
from recipes.objects.mistakes import Mistakes
from recipes.objects.nets import Detector
from recipes.objects.scenes import objects_of

DIGITS = tuple("0123456789")
BOX_LOSSES = {"manual": vision, "torch": torchvision.ops}
IN_USE = ["overlap", "flips", "shown"]  # no checkpoint fixes these
FLIPS = ((), (-1,), (-2,), (-1, -2))  # axes of the picture that are reversed
ROUTES: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "manual": manualnn.hand_derived,
    "torch": nullcontext,
}


class ObjectFinder(LightningModule):
    """A detector of one stage with its loss.

    Raises ValueError if the size is not made of whole cells.

    Args:
        classes: Names of the classes.
        size: Height and width of the pictures that it learns from.
        layers: ``manual`` builds it from manualnn, ``torch`` from torch.nn.
        channels: Of the net's four stages.
        blocks: Residual blocks of each stage.
        patch: Side of the square of pixels that become channels of one before the first stage.
        strides: Of the four stages; a cell is ``patch`` times the first two of them wide.
        width: Channels of the pyramid and the branches.
        learning_rate: The highest learning rate.
        weight_decay: Of kernels; scales and shifts have none.
        warmup: Share of the steps in which the learning rate rises, before it falls.
        box_weight: How much the boxes count beside the classes.
        overlap: Intersection over union above which the less sure of two boxes of a class goes.
        flips: Average what is found in the four flips of every picture, in tests and predictions.
        shown: Lowest score of a detection that is drawn, and counted where mistakes are sorted.
    """

    def __init__(
        self,
        classes: Sequence[str] = DIGITS,
        size: tuple[int, int] = (160, 160),
        layers: Literal["manual", "torch"] = "manual",
        channels: Sequence[int] = (32, 64, 96, 96),
        blocks: Sequence[int] = (1, 2, 2, 1),
        patch: int = 4,
        strides: Sequence[int] = (1, 2, 2, 2),
        width: int = 64,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.02,
        warmup: float = 0.05,
        box_weight: float = 2.0,
        overlap: float = 0.5,
        flips: bool = False,
        shown: float = 0.3,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=IN_USE)
        self.classes = list(classes)
        self.size = size[0], size[1]
        self.layers = layers
        net = (channels, blocks, patch, strides, width)
        self.net = Detector(namespace(layers), len(classes), *net)
        if min(size) < self.net.stride or any(side % self.net.stride for side in size):
            raise ValueError(f"size must be multiples of {self.net.stride}, got {size}")
        self.box_loss = BOX_LOSSES[layers].complete_box_iou_loss
        self.box_weight = box_weight
        self.make_optimizer = partial(AdamW, lr=learning_rate, betas=(0.9, 0.99))
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.selection = Selection(overlap=overlap)
        self.views = FLIPS if flips else FLIPS[:1]
        self.val_precision = MeanAveragePrecision(backend="faster_coco_eval")
        self.test_precision = MeanAveragePrecision(
            backend="faster_coco_eval", class_metrics=True, extended_summary=True
        )
        self.mistakes = Mistakes(shown)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts for the P cells of each picture.

        Args:
            pictures: (N, 3, H, W), from 0 to 1.

        Returns:
            Logits (N, P, classes) and boxes (N, P, 4) in pixels.
        """
        with ROUTES[self.layers]():
            logits, sides = (part.to(pictures) for part in self.net(4 * pictures - 2))
            middle = centres(pictures, self.net.stride)
            return logits, to_boxes(sides, middle, self.net.stride, self.layers)

    def loss(
        self, logits: Tensor, boxes: Tensor, centres: Tensor, truth: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """Compares predictions with the objects of the pictures.

        Scores have cross-entropy with their targets; where there is no object, it counts by the
        square of the score (focal). The boxes of cells with an object have the complete IoU loss.

        Args:
            logits: (N, P, classes).
            boxes: (N, P, 4).
            centres: (P, 2), of the cells.
            truth: (N, M, 4), the objects' boxes.
            labels: (N, M), their classes; -1 for no object.

        Returns:
            ``loss`` and its two parts, ``classes`` and ``boxes``.
        """
        scores = logits.detach().sigmoid()
        target = assign(scores, boxes.detach(), centres, truth, labels, self.net.stride)
        weight = torch.where(target.classes > 0, 1, 0.75 * scores**2)
        weight = weight / target.classes.sum().clamp_min(1)
        with ROUTES[self.layers]():
            by_class = F.binary_cross_entropy_with_logits(
                logits, target.classes, weight, reduction="sum"
            )
            by_box = self.box_loss(boxes.flatten(0, 1), target.boxes.flatten(0, 1))
            share = target.chosen.flatten() / target.chosen.to(boxes).mean().clamp_min(1e-6)
            by_box = torch.mean(by_box * share.to(by_box))
            total = by_class + self.box_weight * by_box
        return {"loss": total, "classes": by_class, "boxes": by_box}

    def training_step(self, batch: list[Tensor], batch_index: int) -> Tensor:
        pictures, boxes, labels = batch
        logits, found = self(pictures)
        middle = centres(pictures, self.net.stride)
        losses = self.loss(logits, found, middle, boxes, labels)
        self.log("loss", losses["loss"], prog_bar=True, logger=False)
        epoch = {f"train_{name}": loss for name, loss in losses.items()}
        epoch["train_overlap"] = 1 - losses["boxes"].detach()  # complete IoU of the chosen cells
        self.log_dict(epoch, on_step=False, on_epoch=True, sync_dist=True)
        return losses["loss"]

    def validation_step(self, batch: list[Tensor], batch_index: int) -> None:
        pictures, boxes, labels = batch
        logits, found = self(pictures)
        middle = centres(pictures, self.net.stride)
        losses = self.loss(logits, found, middle, boxes, labels)
        self.log("val_loss", losses["loss"], sync_dist=True)
        self.val_precision.update(
            self.selection(logits.sigmoid(), found, pictures.shape[-2:]),
            list(objects_of(boxes, labels)),
        )

    def on_validation_epoch_end(self) -> None:
        measured = self.val_precision.compute()
        scores = {"val_mAP50": measured["map_50"], "val_mAP": measured["map"]}
        self._log_scores(scores, in_bar=True)
        self.val_precision.reset()

    @torch.no_grad()
    def detect(self, pictures: Tensor) -> list[dict[str, Tensor]]:
        """Finds the objects in pictures.

        Args:
            pictures: (N, 3, H, W), from 0 to 1.

        Returns:
            For each picture ``boxes`` (D, 4) in pixels, ``scores`` (D) and ``labels`` (D), the
            surest first.
        """
        size = pictures.shape[-2:]
        scores, boxes = zip(*(self._seen(pictures, *view) for view in self.views), strict=True)
        return self.selection(torch.stack(scores).mean(0), torch.stack(boxes).mean(0), size)

    def test_step(self, batch: list[Tensor], batch_index: int) -> None:
        pictures, boxes, labels = batch
        found, truth = self.detect(pictures), list(objects_of(boxes, labels))
        self.test_precision.update(found, truth)
        self.mistakes.update(pictures, found, truth)

    def on_test_epoch_end(self) -> None:
        measured = self.test_precision.compute()
        scores = {"test_mAP50": measured["map_50"], "test_mAP": measured["map"]}
        at_half = measured["precision"][0, :, :, 0, -1]  # (101 recalls, classes that occur)
        self.precision_at_half = torch.full((len(at_half), len(self.classes)), -1.0)
        for place, known in enumerate(measured["classes"].view(-1).tolist()):
            self.precision_at_half[:, known] = at_half[:, place]
            if at_half[0, place] >= 0:  # -1 for a class without objects
                scores[f"test_AP50_{self.classes[known]}"] = at_half[:, place].mean()
                scores[f"test_AP_{self.classes[known]}"] = measured["map_per_class"].view(-1)[place]
        self._log_scores(scores)

    def predict_step(self, batch: list[Tensor], batch_index: int) -> list[dict[str, Tensor]]:
        """Returns what ``detect`` finds in each picture, in pixels of its file."""
        pictures, scales = batch
        found = self.detect(pictures) if len(pictures) else []
        for one, scale in zip(found, scales, strict=True):
            one["boxes"] = one["boxes"] / scale
        return found

    def _log_scores(self, scores: dict[str, Tensor], in_bar: bool = False) -> None:
        """Logs what torchmetrics computed on the CPU, the same in every process."""
        on_device = {name: score.to(self.device) for name, score in scores.items()}
        self.log_dict(on_device, prog_bar=in_bar, sync_dist=True)

    def _seen(self, pictures: Tensor, *axes: int) -> tuple[Tensor, Tensor]:
        """Returns scores (N, P, classes) and boxes (N, P, 4) as seen with some axes reversed."""
        size = pictures.shape[-2:]
        logits, boxes = self(pictures.flip(axes))
        cells = [side // self.net.stride for side in size]
        back = [axis - 1 for axis in axes]  # behind rows and columns come classes or sides
        scores, boxes = (
            part.unflatten(1, cells).flip(back).flatten(1, 2)
            for part in (logits.sigmoid(), reflected(boxes, size, axes))
        )
        return scores, boxes

    def configure_optimizers(self) -> Any:
        decay = [weight for weight in self.parameters() if weight.ndim > 1]
        others = [weight for weight in self.parameters() if weight.ndim <= 1]
        groups = [
            {"params": decay, "weight_decay": self.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = self.make_optimizer(groups)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = warmup_cosine(optimizer, steps, self.warmup)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]
