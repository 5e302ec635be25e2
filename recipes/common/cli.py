"""The command line that the recipes share: fit, validate, test and predict."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor

from recipes.common.checkpoints import WholeCheckpoints

NOT_WORTH_A_WARNING = (
    "Experiment logs directory",  # the saved configuration lies there too
    "The dirpath has changed",  # every run has a folder of its own
    "You're using the WeightAveraging callback, but",  # checkpoints hold the averaged weights
    "Be aware that when using `ckpt_path`, callbacks",  # which need no averaging any more
    "Total length of `DataLoader` across ranks is zero",  # nothing is set aside to validate on
    ".*does not have many workers",  # images lie in memory
    "`isinstance.treespec",  # between Lightning and torch
)


class RecipeCLI(LightningCLI):
    """Trains, tests and uses one recipe's net; every run has a folder of its own in ``runs``.

    A recipe's own command line says what its figure is, what its run is called, and what it draws,
    and what to do with the pictures of ``predict``.

    Attributes:
        monitored: Validation score of which ``best.ckpt`` has the most.
        predicts: Whether there is a command ``predict`` that reads pictures.
    """

    monitored: str
    predicts = True

    def figure(self, metrics: Mapping[str, Tensor]) -> str:
        """The line that a test prints last."""
        raise NotImplementedError

    def run_name(self, config: Any) -> str:
        """The folder's name in ``runs``, by the configuration of the command."""
        raise NotImplementedError

    def drawing(self) -> Callback:
        """What draws the run's pictures."""
        raise NotImplementedError

    @classmethod
    def subcommands(cls) -> dict[str, set[str]]:
        """Lightning's commands by name, with the arguments of theirs that are no options."""
        commands = LightningCLI.subcommands()
        return commands if cls.predicts else {k: v for k, v in commands.items() if k != "predict"}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--layers",
            choices=["manual", "torch"],
            default="manual",
            help="build net and loss from manualnn, or from torch.nn and autograd",
        )
        parser.link_arguments("layers", "model.layers")
        parser.set_defaults({"trainer.default_root_dir": "runs"})
        if self.predicts:
            parser.add_argument(
                "--pictures",
                nargs="+",
                type=Path,
                default=[],
                help="files and folders that predict reads",
            )
            parser.link_arguments("pictures", "data.pictures")

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        config.weights_only = True  # never run what a checkpoint brings along
        if self.predicts and (self.subcommand == "predict") != bool(config.pictures):
            self.parser.error("predict reads --pictures; the other commands take none")
        if self.subcommand != "fit" and not config.ckpt_path:
            self.parser.error(f"{self.subcommand} needs a trained net: --ckpt_path FILE")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config[self.subcommand]
        if config.trainer.logger is None:
            folder = {"save_dir": config.trainer.default_root_dir, "name": self.run_name(config)}
            tensorboard = TensorBoardLogger(**folder)
            kwargs["logger"] = [tensorboard, CSVLogger(**folder, version=tensorboard.version)]
        self.checkpoints = [ModelCheckpoint(filename="last", enable_version_counter=False)]
        if self.datamodule.validation:
            best = ModelCheckpoint(filename="best", monitor=self.monitored, mode="max")
            self.checkpoints.append(best)
        self.trainer_defaults["callbacks"] = [*self.checkpoints, self.drawing()]
        plugins = config.trainer.plugins or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        kwargs["plugins"] = [WholeCheckpoints(), *kwargs.get("plugins", ()), *plugins]
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
        metrics, folder = self.trainer.callback_metrics, self.trainer.log_dir
        if self.trainer.is_global_zero:
            print(f"pictures, metrics and checkpoints: {folder}")
            print(self.figure(metrics))


def run(
    cli: type[RecipeCLI], module: type[LightningModule], data: type[LightningDataModule], name: str
) -> None:
    """Runs a recipe's command line, ``python -m recipes.NAME``."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in NOT_WORTH_A_WARNING:
        warnings.filterwarnings("ignore", message)
    try:
        cli(
            module,
            data,
            seed_everything_default=0,
            parser_kwargs={"prog": f"python -m recipes.{name}"},
            auto_configure_optimizers=False,
        )
    except FileNotFoundError as error:
        sys.exit(str(error))


def report_skipped(unreadable: Mapping[Path, str]) -> None:
    """Names the files that were left out and why, and ends with exit code 1 if there are any."""
    for path, reason in unreadable.items():
        print(f"skipped {path}: {reason}", file=sys.stderr)
    if unreadable:
        sys.exit(1)
