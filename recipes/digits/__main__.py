"""The command line of the digits recipe: fit, validate, test and predict."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any, cast

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor

from recipes.digits.data import Digits
from recipes.digits.module import DigitReader
from recipes.digits.pictures import Pictures, sheet

NOT_WORTH_A_WARNING = (
    "Experiment logs directory",  # the saved configuration lies there too
    "The dirpath has changed",  # every run has a folder of its own
    "You're using the WeightAveraging callback, but",  # checkpoints hold the averaged weights
    "Be aware that when using `ckpt_path`, callbacks",  # which need no averaging any more
    "Total length of `DataLoader` across ranks is zero",  # nothing is set aside to validate on
    ".*does not have many workers",  # images lie in memory
    "`isinstance.treespec",  # between Lightning and torch
)


class DigitsCLI(LightningCLI):
    """Trains, tests and uses a reader of digits; every run has a folder of its own in ``runs``."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--layers",
            choices=["manual", "torch"],
            default="manual",
            help="build the net from manualnn or from torch.nn",
        )
        parser.add_argument(
            "--pictures",
            nargs="+",
            type=Path,
            default=[],
            help="files and folders that predict reads",
        )
        parser.link_arguments("layers", "model.layers")
        parser.link_arguments("pictures", "data.pictures")
        parser.set_defaults({"trainer.default_root_dir": "runs"})

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        config.weights_only = True  # never run what a checkpoint brings along
        if (self.subcommand == "predict") != bool(config.pictures):
            self.parser.error("predict reads --pictures; the other commands take none")
        if self.subcommand != "fit" and not config.ckpt_path:
            self.parser.error(f"{self.subcommand} needs a trained net: --ckpt_path FILE")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config[self.subcommand]
        if config.trainer.logger is None:
            folder = {"save_dir": config.trainer.default_root_dir, "name": config.model.net}
            tensorboard = TensorBoardLogger(**folder)
            kwargs["logger"] = [tensorboard, CSVLogger(**folder, version=tensorboard.version)]
        self.checkpoints = [ModelCheckpoint(filename="last", enable_version_counter=False)]
        if self.datamodule.validation:
            best = ModelCheckpoint(filename="best", monitor="val_accuracy", mode="max")
            self.checkpoints.append(best)
        pictures = Pictures(self.datamodule.classes)
        self.trainer_defaults["callbacks"] = [*self.checkpoints, pictures]
        return super().instantiate_trainer(**kwargs)

    def fit(self, **kwargs: Any) -> None:
        """Trains; when interrupted, says which checkpoints are kept."""
        try:
            self.trainer.fit(**kwargs)
        except SystemExit:
            print("interrupted; kept:", *(kept.best_model_path for kept in self.checkpoints))
            raise

    def after_fit(self) -> None:
        """Tests the weights of the last epoch."""
        self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)
        self.after_test()

    def after_test(self) -> None:
        accuracy = self.trainer.callback_metrics["test_accuracy"]
        folder = self.trainer.log_dir
        if self.trainer.is_global_zero:
            print(f"pictures, metrics and checkpoints: {folder}")
            print(f"test accuracy: {100 * accuracy:.2f} %")

    def predict(self, **kwargs: Any) -> None:
        """Prints each picture's digit and probability, and draws them all on a sheet."""
        data = self.datamodule
        if data.pictures:
            probabilities = torch.cat(cast("list[Tensor]", self.trainer.predict(**kwargs)))
            for picture, shares in zip(data.pictures, probabilities, strict=True):
                digit = data.classes[int(shares.argmax())]
                print(f"{picture.path}: {digit} ({100 * shares.max():.1f} %)")
            target = Path(self.trainer.log_dir or ".") / "sheet.png"
            sheet(data.pictures, probabilities, data.classes).savefig(target)
            print(f"sheet: {target}")
        for path, reason in data.unreadable.items():
            print(f"skipped {path}: {reason}", file=sys.stderr)
        if data.unreadable:
            sys.exit(1)


def main() -> None:
    """Runs the command line."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in NOT_WORTH_A_WARNING:
        warnings.filterwarnings("ignore", message)
    try:
        DigitsCLI(
            DigitReader,
            Digits,
            seed_everything_default=0,
            parser_kwargs={"prog": "python -m recipes.digits"},
            auto_configure_optimizers=False,
        )
    except FileNotFoundError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
