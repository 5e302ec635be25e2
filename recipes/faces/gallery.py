"""The people one knows: a small file of names and embeddings, which only its own net can use."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.common.files import written_whole
from recipes.faces.metrics import named


@dataclass(frozen=True)
class Gallery:
    """Enrolled faces.

    Attributes:
        fingerprint: Of the net that made the embeddings.
        names: Of the faces' people (N).
        embeddings: (N, D), of unit length.
    """

    fingerprint: str
    names: tuple[str, ...]
    embeddings: Tensor

    def with_person(self, name: str, embeddings: Tensor) -> Gallery:
        """Returns a gallery that knows more faces (M, D) of a person, new or known already."""
        return Gallery(
            self.fingerprint,
            (*self.names, *[name] * len(embeddings)),
            torch.cat([self.embeddings, embeddings]) if self.names else embeddings,
        )

    def recognise(self, embeddings: Tensor, threshold: float) -> list[tuple[str | None, float]]:
        """Names faces (M, D): each one's most similar person and the similarity.

        The name is None where no person is as similar as the threshold.
        """
        if not self.names or not len(embeddings):
            return [(None, -1.0)] * len(embeddings)
        numbers = torch.arange(len(self.names))
        closest, similarity = named(embeddings, self.embeddings, numbers)
        return [
            (self.names[number] if alike >= threshold else None, alike)
            for number, alike in zip(closest.tolist(), similarity.tolist(), strict=True)
        ]

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                fingerprint=np.array(self.fingerprint),
                names=np.array(self.names, dtype=np.str_),
                embeddings=self.embeddings.numpy(),
            )


def open_gallery(path: Path, fingerprint: str) -> Gallery:
    """Reads a gallery, as numbers and text only: nothing in the file is run.

    Args:
        path: Of the file; where there is none, the gallery is empty.
        fingerprint: Of the net that is to use it.

    Raises:
        ValueError: If the file is no gallery, or was made by another net.
    """
    if not path.exists():
        return Gallery(fingerprint, (), torch.empty(0, 0))
    try:
        with np.load(path, allow_pickle=False) as file:
            made_by, names = str(file["fingerprint"]), tuple(file["names"].tolist())
            embeddings = torch.from_numpy(file["embeddings"])
    except (ValueError, KeyError, EOFError, OSError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no gallery of faces: {error}") from error
    if embeddings.ndim != 2 or len(embeddings) != len(names):
        raise ValueError(f"{path} is no gallery of faces: names and embeddings do not match")
    if made_by != fingerprint:
        raise ValueError(
            f"{path} was made by another net: enrol everybody anew, or name that net's checkpoint"
        )
    return Gallery(fingerprint, names, embeddings)
