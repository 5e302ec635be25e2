from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch
from lightning import Trainer

from recipes.digits.augment import RandomAffine
from recipes.digits.data import Digits, load
from recipes.digits.module import DigitReader


def test_embedded_digits_are_split_evenly_and_share_nothing():
    learn, test = load("embedded", Path("unused"))
    assert learn.tensors[0].shape == (4000, 1, 28, 28)
    assert learn.tensors[0].dtype == torch.uint8
    assert torch.bincount(learn.tensors[1]).tolist() == [400] * 10
    assert torch.bincount(test.tensors[1]).tolist() == [100] * 10
    learnt = {image.numpy().tobytes() for image in learn.tensors[0]}
    assert not any(image.numpy().tobytes() in learnt for image in test.tensors[0])


def test_validation_images_are_taken_from_those_to_learn_and_stay_the_same():
    first, again = Digits(validation=400), Digits(validation=400)
    for data in (first, again):
        data.setup("fit")
    assert len(first.learning_set) == 3600
    assert torch.equal(first.validation_set.tensors[0], again.validation_set.tensors[0])
    everything = torch.cat([first.learning_set.tensors[1], first.validation_set.tensors[1]])
    assert torch.bincount(everything).tolist() == [400] * 10


@pytest.mark.parametrize("validation", [-1, 4000])
def test_refuses_to_set_aside_more_images_than_there_are(validation):
    with pytest.raises(ValueError, match=f"between 0 and 3999 .* got {validation}"):
        Digits(validation=validation).setup("fit")


def test_a_missing_folder_says_what_to_do(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no KMNIST in .*--data.download true.*--data.root"
    ):
        load("kmnist", tmp_path)


def write_idx(path: Path, values: torch.Tensor) -> None:
    sizes = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    path.write_bytes(sizes + values.byte().numpy().tobytes())


@pytest.mark.parametrize(
    ("dataset", "folder", "third_class"),
    [("mnist", "MNIST", "2"), ("fashion", "FashionMNIST", "Pullover"), ("kmnist", "KMNIST", "su")],
)
def test_reads_torchvisions_folders(tmp_path, dataset, folder, third_class):
    raw = tmp_path / folder / "raw"
    raw.mkdir(parents=True)
    images = torch.randint(256, (20, 28, 28), generator=torch.Generator().manual_seed(0))
    for part in ("train", "t10k"):
        write_idx(raw / f"{part}-images-idx3-ubyte", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte", torch.arange(20) % 10)
    data = Digits(dataset, root=tmp_path, validation=5)
    data.setup("fit")
    assert torch.equal(data.test_set.tensors[0].squeeze(1), images.byte())
    assert data.test_set.tensors[1].tolist() == [*range(10)] * 2
    assert [len(data.learning_set), len(data.validation_set)] == [15, 5]
    assert data.classes[2] == third_class


class Recorder(DigitReader):
    """Keeps the batches it is given."""

    def __init__(self) -> None:
        super().__init__("fully_connected", "torch")
        self.batches: list[list[torch.Tensor]] = []

    def training_step(self, batch, batch_index):
        self.batches.append(batch)
        return super().training_step(batch, batch_index)


def record(seed: int, **options) -> list[list[torch.Tensor]]:
    torch.manual_seed(seed)
    module = Recorder()
    Trainer(
        accelerator="cpu",
        max_epochs=2,
        limit_train_batches=3,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(module, datamodule=Digits(**options))
    return module.batches


def test_the_seed_decides_order_and_distortion():
    first, again, other = record(1), record(1), record(2)
    for (images, labels), (same_images, same_labels) in zip(first, again, strict=True):
        assert torch.equal(images, same_images) and torch.equal(labels, same_labels)
    assert not torch.equal(first[0][1], other[0][1])
    assert not torch.equal(first[0][1], first[3][1])  # the second epoch has an order of its own


def test_distortion_changes_the_images_and_not_the_labels():
    distorted, plain = record(1, augment=RandomAffine()), record(1, augment=None)
    assert torch.equal(distorted[0][1], plain[0][1])
    assert not torch.equal(distorted[0][0], plain[0][0])
    assert plain[0][0].dtype == torch.float32
    assert plain[0][0].min() == 0 and plain[0][0].max() == 1
