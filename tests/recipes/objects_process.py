"""What a process of its own does in tests/recipes/test_objects.py, for it to import."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from recipes.common import files
from recipes.objects.__main__ import main
from recipes.objects.module import ObjectFinder

MOMENTS = ("in an epoch", "writing a checkpoint", "before it takes the old one's place")


def command(line: str) -> None:
    """Runs ``python -m recipes.objects LINE``."""
    torch.set_num_threads(1)
    sys.argv = ["objects", *line.split()]
    main()


def killed(line: str, moment: str) -> None:
    """Runs a command that is killed, as by ``kill -9``, at one of MOMENTS of its second epoch."""

    def kill(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def move_half(source: str, target: str) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:10_000])
        kill()

    def begin(module: ObjectFinder, *_: Any) -> None:
        if module.current_epoch == 1:
            if moment == MOMENTS[0]:
                kill()
            elif moment == MOMENTS[1]:
                shutil.move = move_half
            else:
                files.os.replace = kill

    ObjectFinder.on_train_batch_start = begin
    command(line)
