"""Pictures with objects to learn from, to validate on, to test on and to search."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

from recipes.common.files import picture_files
from recipes.objects.augment import RandomView
from recipes.objects.digits import make_scenes
from recipes.objects.finding import PictureFiles
from recipes.objects.layouts import LAYOUTS
from recipes.objects.scenes import Scenes, load

VIEW = RandomView()


class Objects(LightningDataModule):
    """Pictures with boxes around objects of known classes.

    Args:
        layout: ``digits`` are made on the fly: handwritten digits on photographs. The others name
            how a data set lies in ``root``: a Pascal VOC folder, COCO's JSON files, or
            torchvision's VOCDetection and WIDERFace.
        root: Folder of the data set.
        learn: Split to learn from, e.g. ``train``.
        validation: Split to validate on; null for none.
        test: Split to test on.
        classes: Names of the classes; those of the net.
        size: Height and width to which pictures are brought; those of the net.
        skip_bad: Leave out boxes and pictures that are faulty, and say how many.
        batch_size: Pictures per step and device.
        augment: Views of the pictures to learn from; null for the pictures themselves.
        pictures: Picture files, and folders of them, in which predict finds objects.
    """

    def __init__(
        self,
        layout: Literal["digits", "voc", "coco", "voc_detection", "wider_face"] = "digits",
        root: Path = Path("data"),
        learn: str = "train",
        validation: str | None = "val",
        test: str = "test",
        classes: Sequence[str] = (),
        size: tuple[int, int] = (160, 160),
        skip_bad: bool = False,
        batch_size: int = 16,
        augment: RandomView | None = VIEW,
        pictures: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self.layout = layout
        self.root = root
        self.learn = learn
        self.validation = validation
        self.test = test
        self.classes = list(classes)
        self.size = size[0], size[1]
        self.skip_bad = skip_bad
        self.batch_size = batch_size
        self.augment = augment
        self.pictures = PictureFiles(picture_files(pictures), self.size)

    def setup(self, stage: str) -> None:
        if stage in ("fit", "validate"):
            self.learning_set = self._load(self.learn)
            nothing = Scenes(*(part[:0] for part in self.learning_set.tensors))
            self.validation_set = self._load(self.validation) if self.validation else nothing
        if stage == "test":
            self.test_set = self._load(self.test)

    def train_dataloader(self) -> DataLoader:
        """Batches in an order that depends on the seed and the epoch alone."""
        sampler: Sampler[int] = DistributedSampler(
            self.learning_set,
            num_replicas=self.trainer.world_size,
            rank=self.trainer.global_rank,
            seed=torch.initial_seed() % 2**32,
        )
        return self._batches(self.learning_set, sampler)

    def val_dataloader(self) -> DataLoader:
        return self._batches(self.validation_set)

    def test_dataloader(self) -> DataLoader:
        return self._batches(self.test_set)

    def on_after_batch_transfer(self, batch: list[Tensor], dataloader_idx: int) -> list[Tensor]:
        """Turns bytes into numbers from 0 to 1, and views the pictures to learn from anew."""
        dtype = self.trainer.lightning_module.dtype
        pictures, *rest = batch
        pictures = pictures.to(dtype) / 255
        if self.trainer.predicting:
            return [pictures, *rest]
        boxes, labels = rest
        boxes = boxes.to(dtype)
        if self.trainer.training and self.augment:
            step = self.trainer.fit_loop.total_batch_idx
            seed = hash((torch.initial_seed(), step, self.trainer.global_rank))
            generator = torch.Generator().manual_seed(seed)
            pictures, boxes, labels = self.augment(pictures, boxes, labels, generator)
        return [pictures, boxes, labels]

    def predict_dataloader(self) -> DataLoader:
        """Batches of pictures at the net's size and by how much each was enlarged for it."""
        return self._batches(self.pictures)

    def _load(self, split: str) -> Scenes:
        if self.layout == "digits":
            return make_scenes(split, self.size)
        annotated = LAYOUTS[self.layout](self.root, split)
        scenes, skipped = load(annotated, self.classes, self.size, self.skip_bad)
        for reason, count in skipped.items():
            print(f"{split}: skipped {count} x {reason}", file=sys.stderr)
        return scenes

    def _batches(self, scenes: Dataset, sampler: Sampler[int] | None = None) -> DataLoader:
        return DataLoader(
            scenes, batch_size=self.batch_size, sampler=sampler, collate_fn=lambda batch: batch
        )
