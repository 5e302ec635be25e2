"""How well embeddings name people and tell them apart."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import binary_auroc, binary_roc
from torchmetrics.utilities import dim_zero_cat

FALSE_ACCEPTS = 0.01


class Pairs(NamedTuple):
    """All pairs of faces.

    Attributes:
        first: (P), a face's number.
        second: (P), another face's number.
        similarity: (P), from -1 to 1.
        same: (P), whether both are of one person.
    """

    first: Tensor
    second: Tensor
    similarity: Tensor
    same: Tensor


class Verification(NamedTuple):
    """How well pairs of one person are told from pairs of two.

    Attributes:
        equal_error_rate: Where as many pairs of two are accepted as pairs of one are refused.
        auc: Area under the ROC.
        true_accepts: Share of the pairs of one accepted where at most 1 % of the others are.
        threshold: The similarity from which on those are accepted.
    """

    equal_error_rate: Tensor
    auc: Tensor
    true_accepts: Tensor
    threshold: Tensor


def all_pairs(embeddings: Tensor, people: Tensor, enrolled: Tensor) -> Pairs:
    """Compares every face with every other once, but for the enrolled with each other.

    Args:
        embeddings: (N, D), of unit length.
        people: (N).
        enrolled: (N), truth values.
    """
    first, second = torch.triu_indices(len(people), len(people), 1, device=people.device)
    asked = ~(enrolled[first] & enrolled[second])
    first, second = first[asked], second[asked]
    similarity = (embeddings @ embeddings.T)[first, second]
    return Pairs(first, second, similarity, people[first] == people[second])


def roc(pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
    """Returns false accepts, true accepts and the similarity from which on: three of one length.

    The similarity falls; the first is beyond all pairs.
    """
    shares = (pairs.similarity.double() + 1) / 2  # torchmetrics expects shares
    false_accepts, true_accepts, thresholds = binary_roc(shares.clamp(0, 1), pairs.same.long())
    return false_accepts, true_accepts, 2 * thresholds - 1


def verification(pairs: Pairs) -> Verification:
    """Measures pairs; there have to be some of one person and some of two."""
    false_accepts, true_accepts, thresholds = roc(pairs)
    crossing = (false_accepts - (1 - true_accepts)).abs().argmin()
    allowed = int((false_accepts <= FALSE_ACCEPTS).nonzero().max())
    return Verification(
        (false_accepts[crossing] + 1 - true_accepts[crossing]) / 2,
        binary_auroc(pairs.similarity.double(), pairs.same.long()),
        true_accepts[allowed],
        thresholds[allowed],
    )


def named(embeddings: Tensor, enrolled: Tensor, people: Tensor) -> tuple[Tensor, Tensor]:
    """Names faces by the person whose enrolled face is the most similar.

    Args:
        embeddings: (M, D) of the faces in question, of unit length.
        enrolled: (N, D), of unit length.
        people: (N), of the enrolled faces.

    Returns:
        The people (M), and the similarity (M).
    """
    similarity, closest = (embeddings @ enrolled.T).max(1)
    return people[closest], similarity


class Compared(Metric):
    """Collects embeddings of faces, each once, however many processes saw it."""

    embeddings: list[Tensor]
    people: list[Tensor]
    faces: list[Tensor]
    enrolled: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("embeddings", "people", "faces", "enrolled"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, embeddings: Tensor, people: Tensor, faces: Tensor, enrolled: Tensor) -> None:
        """Keeps a batch: (N, D), and of each face its person, its number, and if it is enrolled."""
        self.embeddings.append(embeddings)
        self.people.append(people)
        self.faces.append(faces)
        self.enrolled.append(enrolled)

    def compute(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns embeddings (N, D), people (N), faces (N) and enrolled (N), sorted by face."""
        faces, inverse = dim_zero_cat(self.faces).unique(return_inverse=True)
        places = torch.arange(len(inverse), device=inverse.device)
        once = torch.empty_like(faces).scatter_(0, inverse, places)
        embeddings, people, enrolled = (
            dim_zero_cat(part)[once] for part in (self.embeddings, self.people, self.enrolled)
        )
        return embeddings, people, faces, enrolled
