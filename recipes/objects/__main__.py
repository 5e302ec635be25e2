"""The command line of the objects recipe: fit, validate, test and predict."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, cast

from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser
from torch import Tensor

from manualnn.lightning import LayerSync
from recipes.common.cli import RecipeCLI, report_skipped, run
from recipes.objects.boxes import surest
from recipes.objects.data import Objects
from recipes.objects.finding import results, save_results, save_with_boxes
from recipes.objects.module import ObjectFinder
from recipes.objects.pictures import Pictures
from recipes.objects.scenes import Faulty


class ObjectsCLI(RecipeCLI):
    """Trains, tests and uses a detector."""

    monitored = "val_mAP50"

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.link_arguments("model.classes", "data.classes")
        parser.link_arguments("model.size", "data.size")

    def figure(self, metrics: Mapping[str, Tensor]) -> str:
        return f"mAP50: {metrics['test_mAP50']:.3f}"

    def run_name(self, config: Any) -> str:
        return "objects-" + ("found" if self.subcommand == "predict" else config.data.layout)

    def drawing(self) -> Callback:
        return Pictures(self.datamodule.classes)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        return super().instantiate_trainer(plugins=[LayerSync()], **kwargs)

    def predict(self, **kwargs: Any) -> None:
        """Writes the pictures with the boxes found in them, and all detections as JSON."""
        files, classes, shown = (
            self.datamodule.pictures,
            self.model.classes,
            self.model.mistakes.shown,
        )
        folder = Path(self.trainer.log_dir or self.trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        if not len(files):
            sys.exit(f"no picture in {', '.join(map(str, self.config.predict.pictures))}")
        batches = cast("list[list[dict[str, Tensor]]]", self.trainer.predict(**kwargs))
        found = list(chain.from_iterable(batches))
        for number, (path, objects) in enumerate(zip(files.read, found, strict=True), 1):
            target = folder / f"{number:04}-{path.stem}.png"
            sure = surest(objects, shown)
            save_with_boxes(path, target, sure, classes)
            counts = Counter(classes[label] for label in sure["labels"].tolist())
            listed = ", ".join(f"{counts[name]} {name}" for name in classes if counts[name])
            print(f"{path}: {listed or 'nothing'}")
        save_results(list(results(found, files.read, classes)), folder / "found.json")
        print(f"pictures with boxes and found.json: {folder}")
        report_skipped(files.unreadable)


def main() -> None:
    """Runs the command line."""
    try:
        run(ObjectsCLI, ObjectFinder, Objects, "objects")
    except Faulty as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
