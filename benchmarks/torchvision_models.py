"""Every CNN of torchvision with hand-derived layers: is it the same model, and how much is by hand?

    python -m benchmarks.torchvision_models [resnet18 fcn_resnet50 ...] [--results FILE.csv]
    python -m benchmarks.torchvision_models --families    # the README's table, from the results

Each model, with random weights, is converted, counted and proved (float64, in training and in
evaluation). Its row is written as soon as it is done: a run that was cut off goes on from there.
"""

from __future__ import annotations

import argparse
import csv
import re
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torchvision import models
from torchvision.models import detection, segmentation

import manualnn

TRANSFORMERS = ("vit", "swin", "maxvit")
RESULTS = Path("runs/torchvision_models.csv")

Row = dict[str, Any]


def names() -> list[str]:
    """The classification CNNs, the segmentation models and the detectors."""
    classification = [
        name for name in models.list_models(models) if not name.startswith(TRANSFORMERS)
    ]
    return classification + models.list_models(segmentation) + models.list_models(detection)


def model_and_inputs(name: str) -> tuple[nn.Module, Any]:
    """A model with random weights, and what its forward pass takes."""
    torch.manual_seed(0)
    if name in models.list_models(segmentation):
        model = models.get_model(name, weights=None, weights_backbone=None)
        return model, torch.rand(4, 3, 64, 64)
    if name in models.list_models(detection):
        score = "box_score_thresh" if "rcnn" in name else "score_thresh"
        options: dict[str, Any] = {score: 1e-3}  # random weights are sure of nothing: find much
        if not name.startswith("ssd"):
            options |= {"min_size": 128, "max_size": 192}
        if "rcnn" in name:
            options |= {"rpn_post_nms_top_n_test": 100, "box_batch_size_per_image": 64}
        model = models.get_model(name, weights=None, weights_backbone=None, **options)
        if name.startswith("keypoint"):
            model.roi_heads.register_forward_pre_hook(in_single_precision)
        return model, ([torch.rand(3, 96, 128), torch.rand(3, 120, 100)], [target(), target()])
    size = 299 if name == "inception_v3" else 64  # the least that its auxiliary head takes
    return models.get_model(name, weights=None), torch.rand(2, 3, size, size)


def in_single_precision(heads: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The keypoints in float32: torchvision's heads take no others, in a float64 model too."""
    *others, targets = arguments
    targets = [each | {"keypoints": each["keypoints"].float()} for each in targets or []]
    return *others, targets or None


def target() -> dict[str, Tensor]:
    """Two objects in a picture, with all that any detector learns from."""
    corners = 50 * torch.rand(2, 2)
    return {
        "boxes": torch.cat([corners, corners + 20 + 25 * torch.rand(2, 2)], 1),
        "labels": torch.ones(2, dtype=torch.int64),
        "masks": torch.randint(2, (2, 96, 100), dtype=torch.uint8),
        "keypoints": torch.cat([50 + 20 * torch.rand(2, 17, 2), torch.ones(2, 17, 1)], 2),
    }


def row(name: str) -> Row:
    """What :func:`manualnn.coverage` and :func:`manualnn.prove` say of a model."""
    start, (model, inputs) = perf_counter(), model_and_inputs(name)
    counts = manualnn.coverage(manualnn.convert(model), inputs)
    proof = manualnn.prove(manualnn.revert(model), inputs)
    within = {key: d for key, d in proof.distances.items() if key not in proof.sensitivity}
    worst = {
        mode: max((d for key, d in within.items() if key[0] == mode), default=0.0)
        for mode in ("train", "eval")
    }
    beyond = max(proof.sensitivity, key=lambda key: proof.distances[key], default=None)
    return {
        "model": name,
        "modules": counts.modules.total(),
        "other modules": len(counts.other_modules),
        "nodes": counts.nodes.total(),
        "other nodes": counts.other_nodes.total(),
        "worst in training": f"{worst['train']:.1e}",
        "worst in evaluation": f"{worst['eval']:.1e}",
        "written out": " ".join(proof.written_out),
        "tensors beyond 1e-8": len(proof.sensitivity),
        "the worst of them": f"{proof.distances[beyond]:.1e}" if beyond else "",
        "torch's own, moved": f"{proof.sensitivity[beyond]:.1e}" if beyond else "",
        "equal": "yes" if proof.ok else "NO: " + ", ".join(proof.first_departure.values()),
        "seconds": round(perf_counter() - start),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torchvision_models")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="all, unless some are named")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a CSV file to go on with")
    parser.add_argument("--families", action="store_true", help="print what is known in Markdown")
    arguments = parser.parse_args()
    if unknown := set(arguments.models) - set(names()):
        parser.error(f"torchvision has no CNN {', '.join(sorted(unknown))}")
    done = []
    if arguments.results.exists():
        done = list(csv.DictReader(arguments.results.read_text().splitlines()))
    if arguments.families:
        print(families(done))
        return
    known = {each["model"] for each in done}
    wanted = [name for name in arguments.models or names() if name not in known]
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(wanted, 1):
        print(f"{i} of {len(wanted)}: {name}", flush=True)
        made = row(name)
        with arguments.results.open("a", newline="") as file:
            writer = csv.DictWriter(file, made)
            if not done:
                writer.writeheader()
            writer.writerow(made)
        done.append(made)
    show(done)


def show(done: list[Row]) -> None:
    """All rows as a table, then the models that are not the same."""
    table = Table(*done[0])
    for each in done:
        table.add_row(*map(str, each.values()))
    Console().print(table)
    different = [each["model"] for each in done if each["equal"] != "yes"]
    print(f"{len(done) - len(different)} of {len(done)} equal", *different, sep="\n")


def families(done: list[Row]) -> str:
    """The worst of each family, in Markdown."""
    lines = [
        "| family | models | nodes by hand | worst in training | in evaluation | rounding alone |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for family, group in groupby(sorted(done, key=family_of), family_of):
        rows = list(group)
        ours, others, beyond = (
            sum(int(row[column]) for row in rows)
            for column in ("nodes", "other nodes", "tensors beyond 1e-8")
        )
        rounded = max(rows, key=lambda row: float(row["the worst of them"] or 0))
        cells = (
            family,
            f"{sum(row['equal'] == 'yes' for row in rows)} of {len(rows)} equal",
            f"{100 * ours / (ours + others):.4g} %",
            max((row["worst in training"] for row in rows), key=float),
            max((row["worst in evaluation"] for row in rows), key=float),
            "{the worst of them} ({torch's own, moved})".format(**rounded) if beyond else "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def family_of(row: Row) -> str:
    """The model's name without its size: resnet18 and resnet50 are of one family."""
    found = re.match(r"(wide_)?(deeplabv3|[a-z]+)", row["model"])
    assert found
    return found[0]


if __name__ == "__main__":
    main()
