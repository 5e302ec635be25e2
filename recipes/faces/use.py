"""A trained net in use: enrol people, recognise them in photographs, compare two faces."""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from recipes.common.cli import report_skipped
from recipes.common.files import UNREADABLE, open_picture, picture_files, written_whole
from recipes.faces.gallery import open_gallery
from recipes.faces.module import FaceRecogniser
from recipes.faces.photos import Box, cut_out, find_faces, with_names
from recipes.faces.reading import aligned, shrink


@dataclass(frozen=True)
class Photograph:
    """A photograph with the faces in it.

    Attributes:
        path: Of the file.
        picture: In colours.
        boxes: Around the faces (N).
        embeddings: Of the faces (N, D).
    """

    path: Path
    picture: Image.Image
    boxes: list[Box]
    embeddings: Tensor


def main(arguments: Sequence[str]) -> None:
    """Runs ``enrol``, ``recognise`` or ``verify``; bad files end with exit code 1."""
    chosen = parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except (ValueError, ModuleNotFoundError) as error:
        sys.exit(str(error))


def parser() -> argparse.ArgumentParser:
    """The command line of these three."""
    whole = argparse.ArgumentParser(prog="python -m recipes.faces")
    commands = whole.add_subparsers(required=True)

    def command(
        run: Callable[[argparse.Namespace], None], *operands: str
    ) -> argparse.ArgumentParser:
        each = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
        each.set_defaults(run=run)
        each.add_argument("--ckpt_path", type=Path, required=True, help="the trained net")
        each.add_argument(
            "--cropped", action="store_true", help="pictures are a face each: look for none"
        )
        for operand in operands:
            each.add_argument(operand)
        return each

    enrolling = command(enrol, "name")
    recognising, verifying = command(recognise), command(verify)
    for each in (enrolling, recognising):
        each.add_argument("--gallery", type=Path, default=Path("gallery.npz"), help="people known")
        each.add_argument("pictures", nargs="+", type=Path, help="picture files and folders")
    for each in (recognising, verifying):
        each.add_argument(
            "--threshold", type=float, help="least similarity; the net's own unless told"
        )
    recognising.add_argument(
        "--output", type=Path, default=Path("recognised"), help="folder for photographs with names"
    )
    verifying.add_argument("first", type=Path)
    verifying.add_argument("second", type=Path)
    return whole


def enrol(chosen: argparse.Namespace) -> None:
    """Add a person to the gallery, by pictures of that person alone."""
    net = load_net(chosen.ckpt_path)
    gallery = open_gallery(chosen.gallery, net.fingerprint())
    photographs, skipped = look_at(net, chosen.pictures, chosen.cropped)
    for photograph in photographs:
        if len(photograph.boxes) == 1:
            gallery = gallery.with_person(chosen.name, photograph.embeddings)
        else:
            skipped[photograph.path] = f"{len(photograph.boxes)} faces: which one is {chosen.name}?"
    if gallery.names.count(chosen.name):
        gallery.save(chosen.gallery)
    pictures = gallery.names.count(chosen.name)
    print(
        f"{chosen.gallery}: {chosen.name} with {pictures} faces, {len(set(gallery.names))} people"
    )
    report_skipped(skipped)


def recognise(chosen: argparse.Namespace) -> None:
    """Say who is in pictures, and draw the names into them."""
    net = load_net(chosen.ckpt_path)
    threshold = threshold_of(net, chosen)
    gallery = open_gallery(chosen.gallery, net.fingerprint())
    if not gallery.names:
        raise ValueError(f"nobody is enrolled in {chosen.gallery}: enrol NAME PICTURES... first")
    photographs, skipped = look_at(net, chosen.pictures, chosen.cropped)
    chosen.output.mkdir(parents=True, exist_ok=True)
    for photograph in photographs:
        named = gallery.recognise(photograph.embeddings, threshold)
        readings = [f"{name or 'nobody I know'} ({similarity:.2f})" for name, similarity in named]
        print(f"{photograph.path}: {', '.join(readings)}")
        with written_whole(chosen.output / f"{photograph.path.stem}.png") as part:
            with_names(photograph.picture, photograph.boxes, named).save(part)
    print(f"photographs with names: {chosen.output}")
    report_skipped(skipped)


def verify(chosen: argparse.Namespace) -> None:
    """Say whether two pictures show the same person."""
    net = load_net(chosen.ckpt_path)
    threshold = threshold_of(net, chosen)
    photographs, skipped = look_at(net, [chosen.first, chosen.second], chosen.cropped)
    report_skipped(skipped)
    for photograph in photographs:
        if len(photograph.boxes) != 1:
            raise ValueError(f"{photograph.path}: {len(photograph.boxes)} faces instead of one")
    first, second = photographs
    similarity = float(first.embeddings[0] @ second.embeddings[0])
    verdict = "the same person" if similarity >= threshold else "two people"
    print(f"{verdict}: similarity {similarity:.2f}, the same from {threshold:.2f} on")


def load_net(path: Path) -> FaceRecogniser:
    """Reads a checkpoint without running anything in it.

    Raises:
        ValueError: If it is no checkpoint of this recipe.
    """
    try:
        net = FaceRecogniser.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, OSError, EOFError) as error:
        raise ValueError(f"{path} is no checkpoint of a net for faces: {error}") from error
    return net.eval()


def threshold_of(net: FaceRecogniser, chosen: argparse.Namespace) -> float:
    """The similarity from which on faces count as one person's.

    Raises:
        ValueError: If nobody says.
    """
    threshold = net.threshold if chosen.threshold is None else chosen.threshold
    if threshold is None:
        raise ValueError(
            f"{chosen.ckpt_path} has no threshold, as nothing was set aside to choose it on: train "
            "with --data.validation, or add --threshold"
        )
    return threshold


@torch.inference_mode()
def look_at(
    net: FaceRecogniser, paths: Sequence[Path], cropped: bool
) -> tuple[list[Photograph], dict[Path, str]]:
    """Finds and embeds the faces in pictures.

    Returns:
        The photographs that have faces, and why each of the others has none.
    """
    photographs, skipped = [], {}
    for path in picture_files(paths):
        try:
            picture = open_picture(path, "RGB")
        except UNREADABLE as error:
            skipped[path] = str(error)
            continue
        boxes = [(0, 0, *picture.size)] if cropped else find_faces(picture)
        if not boxes:
            skipped[path] = "no face found"
            continue
        faces = [picture.convert("L")] if cropped else [cut_out(picture, box) for box in boxes]
        pixels = aligned([shrink(face) for face in faces]) / 255
        photographs.append(Photograph(path, picture, boxes, net(pixels)))
    return photographs, skipped
