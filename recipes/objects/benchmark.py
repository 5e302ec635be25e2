"""How many pictures per second a detector searches: ``python -m recipes.objects.benchmark CKPT``.

Reading the file, bringing it to the net's size, the net, and the selection of its boxes all count.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch
from PIL import Image

from recipes.objects.finding import PictureFiles
from recipes.objects.module import ObjectFinder

BATCH = 8


def seconds(module: ObjectFinder, files: PictureFiles) -> float:
    """Returns how long it takes to find the objects in all the files."""
    start = perf_counter()
    for first in range(0, len(files), BATCH):
        pictures, scales = files.__getitems__([*range(first, min(first + BATCH, len(files)))])
        module.predict_step([pictures.to(module.device) / 255, scales], 0)
    return perf_counter() - start


def main() -> None:
    """Prints the pictures per second, for pictures of noise of one size."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.objects.benchmark", description=__doc__
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), help="width and height")
    parser.add_argument("--count", type=int, default=40)
    arguments = parser.parse_args()
    module = ObjectFinder.load_from_checkpoint(
        arguments.checkpoint, map_location="cpu", weights_only=True
    ).eval()
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (*reversed(arguments.size), 3), np.uint8)
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.jpg") for number in range(arguments.count)]
        for path in paths:
            Image.fromarray(noise).save(path)
        files = PictureFiles(paths, module.size)
        seconds(module, files)
        best = min(seconds(module, files) for _ in range(3))
    width, height = arguments.size
    print(
        f"{arguments.count / best:.1f} pictures of {width}x{height} per second, "
        f"{torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
