"""The recipe as a person uses it: by its command line, from training to the table."""

from __future__ import annotations

import csv
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recipes.faces import evaluate
from recipes.faces.__main__ import main

TRAINING = (
    "--layers torch --model.head 16 --data.repeats 1 --data.folds 2 "
    "--trainer.max_epochs 3 "
    "--trainer.accelerator cpu --trainer.enable_progress_bar false "
    "--trainer.enable_model_summary false"
)


def command(line: str) -> None:
    """Runs ``python -m recipes.faces LINE`` in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["faces", *line.split()])
        main()


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Where a net has learnt people for a moment."""
    folder = tmp_path_factory.mktemp("runs")
    command(
        f"fit {TRAINING} --data.protocol verification --data.validation 6 "
        f"--trainer.default_root_dir {folder}"
    )
    return folder


@pytest.fixture(scope="module")
def run(runs) -> Path:
    return runs / "verification" / "version_0"


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_fit_leaves_checkpoints_metrics_and_pictures(run):
    names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"checkpoints/best.ckpt", "checkpoints/last.ckpt", "config.yaml"} <= names
    pictures = ("curves", "embeddings", "roc", "confusable", "prepared", "occlusion")
    for name in pictures:
        with Image.open(run / f"{name}.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 5, f"{name} is empty"


def test_it_learns_and_strangers_are_told_apart(run):
    learning = [float(row["train_loss"]) for row in rows(run) if row["train_loss"]]
    assert len(learning) == 3 and learning[-1] < learning[0]
    last = rows(run)[-1]
    assert float(last["test_auc"]) > 0.8
    assert 0 < float(last["test_equal_error_rate"]) < 0.35
    assert "test_accuracy" not in last


def test_the_threshold_is_the_validation_pairs(run):
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert -1 < saved["threshold"] < 1


def test_prints_its_figure_last_and_tests_the_saved_weights(run, runs, capsys):
    last = rows(run)[-1]
    command(
        f"test --config {run}/config.yaml --ckpt_path {run}/checkpoints/last.ckpt "
        f"--trainer.default_root_dir {runs}"
    )
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed.startswith(
        f"verification: equal error rate {100 * float(last['test_equal_error_rate']):.2f} %, "
        f"AUC {float(last['test_auc']):.4f}"
    )


def test_learns_a_folder_leaves_out_what_it_must_and_says_so_in_its_exit_code(tmp_path, capsys):
    for person in range(4):
        (tmp_path / "album" / f"p{person}").mkdir(parents=True)
        for number in range(4 if person else 1):
            random = np.random.default_rng(10 * person + number)
            pixels = random.integers(0, 256, (112, 92), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "album" / f"p{person}" / f"{number}.png")
    with pytest.raises(SystemExit) as stop:
        command(
            f"fit {TRAINING} --trainer.max_epochs 1 --data.dataset folder "
            f"--data.root {tmp_path}/album --data.learn 2 --trainer.default_root_dir {tmp_path}"
        )
    assert stop.value.code == 1
    out, err = capsys.readouterr()
    assert re.fullmatch(r"identification accuracy: \d+\.\d\d %", out.splitlines()[-1])
    assert re.search(r"skipped \S+0\.png: the only picture of p0", err)
    best = tmp_path / "identification" / "version_0" / "checkpoints" / "best.ckpt"
    assert not best.exists()  # nothing was set aside to validate on


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("test", "test needs a trained net: --ckpt_path"),
        ("fit --data.protocol both", "both"),
        ("fit --layers numpy", "numpy"),
        ("enrol", "--ckpt_path"),
        ("recognise --ckpt_path some.ckpt", "pictures"),
    ],
)
def test_explains_what_a_command_lacks(line, message, capsys):
    with pytest.raises(SystemExit) as stop:
        command(line)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_missing_faces_are_explained_without_a_traceback(tmp_path):
    with pytest.raises(SystemExit, match=r"no folder .*gone"):
        command(f"fit --data.dataset folder --data.root {tmp_path}/gone")


class Dangerous:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_a_checkpoint_cannot_run_code(run, tmp_path):
    contents = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    torch.save(contents | {"extra": Dangerous(tmp_path / "trace")}, tmp_path / "evil.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        command(
            f"test --data.protocol verification --ckpt_path {tmp_path}/evil.ckpt "
            f"--trainer.default_root_dir {tmp_path}"
        )
    assert not (tmp_path / "trace").exists()


def test_the_table_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    trained = []

    def train(run, folder, others):
        trained.append((run["split"], run["seed"]))
        if len(trained) == 3:
            raise KeyboardInterrupt
        return {"accuracy": str(0.98 + 0.01 * int(run["seed"]))}

    monkeypatch.setattr(evaluate, "train", train)
    line = f"evaluate identification --splits 0 3 --seeds 0 1 --table {tmp_path}/table.csv"
    with pytest.raises(KeyboardInterrupt):
        command(line)
    command(line)
    assert trained == [("0", "0"), ("0", "1"), ("3", "0"), ("3", "0"), ("3", "1")]
    printed = capsys.readouterr().out
    assert "| identification | manual | all | 4 | 98.5 (98.0-99.0) |  |  |  |" in printed
    assert re.search(r"\| identification \| eigenfaces \| 0 \| 1 \| [89]\d\.\d \|", printed)
    with (tmp_path / "table.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == 6 and tuple(table[0]) == evaluate.COLUMNS


def test_the_table_trains_by_the_command_line(tmp_path, monkeypatch):
    def fit(line, check):
        assert check and line[1:4] == ["-m", "recipes.faces", "fit"]
        root = Path(line[line.index("--trainer.default_root_dir") + 1]) / "run"
        root.mkdir(parents=True)
        (root / "metrics.csv").write_text("epoch,test_auc\n0,\n1,0.75\n")
        assert line[line.index("--data.split") + 1] == "2" and line[-1] == "--fast"

    monkeypatch.setattr(evaluate.subprocess, "run", fit)
    run = {"protocol": "verification", "layers": "manual", "split": "2", "seed": "7"}
    scores = evaluate.train(run, tmp_path, ["--fast"])
    assert scores == {"accuracy": "", "equal_error_rate": "", "auc": "0.75", "true_accepts": ""}
