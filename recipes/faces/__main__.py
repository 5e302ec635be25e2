"""The command line of the faces recipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from torch import Tensor

from recipes.common.checkpoints import WholeCheckpoints
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
    """Trains and tests a recogniser of faces."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Without predict: ``recognise`` and ``verify`` are commands of their own."""
        return {
            name: arguments
            for name, arguments in LightningCLI.subcommands().items()
            if name != "predict"
        }

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--layers",
            choices=["manual", "torch"],
            default="manual",
            help="build net and loss from manualnn, or from torch.nn and autograd",
        )
        parser.link_arguments("layers", "model.layers")
        parser.link_arguments("data.people", "model.people", apply_on="instantiate")
        parser.set_defaults({"trainer.default_root_dir": "runs"})

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        config.weights_only = True  # never run what a checkpoint brings along
        if self.subcommand != "fit" and not config.ckpt_path:
            self.parser.error(f"{self.subcommand} needs a trained net: --ckpt_path FILE")

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
        plugins = self.config[self.subcommand].trainer.plugins or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        kwargs["plugins"] = [WholeCheckpoints(), *plugins]
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
