"""Faces in whole photographs: found by OpenCV, cut out as the net has learnt faces, and named."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Box = tuple[int, int, int, int]

SMALLEST_FACE = 0.04  # of the photograph's shorter side
NEIGHBOURS = 6  # how many of the detector's windows must agree

# Where the detector's square lies in a picture of ORL: width, height and centre of the picture, by
# the square's side and centre; medians of the 399 faces of 400 that it finds there.
WIDTH_OF_SQUARE, HEIGHT_OF_SQUARE, RAISED = 92 / 90, 112 / 90, 6 / 90

KNOWN, UNKNOWN = "#1f9d55", "#e07b39"


def find_faces(photograph: Image.Image) -> list[Box]:
    """Returns squares (left, top, right, bottom) around the faces, from left to right.

    The detector is the Haar cascade that comes with OpenCV 4: upright faces, seen from the front.

    Raises:
        ModuleNotFoundError: If OpenCV is not installed.
    """
    if find_spec("cv2") is None:
        raise ModuleNotFoundError(
            "faces in photographs are found by OpenCV: pip install 'manualnn[photos]'; "
            "for pictures that are a face and nothing else, add --cropped"
        )
    import cv2

    cascades = Path(cv2.__file__).with_name("data")
    detector = cv2.CascadeClassifier(str(cascades / "haarcascade_frontalface_default.xml"))
    side = max(24, round(SMALLEST_FACE * min(photograph.size)))
    squares = detector.detectMultiScale(
        np.asarray(photograph.convert("L")), 1.1, NEIGHBOURS, minSize=(side, side)
    )
    return sorted((int(x), int(y), int(x + w), int(y + h)) for x, y, w, h in squares)


def cut_out(photograph: Image.Image, box: Box) -> Image.Image:
    """Returns the grey face in a square, framed as the faces of ORL are.

    Beyond the photograph its edge is continued.
    """
    left, top, right, bottom = box
    side = right - left
    width, height = side * WIDTH_OF_SQUARE, side * HEIGHT_OF_SQUARE
    x, y = (left + right - width) / 2, (top + bottom - height) / 2 - side * RAISED
    grey = np.pad(np.asarray(photograph.convert("L")), side, mode="edge")
    corner = round(x + side), round(y + side)
    return Image.fromarray(grey).crop(
        (*corner, corner[0] + round(width), corner[1] + round(height))
    )


def with_names(
    photograph: Image.Image, boxes: Sequence[Box], named: Sequence[tuple[str | None, float]]
) -> Image.Image:
    """Returns a copy with a box around each face, and its name and similarity beneath."""
    drawn = photograph.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    for box, (name, similarity) in zip(boxes, named, strict=True):
        color = KNOWN if name else UNKNOWN
        text = f"{name or 'nobody I know'} {similarity:.2f}"
        side = box[2] - box[0]
        pen.rectangle(box, outline=color, width=max(2, side // 40))
        font = ImageFont.load_default(max(10, side // 9))
        area = pen.textbbox((box[0], box[3] + 2), text, font=font)
        raised = max(0, area[3] + 2 - drawn.height)
        area = (area[0] - 3, area[1] - 2 - raised, area[2] + 3, area[3] + 2 - raised)
        pen.rectangle(area, fill=color)
        pen.text((box[0], box[3] + 2 - raised), text, fill="white", font=font)
    return drawn
