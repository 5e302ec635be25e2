"""The command line of the faces recipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser
from torch import Tensor

from recipes.common.cli import RecipeCLI, report_skipped, run
from recipes.faces import evaluate, use
from recipes.faces.data import Faces
from recipes.faces.module import FaceRecogniser
from recipes.faces.pictures import Pictures

OTHER_COMMANDS = {
    "enrol": use.main,
    "recognise": use.main,
    "verify": use.main,
    "evaluate": evaluate.main,
}


class FacesCLI(RecipeCLI):
    """Trains and tests a recogniser of faces; ``recognise`` is a command of its own."""

    predicts = False

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.link_arguments("data.people", "model.people", apply_on="instantiate")

    def figure(self, metrics: Mapping[str, Tensor]) -> str:
        if self.datamodule.protocol == "identification":
            return f"identification accuracy: {100 * metrics['test_accuracy']:.2f} %"
        return (
            f"verification: equal error rate {100 * metrics['test_equal_error_rate']:.2f} %, "
            f"AUC {metrics['test_auc']:.4f}, true accepts at 1 % false accepts "
            f"{100 * metrics['test_true_accepts']:.1f} %"
        )

    def run_name(self, config: Any) -> str:
        return config.data.protocol

    def drawing(self) -> Callback:
        return Pictures()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        protocol = self.datamodule.protocol
        self.monitored = "val_accuracy" if protocol == "identification" else "val_auc"
        return super().instantiate_trainer(**kwargs)

    def after_test(self) -> None:
        super().after_test()
        if self.trainer.is_global_zero:
            report_skipped(self.datamodule.everything.skipped)


def main() -> None:
    """Runs the command line: fit, validate, test, enrol, recognise, verify or evaluate."""
    if sys.argv[1:] and sys.argv[1] in OTHER_COMMANDS:
        OTHER_COMMANDS[sys.argv[1]](sys.argv[1:])
    else:
        run(FacesCLI, FaceRecogniser, Faces, "faces")


if __name__ == "__main__":
    main()
