"""Checkpoints that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO

from recipes.common.files import written_whole


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place: a run killed meanwhile leaves the one before."""

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target) as part:
            super().save_checkpoint(checkpoint, part, storage_options)
