"""How data sets lie in folders: Pascal VOC, COCO, torchvision's VOCDetection and WIDERFace.

Each function yields the pictures of one split with their objects, and the file and line of each.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from torchvision import datasets

from recipes.objects.scenes import Annotated, Box, Faulty

CORNERS = ("xmin", "ymin", "xmax", "ymax")
BETWEEN = re.compile(r"[\s,]*(?=\{)")  # two objects of a JSON list


def voc(root: Path, split: str) -> Iterator[Annotated]:
    """Reads a Pascal VOC folder: ImageSets/Main/SPLIT.txt, Annotations/*.xml, JPEGImages/*.

    Raises:
        FileNotFoundError: If the split's list is missing.
        Faulty: If an annotation cannot be read.
    """
    listed = root / "ImageSets" / "Main" / f"{split}.txt"
    for number, line in enumerate(listed.read_text().splitlines(), 1):
        if line.strip():
            name = line.split()[0]
            picture = root / "JPEGImages" / f"{name}.jpg"
            annotation = root / "Annotations" / f"{name}.xml"
            yield Annotated(picture, f"{listed}:{number}", voc_boxes(annotation))


def voc_detection(root: Path, split: str) -> Iterator[Annotated]:
    """Reads torchvision's VOCDetection; a split is named by year, e.g. ``2012-train``.

    Raises:
        FileNotFoundError: If ``root`` does not hold the data set.
    """
    year, _, part = split.partition("-")
    try:
        data = datasets.VOCDetection(root, year=year, image_set=part)
    except RuntimeError as error:
        raise FileNotFoundError(f"no VOC {year} in {root}: {error}") from error
    for picture, annotation in zip(data.images, data.annotations, strict=True):
        yield Annotated(Path(picture), annotation, voc_boxes(Path(annotation)))


def voc_boxes(annotation: Path) -> list[Box]:
    """Reads the objects of one VOC file.

    Raises:
        Faulty: If it is missing, no XML, or lacks a part of an object.
    """
    lines: dict[Element, int] = {}
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        lines[builder.start(tag, attributes)] = parser.CurrentLineNumber

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(annotation.read_bytes(), True)
    except (OSError, expat.ExpatError) as error:
        raise Faulty(f"{annotation}: {error}") from error
    boxes = []
    for found in builder.close().iter("object"):
        where = f"{annotation}:{lines[found]}"
        try:
            left, top, right, bottom = (
                float(found.findtext(f"bndbox/{corner}", "")) for corner in CORNERS
            )
            name = found.findtext("name", "").strip()
        except ValueError as error:
            raise Faulty(f"{where}: an object without a box: {error}") from error
        boxes.append(Box(name, (left, top, right, bottom), where))
    return boxes


def coco(root: Path, split: str) -> Iterator[Annotated]:
    """Reads COCO's layout: annotations/instances_SPLIT.json, pictures in SPLIT/.

    Or SPLIT is a JSON file in ``root``, and its pictures lie beside it. Crowds are left out.

    Raises:
        FileNotFoundError: If the file is missing.
        Faulty: If it is no JSON of this kind.
    """
    if split.endswith(".json"):
        file = root / split
        folder = file.parent
    else:
        file, folder = root / "annotations" / f"instances_{split}.json", root / split
    text = file.read_text()
    try:
        images, objects = (list(items_with_lines(text, key)) for key in ("images", "annotations"))
        names = {category["id"]: category["name"] for category in json.loads(text)["categories"]}
        boxes = defaultdict(list)
        for found, line in objects:
            if not found.get("iscrowd"):
                left, top, width, height = found["bbox"]
                name = names.get(found["category_id"], f"category {found['category_id']}")
                corners = (left, top, left + width, top + height)
                boxes[found["image_id"]].append(Box(name, corners, f"{file}:{line}"))
        for image, line in images:
            path = folder / image["file_name"]
            yield Annotated(path, f"{file}:{line}", boxes.pop(image["id"], []))
    except (KeyError, TypeError, ValueError) as error:
        raise Faulty(f"{file}: no COCO annotations: {error!r}") from error
    if boxes:
        lost = next(iter(boxes.values()))[0]
        raise Faulty(f"{lost.where}: an object of a picture that is not listed")


def items_with_lines(text: str, key: str) -> Iterator[tuple[Any, int]]:
    """Yields the members of a JSON file's list and the lines where they begin."""
    opening = re.search(rf'"{key}"\s*:\s*\[', text)
    if opening is None:
        raise KeyError(key)
    decode, place = json.JSONDecoder().raw_decode, opening.end()
    line = text.count("\n", 0, place) + 1
    while between := BETWEEN.match(text, place):
        line += between[0].count("\n")
        item, end = decode(text, between.end())
        yield item, line
        line += text.count("\n", between.end(), end)
        place = end


def wider_face(root: Path, split: str) -> Iterator[Annotated]:
    """Reads torchvision's WIDERFace, ``train`` or ``val``: every box is a ``face``.

    Raises:
        FileNotFoundError: If ``root`` does not hold the data set.
    """
    try:
        data = datasets.WIDERFace(root, split=split)
    except RuntimeError as error:
        raise FileNotFoundError(f"no WIDERFace in {root}: {error}") from error
    listed = Path(data.root) / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt"
    line = 1  # the picture's name, then how many boxes, then a line for each
    for info in data.img_info:
        boxes = []
        for number, (left, top, width, height) in enumerate(info["annotations"]["bbox"].tolist()):
            corners = (left, top, left + width, top + height)
            boxes.append(Box("face", corners, f"{listed}:{line + 2 + number}"))
        yield Annotated(Path(info["img_path"]), f"{listed}:{line}", boxes)
        line += 2 + len(boxes)


LAYOUTS = {"voc": voc, "coco": coco, "voc_detection": voc_detection, "wider_face": wider_face}
