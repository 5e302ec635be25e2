"""Picture files of all kinds, opened upright, and files that are written whole or not at all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """Returns the named files, and the picture files in the named folders."""
    return list(chain.from_iterable(map(_files, paths)))


def open_picture(path: Path, mode: str) -> Image.Image:
    """Returns a picture upright, transparency as white paper, 16 bits brought to 8.

    Args:
        path: Of a file that Pillow reads: PNG, JPEG, TIFF, WebP, ...; gray, palette, RGBA, CMYK.
        mode: ``L`` for gray, ``RGB`` for colours.

    Raises:
        OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError: If the file is missing,
            broken, no picture or has more than 179 million pixels: ``UNREADABLE``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        file = Image.open(path)
    with file:
        picture = ImageOps.exif_transpose(file)
        if picture.mode.startswith("I"):
            return _eight_bits(picture).convert(mode)
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        return picture.convert(mode)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Lends a path beside ``path`` to write to; only what was written to the end takes its place.

    Whoever reads ``path`` meets the old file or the new one, also when the writer is killed.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    """Returns the picture files in a folder, or the path itself."""
    if not path.is_dir():
        return [path]
    suffixes = Image.registered_extensions()
    return sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Brings 16 bits to 8; numbers beyond 16 bits, which no camera writes, by their largest."""
    values = np.asarray(picture, dtype=np.float32)
    return Image.fromarray((values * (255 / max(65535, values.max()))).astype(np.uint8))
