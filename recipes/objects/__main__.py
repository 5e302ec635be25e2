"""The command line of the objects recipe: fit, validate, test and predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser
from torch import Tensor

from recipes.common.cli import RecipeCLI, run
from recipes.objects.data import Objects
from recipes.objects.module import ObjectFinder


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
        return f"objects-{config.data.layout}"

    def drawing(self) -> Callback:
        return Callback()


def main() -> None:
    """Runs the command line."""
    run(ObjectsCLI, ObjectFinder, Objects, "objects")


if __name__ == "__main__":
    main()
