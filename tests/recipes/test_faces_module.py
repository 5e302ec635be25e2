from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.plugins.io import TorchCheckpointIO

import manualnn
from manualnn.autograd import Function
from manualnn.checks import foreign_nodes
from recipes.faces.__main__ import main
from recipes.faces.data import Faces
from recipes.faces.module import FaceRecogniser, views

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["recipes.faces.__main__", "tensorboard"])


def last_loss(loss: str, layers: str) -> float:
    seed_everything(0)
    data = Faces(batch_size=8)
    module = FaceRecogniser(data.people, layers, loss)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=10,
        precision="64-true",
        limit_val_batches=0,
        enable_checkpointing=False,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data)
    return trainer.callback_metrics["loss"].item()


@pytest.mark.parametrize("loss", ["arcface", "cosface"])
def test_both_kinds_of_layers_train_alike(loss):
    ours, theirs = (last_loss(loss, layers) for layers in ("manual", "torch"))
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_everything_between_net_and_loss_is_derived_by_hand():
    module = FaceRecogniser(4)
    seen = module.head(module.net(torch.rand(3, 1, 56, 46)))
    loss = module.loss(seen, torch.tensor([0, 1, 3]))
    assert foreign_nodes(loss, Function) == set()
    assert all(
        type(layer).__module__.startswith(("manualnn", "recipes", "torch.nn.modules.container"))
        for part in (module.net, module.head)
        for layer in part.modules()
    )


def test_the_net_is_small_and_its_embeddings_have_unit_length():
    module = FaceRecogniser(40).eval()
    assert sum(weight.numel() for weight in module.parameters()) < 500_000
    faces = torch.rand(3, 1, 56, 46)
    embeddings = module(faces)
    assert embeddings.shape == (3, 384)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(module(faces.flip(3)), embeddings)
    assert FaceRecogniser(40, maps=1).eval()(faces).shape == (3, 12)


def test_a_face_is_looked_at_from_eighteen_sides():
    face = torch.arange(56.0 * 46).view(1, 1, 56, 46)
    seen = list(views(face))
    assert len(seen) == 18 and all(view.shape == face.shape for view in seen)
    assert torch.equal(seen[0][..., 3:, 3:], face[..., :-3, :-3])  # from above left
    assert torch.equal(seen[-2][..., :-3, :-3], face[..., 3:, 3:])
    assert torch.equal(seen[8], face) and torch.equal(seen[9], face.flip(3))
    assert seen[0][0, 0, 2, 2] == face[0, 0, 0, 0]  # edges are continued outwards


def test_the_margin_rises_over_the_first_steps():
    margins = []

    class Recorder(FaceRecogniser):
        def training_step(self, batch, batch_index):
            loss = super().training_step(batch, batch_index)
            margins.append(self.loss.margin)
            return loss

    data = Faces(learn=1, repeats=1, batch_size=16)
    Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(Recorder(data.people, "torch", maps=1, ramp=0.5, margin=0.4), datamodule=data)
    assert margins == pytest.approx([0, 0.08, 0.16, 0.24, 0.32, 0.4, 0.4, 0.4, 0.4, 0.4])


def test_another_net_has_another_fingerprint():
    torch.manual_seed(0)
    first, second = FaceRecogniser(4), FaceRecogniser(4)
    assert first.fingerprint() != second.fingerprint()
    second.load_state_dict(first.state_dict())
    assert first.fingerprint() == second.fingerprint()
    assert isinstance(first.loss, manualnn.losses.margin.ArcFaceLoss)


TRAINING = (
    "fit --layers torch --model.head 8 --data.learn 2 --data.validation 1 "
    "--data.repeats 1 --data.batch_size 16 --trainer.max_epochs 4 --trainer.accelerator cpu "
    "--trainer.enable_progress_bar false --trainer.enable_model_summary false "
    "--trainer.callbacks recipes.common.averaging.RunningAverage --trainer.callbacks.decay 0.9"
)


def train(arguments: str, hangs_at: int) -> None:
    """Runs the command line; its so-manieth checkpoint is begun and never ended."""
    torch.set_num_threads(1)
    save, count = TorchCheckpointIO.save_checkpoint, 0

    def save_or_hang(self, checkpoint, path, storage_options=None):
        nonlocal count
        count += 1
        if count == hangs_at:
            Path(path).write_bytes(b"half a checkpoint")
            time.sleep(600)
        save(self, checkpoint, path, storage_options)

    TorchCheckpointIO.save_checkpoint = save_or_hang
    sys.argv = ["faces", *arguments.split()]
    main()


def newest(folder: Path) -> Path | None:
    return max(folder.rglob("last.ckpt"), key=os.path.getmtime, default=None)


def killed(folder: Path, arguments: str, hangs_at: int, seconds: float) -> None:
    """Kills a training seconds after its first step, or while it writes a checkpoint."""
    process = PROCESSES.Process(target=train, args=(arguments, hangs_at))
    process.start()
    begun, half = (set(folder.rglob(name)) for name in ("config.yaml", "*.part.ckpt"))
    while process.is_alive() and set(folder.rglob("config.yaml")) == begun:
        time.sleep(0.02)
    until = time.monotonic() + seconds
    while process.is_alive() and time.monotonic() < until:
        if set(folder.rglob("*.part.ckpt")) != half:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it ended before it was killed"


def test_a_training_killed_at_any_moment_goes_on_as_if_nothing_had_happened(tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    arguments, epochs = f"{TRAINING} --trainer.default_root_dir {part}", []
    process = PROCESSES.Process(target=train, args=(arguments.replace(str(part), str(whole)), 0))
    process.start()
    for hangs_at, seconds in ((1, 60), (4, 60), (0, 0.0), (2, 60)):
        last = newest(part)
        resumed = f" --ckpt_path {last}" if last else ""
        killed(part, arguments + resumed, hangs_at, seconds)
        for checkpoint in part.rglob("last.ckpt"):
            torch.load(checkpoint, weights_only=True)
        last = newest(part)
        epochs.append(torch.load(last, weights_only=True)["epoch"] if last else -1)
    assert epochs == sorted(epochs) and epochs[0] == -1 and epochs[-1] < 3
    finished = PROCESSES.Process(target=train, args=(f"{arguments} --ckpt_path {newest(part)}", 0))
    finished.start()
    for each in (process, finished):
        each.join()
        assert each.exitcode == 0
    ours, theirs = (torch.load(newest(run), weights_only=True) for run in (whole, part))
    assert ours["epoch"] == theirs["epoch"] == 3
    for name, value in ours["state_dict"].items():
        assert torch.equal(value, theirs["state_dict"][name]), name
    assert ours["threshold"] == theirs["threshold"]


def test_two_processes_train_and_test_together(tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "recipes.faces", *TRAINING.split()]
    command += ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.max_epochs", "2"]
    done = subprocess.run(
        [*command, "--trainer.default_root_dir", str(tmp_path)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("identification accuracy: ")
    assert done.stdout.count("identification accuracy") == 1
    assert newest(tmp_path) is not None
