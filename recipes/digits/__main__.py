"""The command line of the digits recipe: fit, validate, test and predict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from recipes.common.cli import RecipeCLI, report_skipped, run
from recipes.digits.data import Digits
from recipes.digits.module import DigitReader
from recipes.digits.pictures import Pictures, sheet


class DigitsCLI(RecipeCLI):
    """Trains, tests and uses a reader of digits."""

    monitored = "val_accuracy"

    def figure(self, metrics: Mapping[str, Tensor]) -> str:
        return f"test accuracy: {100 * metrics['test_accuracy']:.2f} %"

    def run_name(self, config: Any) -> str:
        return config.model.net

    def drawing(self) -> Callback:
        return Pictures(self.datamodule.classes)

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
        report_skipped(data.unreadable)


def main() -> None:
    """Runs the command line."""
    run(DigitsCLI, DigitReader, Digits, "digits")


if __name__ == "__main__":
    main()
