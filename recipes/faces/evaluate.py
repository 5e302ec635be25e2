"""The table of the recipe: every split, several seeds, and eigenfaces beside the net."""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import mean

import torch

from recipes.common.files import written_whole
from recipes.faces.data import Faces
from recipes.faces.eigenfaces import eigenfaces
from recipes.faces.metrics import Compared
from recipes.faces.module import measure

SCORES = ("accuracy", "equal_error_rate", "auc", "true_accepts")
COLUMNS = ("protocol", "layers", "split", "seed", *SCORES, "seconds")
CONFIGS = Path(__file__).with_name("configs")
Row = Mapping[str, str]


def main(arguments: Sequence[str]) -> None:
    """Trains what the table lacks, one run after another, and prints it."""
    parser = argparse.ArgumentParser(prog="python -m recipes.faces", description=__doc__)
    parser.add_argument("command", choices=["evaluate"])
    parser.add_argument("protocol", choices=["identification", "verification"])
    parser.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--layers", choices=["manual", "torch"], default="manual")
    parser.add_argument(
        "--table", type=Path, default=Path("runs/faces.csv"), help="finished runs; it goes on there"
    )
    chosen, others = parser.parse_known_args(arguments)
    rows = read(chosen.table)
    for split, layers in product(chosen.splits, ["eigenfaces", chosen.layers]):
        for seed in chosen.seeds if layers != "eigenfaces" else [0]:
            run = dict(zip(COLUMNS, (chosen.protocol, layers, str(split), str(seed)), strict=False))
            if not any(run.items() <= row.items() for row in rows):
                start = time.perf_counter()
                if layers == "eigenfaces":
                    scores = baseline(chosen.protocol, split)
                else:
                    scores = train(run, chosen.table.parent, others)
                seconds = f"{time.perf_counter() - start:.0f}"
                rows.append(run | scores | {"seconds": seconds})
                write(chosen.table, rows)
    for line in summary(rows):
        print(line)


def train(run: Row, folder: Path, others: Sequence[str]) -> dict[str, str]:
    """Trains one net in a process of its own; returns its test scores."""
    name = "-".join(run.values())
    root = folder / name / str(time.time_ns())
    command = [sys.executable, "-m", "recipes.faces", "fit"]
    command += ["--config", str(CONFIGS / f"{run['protocol']}.yaml")]
    command += ["--seed_everything", run["seed"], "--layers", run["layers"]]
    command += ["--data.split", run["split"], "--trainer.default_root_dir", str(root), *others]
    subprocess.run(command, check=True)
    (metrics,) = root.rglob("metrics.csv")
    with metrics.open(newline="") as file:
        *_, last = csv.DictReader(file)
    return {score: last.get(f"test_{score}", "") for score in SCORES}


def baseline(protocol: str, split: int) -> dict[str, str]:
    """Returns the test scores of eigenfaces."""
    data = Faces(protocol=protocol, split=split)  # type: ignore[arg-type]
    faces, people, parts = data.everything.faces / 255, data.everything.people, data.parts
    enrolled = parts.learn if protocol == "identification" else parts.learn[:0]
    chosen = torch.cat([enrolled, parts.test])
    compared = Compared()
    embeddings = eigenfaces(faces[parts.learn], faces[chosen])
    compared.update(embeddings, people[chosen], chosen, torch.isin(chosen, enrolled))
    scores, _ = measure(compared)
    return {name: str(score.item()) for name, score in scores.items()}


def summary(rows: Sequence[Row]) -> Iterator[str]:
    """The table in Markdown: mean and range of the runs of each protocol and kind of layers."""
    titles = ["protocol", "layers", "split", "runs"]
    titles += ["accuracy %", "equal error rate %", "AUC", "true accepts %"]
    yield f"| {' | '.join(titles)} |"
    yield "| --- " * len(titles) + "|"
    for protocol, layers in dict.fromkeys((row["protocol"], row["layers"]) for row in rows):
        group = [row for row in rows if (row["protocol"], row["layers"]) == (protocol, layers)]
        for split in [*dict.fromkeys(row["split"] for row in group), "all"]:
            chosen = [row for row in group if split in (row["split"], "all")]
            cells = [protocol, layers, split, str(len(chosen))]
            for score, factor, digits in zip(SCORES, (100, 100, 1, 100), (1, 1, 4, 1), strict=True):
                values = [factor * float(row[score]) for row in chosen if row.get(score)]
                cells.append(spread(values, digits))
            yield f"| {' | '.join(cells)} |"


def spread(values: Sequence[float], digits: int) -> str:
    """Mean and range, e.g. ``99.3 (99.0-99.5)``."""
    if not values:
        return ""
    low, middle, high = (f"{f(values):.{digits}f}" for f in (min, mean, max))
    return middle if low == high else f"{middle} ({low}-{high})"


def read(table: Path) -> list[Row]:
    """Reads the finished runs."""
    if not table.exists():
        return []
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def write(table: Path, rows: Sequence[Row]) -> None:
    """Writes all runs, whole or not at all."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(table) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
