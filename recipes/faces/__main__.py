"""The command line of the faces recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from torch import Tensor

from recipes.common.cli import RecipeCLI, run
from recipes.faces.data import Faces
from recipes.faces.module import FaceRecogniser


class FacesCLI(RecipeCLI):
    """Trains and tests a recogniser of faces."""

    @property
    def monitored(self) -> str:
        return "val_accuracy" if self.datamodule.protocol == "identification" else "val_auc"

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
        return Callback()


def main() -> None:
    """Runs the command line."""
    run(FacesCLI, FaceRecogniser, Faces, "faces")


if __name__ == "__main__":
    main()
