"""From a person's picture of a digit to the 28x28 image that the nets know.

A digit of MNIST is white ink on black, fits 20x20 pixels, and its centre of mass lies in the centre
of 28x28. A picture is brought there in four steps: what is ink and what is paper, which ink is the
digit, the strokes' width, size and place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from recipes.common.files import UNREADABLE, open_picture, picture_files

SIDE, BOX = 28, 20
STROKE = 2.0  # pixels of the 28x28 image
WORKING_SIDE = 224
LARGEST_STROKE = 3  # a stroke is at most a third of the picture wide
FAINTEST_INK = 16  # gray levels from the paper
SMALLEST_BLOT = 0.1  # of the largest one's area


@dataclass(frozen=True)
class Picture:
    """A picture file as it was and as the net sees it (28x28 bytes)."""

    path: Path
    original: np.ndarray
    image: np.ndarray


def read_pictures(paths: Sequence[Path]) -> tuple[list[Picture], dict[Path, str]]:
    """Reads picture files, and those in folders.

    Returns:
        The pictures that could be read, and why each of the others could not.
    """
    pictures, unreadable = [], {}
    for path in picture_files(paths):
        try:
            original = read_gray(path)
            pictures.append(Picture(path, original, to_digit(original)))
        except UNREADABLE as error:
            unreadable[path] = str(error)
    return pictures, unreadable


def read_gray(path: Path) -> np.ndarray:
    """Returns the picture upright and in gray, transparency as white paper, its longer side 224."""
    picture = open_picture(path, "L").convert("F")
    scale = WORKING_SIDE / max(picture.size)
    size = [max(1, round(side * scale)) for side in picture.size]
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def to_digit(gray: np.ndarray) -> np.ndarray:
    """Returns the digit of a gray picture as MNIST would show it: 28x28 bytes, ink white.

    Raises:
        ValueError: If there is no ink.
    """
    ink = find_ink(gray)
    digit = keep_digit(ink)
    rows, columns = np.nonzero(digit)
    digit = digit[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = BOX / max(digit.shape)
    digit = widen_strokes(digit, STROKE / scale)
    size = [max(1, round(side * scale)) for side in reversed(digit.shape)]
    small = np.asarray(Image.fromarray(digit).resize(size, Image.Resampling.BOX))
    return centre(small / small.max())


def find_ink(gray: np.ndarray) -> np.ndarray:
    """Returns how strongly each pixel differs from the paper around it, strongest ink 1."""
    paper = np.median(gray)
    dark_ink = paper - gray.min() > gray.max() - paper
    without_ink = ndimage.grey_closing if dark_ink else ndimage.grey_opening
    window = max(gray.shape) // LARGEST_STROKE
    ink = np.abs(without_ink(gray, size=(window, window)) - gray)
    strongest = ndimage.gaussian_filter(ink, 1).max()
    if strongest < FAINTEST_INK:
        raise ValueError("no digit in the picture: it is blank")
    return np.clip(ink / strongest, 0, 1)


def keep_digit(ink: np.ndarray) -> np.ndarray:
    """Returns the ink of the largest blot and of those not much smaller, without faint lines."""
    blots, _ = ndimage.label(ink > 0.5, structure=np.ones((3, 3)))
    areas = np.bincount(blots.ravel())
    areas[0] = 0
    kept = ndimage.binary_dilation((areas > SMALLEST_BLOT * areas.max())[blots], iterations=2)
    return np.clip((ink - 0.4) / 0.4, 0, 1) * kept


def widen_strokes(digit: np.ndarray, width: float) -> np.ndarray:
    """Returns the digit with strokes of at least the given width in pixels."""
    depth = ndimage.distance_transform_edt(digit > 0.5)
    stroke = 4 * depth[depth > 0].mean()  # the mean depth of a band is a quarter of its width
    radius = round((width - stroke) / 2)
    if radius < 1:
        return digit
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc = rows**2 + columns**2 <= radius**2
    return ndimage.grey_dilation(np.pad(digit, radius), footprint=disc)


def centre(digit: np.ndarray) -> np.ndarray:
    """Returns 28x28 bytes with the digit's centre of mass as near to their centre as it fits."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    corner = [
        int(np.clip(round((SIDE - 1) / 2 - mass), 0, SIDE - side))
        for mass, side in zip(ndimage.center_of_mass(digit), digit.shape, strict=True)
    ]
    place = tuple(slice(at, at + side) for at, side in zip(corner, digit.shape, strict=True))
    image[place] = np.round(255 * digit)
    return image
