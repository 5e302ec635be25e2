"""The recipe as a person uses it: by its command line, from training to reading pictures."""

from __future__ import annotations

import csv
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from recipes.digits.__main__ import main
from recipes.digits.data import load
from recipes.digits.module import DigitReader

TRAINING = (
    "--model.net small --model.learning_rate 0.01 "
    "--trainer.max_epochs 6 --trainer.accelerator cpu "
    "--trainer.callbacks recipes.common.averaging.RunningAverage --trainer.callbacks.decay 0.98"
)


def command(line: str) -> None:
    """Runs ``python -m recipes.digits LINE`` in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["digits", *line.split()])
        main()


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Where a small net has been trained on the embedded digits."""
    folder = tmp_path_factory.mktemp("runs")
    command(f"fit {TRAINING} --trainer.default_root_dir {folder}")
    return folder


@pytest.fixture(scope="module")
def run(runs) -> Path:
    return runs / "small" / "version_0"


def test_fit_leaves_checkpoints_metrics_and_pictures(run):
    names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"checkpoints/best.ckpt", "checkpoints/last.ckpt", "config.yaml"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    for name in ("curves.png", "confusion.png", "misread.png", "kernels.png"):
        with Image.open(run / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5, f"{name} is empty"


def test_metrics_are_a_table_of_epochs(run):
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    learning = [float(row["train_loss"]) for row in rows if row["train_loss"]]
    validation = [float(row["val_accuracy"]) for row in rows if row["val_accuracy"]]
    assert len(learning) == len(validation) == 6
    assert learning[-1] < learning[0] / 2
    assert validation[-1] > 0.95
    assert float(rows[-1]["test_accuracy"]) > 0.96


def test_prints_its_figure_last_and_tests_the_saved_weights(run, runs, capsys):
    with (run / "metrics.csv").open() as file:
        measured = float(list(csv.DictReader(file))[-1]["test_accuracy"])
    last = run / "checkpoints" / "last.ckpt"
    command(f"test --ckpt_path {last} --trainer.default_root_dir {runs}")
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed == f"test accuracy: {100 * measured:.2f} %"
    assert (runs / "small" / "version_1" / "confusion.png").exists()


def on_lined_paper(digit: np.ndarray, random: np.random.Generator) -> Image.Image:
    """The digit enlarged, in dark ink, somewhere on a lined page."""
    side = int(random.integers(100, 400))
    page = Image.new("L", tuple(int(side * f) for f in random.uniform(1.2, 2.5, 2)), 240)
    draw = ImageDraw.Draw(page)
    for height in range(int(random.integers(40)), page.height, int(random.integers(20, 60))):
        draw.line([(0, height), (page.width, height)], fill=int(random.integers(150, 200)))
    ink = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    corner = [int(random.integers(room - side)) for room in page.size]
    page.paste(int(random.integers(10, 80)), tuple(corner), ink)
    return page


def test_predict_reads_pictures_of_held_out_digits(run, runs, tmp_path, capsys):
    random = np.random.default_rng(0)
    images, labels = load("embedded", Path("unused"))[1].tensors
    chosen = random.permutation(len(labels))[:200]
    for number, index in enumerate(chosen):
        page = on_lined_paper(images[index, 0].numpy(), random)
        page.save(tmp_path / f"{number:03}.jpg", quality=int(random.integers(40, 90)))
    best = run / "checkpoints" / "best.ckpt"
    command(f"predict --ckpt_path {best} --pictures {tmp_path} --trainer.default_root_dir {runs}")
    out = capsys.readouterr().out
    readings = re.findall(r"(\d{3})\.jpg: (\d) \((\d+\.\d) %\)", out)
    assert [int(number) for number, _, _ in readings] == list(range(200))
    right = [int(digit) == labels[chosen[int(number)]] for number, digit, _ in readings]
    assert sum(right) >= 0.95 * 200
    assert all(10 <= float(probability) <= 100 for _, _, probability in readings)
    sheet = Path(re.search(r"sheet: (.*)", out)[1])
    with Image.open(sheet) as picture:
        assert picture.height > picture.width


def test_predict_names_what_it_cannot_read_and_says_so_in_its_exit_code(run, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    zero = load("embedded", Path("unused"))[1].tensors[0][0, 0].numpy()
    on_lined_paper(zero, np.random.default_rng(1)).save(tmp_path / "fine.png")
    pictures = " ".join(str(tmp_path / name) for name in ("broken.png", "fine.png", "gone.jpg"))
    with pytest.raises(SystemExit) as stop:
        command(
            f"predict --ckpt_path {run}/checkpoints/best.ckpt --pictures {pictures} "
            f"--trainer.default_root_dir {tmp_path}"
        )
    assert stop.value.code == 1
    out, err = capsys.readouterr()
    assert "fine.png: 0" in out
    assert re.search(r"skipped \S+broken.png: ", err) and re.search(r"skipped \S+gone.jpg: ", err)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("test", "test needs a trained net: --ckpt_path"),
        ("predict --ckpt_path some.ckpt", "predict reads --pictures"),
        ("fit --pictures some.png", "predict reads --pictures"),
        ("fit --model.net huge", "huge"),
        ("fit --layers numpy", "numpy"),
    ],
)
def test_explains_what_a_command_lacks(line, message, capsys):
    with pytest.raises(SystemExit) as stop:
        command(line)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_missing_dataset_is_explained_without_a_traceback(tmp_path):
    with pytest.raises(SystemExit, match=r"--data\.download true"):
        command(
            f"fit --data.dataset fashion --data.root {tmp_path} --trainer.max_epochs 1 "
            f"--trainer.default_root_dir {tmp_path}"
        )


def test_an_interrupt_keeps_the_best_so_far(tmp_path, monkeypatch, capsys):
    def interrupt(module: DigitReader) -> None:
        if module.current_epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(DigitReader, "on_train_epoch_start", interrupt)
    with pytest.raises(SystemExit) as stop:
        command(
            "fit --model.net fully_connected --trainer.max_epochs 5 --trainer.accelerator cpu "
            f"--trainer.limit_train_batches 3 --trainer.default_root_dir {tmp_path}"
        )
    assert stop.value.code == 1
    last, best = re.search(r"interrupted; kept: (\S+) (\S+)", capsys.readouterr().out).groups()
    folder = tmp_path / "fully_connected" / "version_0" / "checkpoints"
    assert [Path(last), Path(best)] == [folder / "last.ckpt", folder / "best.ckpt"]
    assert torch.load(last, weights_only=True)["epoch"] == 1
    assert torch.load(best, weights_only=True)["epoch"] <= 1


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
        command(f"test --ckpt_path {tmp_path}/evil.ckpt")
    assert not (tmp_path / "trace").exists()
