from __future__ import annotations

import pytest
import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from recipes.common.averaging import RunningAverage
from recipes.digits.data import Digits
from recipes.digits.metrics import Misread
from recipes.digits.module import DigitReader

QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def last_loss(net: str, layers: str, batch_size: int) -> float:
    seed_everything(0)
    module = DigitReader(net, layers, channels_last=False)
    trainer = Trainer(
        max_steps=100,
        precision="64-true",
        limit_val_batches=0,
        enable_checkpointing=False,
        **QUIET,
    )
    trainer.fit(module, datamodule=Digits(batch_size=batch_size))
    assert trainer.global_step == 100
    return trainer.callback_metrics["loss"].item()


@pytest.mark.parametrize(
    ("net", "batch_size"), [("cnn", 2), ("fully_connected", 32), ("small", 16)]
)
def test_both_kinds_of_layers_train_alike(net, batch_size):
    ours, theirs = (last_loss(net, layers, batch_size) for layers in ("manual", "torch"))
    assert ours == pytest.approx(theirs, rel=1e-6)


class Interrupt(Callback):
    """Stops the training after two epochs as Ctrl-C would."""

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt


def train(folder, *callbacks: Callback, ckpt_path=None) -> DigitReader:
    seed_everything(1)
    module = DigitReader("fully_connected", "manual", channels_last=False)
    checkpoints = ModelCheckpoint(folder, "last")
    trainer = Trainer(
        max_epochs=4,
        limit_train_batches=5,
        limit_val_batches=1,
        callbacks=[checkpoints, RunningAverage(0.9), *callbacks],
        **QUIET,
    )
    trainer.fit(module, datamodule=Digits(), ckpt_path=ckpt_path)
    return module


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(tmp_path):
    whole = train(tmp_path / "whole")
    with pytest.raises(SystemExit):
        train(tmp_path / "part", Interrupt())
    resumed = train(tmp_path / "rest", ckpt_path=tmp_path / "part" / "last.ckpt")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_misread_collects_what_was_read_wrongly():
    metric = Misread()
    probabilities = torch.eye(10)[[3, 1, 2]]
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 28, 28)
    metric.update(images, probabilities, torch.tensor([3, 7, 2]))
    metric.update(images, probabilities, torch.tensor([3, 1, 5]))
    wrong, labels, read = metric.compute()
    assert wrong[:, 0, 0, 0].tolist() == [1, 2]
    assert labels.tolist() == [7, 5]
    assert read.argmax(1).tolist() == [1, 2]


def test_misread_may_stay_empty():
    metric = Misread()
    metric.update(torch.zeros(2, 1, 28, 28), torch.eye(10)[:2], torch.tensor([0, 1]))
    assert [len(part) for part in metric.compute()] == [0, 0, 0]
