"""The recipe as a person uses it: by its command line, from training to pictures with boxes."""

from __future__ import annotations

import csv
import json
import multiprocessing
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recipes.objects import benchmark
from recipes.objects.module import ObjectFinder
from tests.recipes.objects_process import MOMENTS, command, killed

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.recipes.objects_process"])
ROOT = Path(__file__).parents[2]
COLORS = {"tomato": (220, 50, 30), "plum": (70, 40, 160)}


def draw_fruit(path: Path, random: np.random.Generator, size=(64, 64)) -> list[tuple]:
    """A picture of one to three fruit on a gray table; returns their names and boxes."""
    table = np.full((size[1], size[0], 3), random.integers(120, 200), np.uint8)
    table = table + random.integers(0, 20, table.shape, np.uint8)
    objects = []
    for place in random.permutation(4)[: random.integers(1, 4)]:
        name = str(random.choice(list(COLORS)))
        side = int(random.integers(14, 28)) * min(size) // 64
        left, top = (place % 2) * size[0] // 2 + 2, (place // 2) * size[1] // 2 + 2
        rows, columns = (axis - (side - 1) / 2 for axis in np.ogrid[:side, :side])
        disc = rows**2 + columns**2 <= (side / 2) ** 2
        table[top : top + side, left : left + side][disc] = COLORS[name]
        objects.append((name, (left, top, left + side, top + side)))
    Image.fromarray(table).save(path)
    return objects


@pytest.fixture(scope="module")
def fruit(tmp_path_factory) -> Path:
    """A Pascal VOC folder of fruit."""
    root = tmp_path_factory.mktemp("fruit")
    random = np.random.default_rng(0)
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for split, count in (("train", 48), ("val", 8), ("test", 16)):
        names = [f"{split}{number:02}" for number in range(count)]
        for name in names:
            objects = draw_fruit(root / "JPEGImages" / f"{name}.jpg", random)
            corners = ("xmin", "ymin", "xmax", "ymax")
            rows = "".join(
                f"<object><name>{kind}</name><bndbox>"
                + "".join(f"<{c}>{v}</{c}>" for c, v in zip(corners, box, strict=True))
                + "</bndbox></object>\n"
                for kind, box in objects
            )
            text = f"<annotation>\n{rows}</annotation>\n"
            (root / "Annotations" / f"{name}.xml").write_text(text)
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(names))
    return root


def fit(root: Path, folder: Path, epochs: int, options: str = "") -> str:
    return (
        f"fit --data.layout voc --data.root {root} --model.classes=[tomato,plum] "
        "--model.size=[64,64] --model.channels=[8,16,16,16] --model.blocks=[0,1,0,0] "
        f"--model.width 16 --model.learning_rate 0.01 --trainer.max_epochs {epochs} "
        "--trainer.accelerator cpu --trainer.enable_progress_bar false --data.batch_size 8 "
        "--trainer.log_every_n_steps 2 --trainer.enable_model_summary false "
        "--trainer.callbacks recipes.common.averaging.RunningAverage --trainer.callbacks.decay 0.9 "
        f"--trainer.default_root_dir {folder} {options}"
    )


def run_command(line: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", sys.argv)
        threads = torch.get_num_threads()
        command(line)
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def runs(fruit, tmp_path_factory) -> Path:
    """Where a small net has been trained on fruit."""
    folder = tmp_path_factory.mktemp("runs")
    run_command(fit(fruit, folder, 15, "--trainer.check_val_every_n_epoch 5"))
    return folder


@pytest.fixture(scope="module")
def run(runs) -> Path:
    return runs / "objects-voc" / "version_0"


def test_fit_leaves_checkpoints_metrics_and_pictures(run):
    names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"checkpoints/best.ckpt", "checkpoints/last.ckpt", "config.yaml"} <= names
    for name in ("curves.png", "found.png", "precision_recall.png", "mistakes.png"):
        with Image.open(run / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5, f"{name} is empty"


def last_row(run: Path) -> dict[str, str]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))[-1]


def test_finds_fruit_it_has_not_seen(run):
    row = {name: float(value) for name, value in last_row(run).items() if value}
    assert row["test_mAP50"] > 0.9
    assert 0 < row["test_mAP"] < row["test_mAP50"]
    classes = [row[f"test_AP50_{name}"] for name in COLORS]
    assert sum(classes) / 2 == pytest.approx(row["test_mAP50"], abs=1e-5)


def test_prints_its_figure_last_and_tests_the_saved_weights(run, runs, fruit, capsys, monkeypatch):
    line = f"test --ckpt_path {run}/checkpoints/last.ckpt --data.layout voc --data.root {fruit}"
    line += f" --trainer.default_root_dir {runs} --trainer.accelerator cpu"
    run_command(line)
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed == f"mAP50: {float(last_row(run)['test_mAP50']):.3f}"
    views = []
    monkeypatch.setattr(ObjectFinder, "on_test_start", lambda module: views.extend(module.views))
    run_command(f"{line} --model.flips true")
    assert len(views) == 4
    assert float(capsys.readouterr().out.splitlines()[-1].removeprefix("mAP50: ")) > 0.9


def test_the_benchmark_counts_pictures_per_second(run, monkeypatch, capsys):
    line = ["benchmark", f"{run}/checkpoints/best.ckpt", "--size", "80", "60", "--count", "3"]
    monkeypatch.setattr(sys, "argv", line)
    benchmark.main()
    speed = re.fullmatch(
        r"(.*) pictures of 80x60 per second, \d+ threads\n", capsys.readouterr().out
    )
    assert float(speed[1]) > 5


class Dangerous:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_a_checkpoint_cannot_run_code(run, tmp_path, monkeypatch):
    contents = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    evil = tmp_path / "evil.ckpt"
    torch.save(contents | {"extra": Dangerous(tmp_path / "trace")}, evil)
    with pytest.raises(pickle.UnpicklingError):
        run_command(f"predict --ckpt_path {evil} --pictures {run}")
    monkeypatch.setattr(sys, "argv", ["benchmark", str(evil)])
    with pytest.raises(pickle.UnpicklingError):
        benchmark.main()
    assert not (tmp_path / "trace").exists()


def save_kinds(folder: Path) -> dict[str, tuple[int, int]]:
    """One scene in every kind of file, and what is no picture; returns the pictures' sizes."""
    folder.mkdir()
    draw_fruit(folder / "colour.png", np.random.default_rng(5), (320, 240))
    with Image.open(folder / "colour.png") as picture:
        picture.convert("L").save(folder / "gray.png")
        picture.convert("P").save(folder / "palette.png")
        picture.convert("RGBA").save(folder / "alpha.png")
        picture.convert("CMYK").save(folder / "cmyk.jpg")
        sixteen = np.asarray(picture.convert("L"), np.uint16) * 257
        Image.fromarray(sixteen).save(folder / "sixteen.tif")
        turned = picture.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6
        turned.save(folder / "turned.jpg", exif=exif)
        picture.resize((1000, 30)).save(folder / "wide.png")
    whole = (folder / "colour.png").read_bytes()
    (folder / "short.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.txt").write_text("not looked at")
    return {"wide": (1000, 30), "turned": (320, 240), "sixteen": (320, 240)}


def test_predict_takes_pictures_of_all_kinds_and_names_the_others(run, tmp_path, capsys):
    sizes = save_kinds(tmp_path / "mine")
    with pytest.raises(SystemExit) as stop:
        run_command(
            f"predict --ckpt_path {run}/checkpoints/best.ckpt --pictures {tmp_path}/mine "
            f"{tmp_path}/gone.png --trainer.default_root_dir {tmp_path} --trainer.accelerator cpu"
        )
    assert stop.value.code == 1
    out, err = capsys.readouterr()
    for name in ("short.png", "empty.jpg", "gone.png"):
        assert re.search(rf"skipped \S+{name}: ", err)
    (found,) = tmp_path.rglob("found.json")
    rows = json.loads(found.read_text())
    of_colour = [row for row in rows if row["file_name"].endswith("colour.png")]
    for name in ("palette.png", "alpha.png", "cmyk.jpg", "turned.jpg"):
        assert re.search(rf"{name}: .*[1-9]", out)
    assert (
        sizes.items()
        <= {path.stem[5:]: Image.open(path).size for path in found.parent.glob("*.png")}.items()
    )
    assert {row["image_id"] for row in rows} <= set(range(1, 9))
    best = max(of_colour, key=lambda row: row["score"])
    assert best["score"] > 0.5 and best["category_name"] in COLORS
    assert best["category_id"] == list(COLORS).index(best["category_name"]) + 1
    truth = draw_fruit(tmp_path / "again.png", np.random.default_rng(5), (320, 240))
    left, top, width, height = best["bbox"]
    near = [
        np.abs(np.subtract(box, (left, top, left + width, top + height))).max() for _, box in truth
    ]
    assert min(near) < 16


def test_predict_of_an_empty_folder_says_so(run, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    with pytest.raises(SystemExit) as stop:
        run_command(
            f"predict --ckpt_path {run}/checkpoints/best.ckpt --pictures {tmp_path}/none "
            f"--trainer.default_root_dir {tmp_path} --trainer.accelerator cpu"
        )
    assert stop.value.code == f"no picture in {tmp_path}/none"


def test_a_faulty_data_set_is_explained_without_a_traceback(fruit, tmp_path):
    with pytest.raises(SystemExit, match=r"train\d\d\.xml:2: unknown class .*\n(.*\n)*.*skip_bad"):
        run_command(fit(fruit, tmp_path, 1, "--model.classes=[tomato,fig]"))


def test_a_class_without_boxes_has_no_figure_and_does_no_harm(fruit, tmp_path, capsys):
    options = "--model.classes=[tomato,plum,fig] --trainer.limit_train_batches 1"
    run_command(fit(fruit, tmp_path, 1, options))
    assert re.fullmatch(r"mAP50: 0\.\d{3}", capsys.readouterr().out.splitlines()[-1])
    assert "test_AP50_fig" not in last_row(tmp_path / "objects-voc" / "version_0")


@pytest.fixture(scope="module")
def whole(fruit, tmp_path_factory) -> dict[str, torch.Tensor]:
    """The weights after three epochs without a break."""
    folder = tmp_path_factory.mktemp("whole")
    run_command(fit(fruit, folder, 3, "--data.validation null"))
    return weights(folder)


def weights(folder: Path, version: int = 0) -> dict[str, torch.Tensor]:
    last = folder / "objects-voc" / f"version_{version}" / "checkpoints" / "last.ckpt"
    return torch.load(last, weights_only=True)["state_dict"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(moment, fruit, whole, tmp_path):
    line = fit(fruit, tmp_path, 3, "--data.validation null")
    process = PROCESSES.Process(target=killed, args=(line, moment))
    process.start()
    process.join()
    assert process.exitcode == -9
    last = tmp_path / "objects-voc" / "version_0" / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["epoch"] == 0
    run_command(f"{line} --ckpt_path {last}")
    for name, value in weights(tmp_path, 1).items():
        assert torch.equal(value, whole[name]), name


def test_trains_on_two_processes(fruit, tmp_path):
    line = fit(fruit, tmp_path, 1, "--trainer.strategy ddp --trainer.devices 2")
    done = subprocess.run(
        [sys.executable, "-m", "recipes.objects", *line.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"mAP50: [01]\.\d{3}", done.stdout.splitlines()[-1])
    assert done.stdout.count("mAP50: ") == 1
    assert (tmp_path / "objects-voc" / "version_0" / "found.png").exists()
