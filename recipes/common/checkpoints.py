"""Checkpoints that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch.plugins import TorchCheckpointIO

from recipes.common.files import written_whole


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's files, put in place at one stroke once they are complete.

    A run that is killed while it writes leaves the checkpoint before as it was.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target) as part:
            super().save_checkpoint(checkpoint, part, storage_options)
