"""Learning to recognise faces: loss, scores and optimizer of one net."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW

from manualnn.functional import linear, normalize
from recipes.common.layers import namespace
from recipes.common.schedule import warmup_cosine
from recipes.faces.losses import LOSSES
from recipes.faces.metrics import Compared, all_pairs, named, verification
from recipes.faces.nets import CELLS, face_head, face_net
from recipes.faces.normalise import standardise

SHIFTS = (-3, 0, 3)  # pixels


def views(faces: Tensor) -> Iterator[Tensor]:
    """Yields faces (N, 1, H, W) moved by some pixels either way, and each in the mirror as well."""
    height, width = faces.shape[2:]
    most = max(SHIFTS)
    padded = F.pad(faces, [most] * 4, mode="replicate")
    for down, right in product(SHIFTS, SHIFTS):
        moved = padded[..., most + down :, most + right :][..., :height, :width]
        yield moved
        yield moved.flip(3)


def measure(compared: Compared) -> tuple[dict[str, Tensor], float]:
    """Returns the scores of the faces in question, and the threshold that their pairs choose.

    The pairs are told apart in any case; named are the faces where people are enrolled.
    """
    embeddings, people, _, enrolled = compared.compute()
    measured = verification(all_pairs(embeddings, people, enrolled))
    scores: dict[str, Any] = measured._asdict()
    threshold = float(scores.pop("threshold"))
    if enrolled.any():
        names, _ = named(embeddings[~enrolled], embeddings[enrolled], people[enrolled])
        scores["accuracy"] = (names == people[~enrolled]).float().mean()
    return scores, threshold


class FaceRecogniser(LightningModule):
    """A net that maps faces to embeddings: close together for one person, far apart for two.

    Args:
        people: How many people it learns from; the data say it.
        layers: ``manual`` builds it from manualnn, ``torch`` from torch.nn and autograd.
        loss: ``arcface`` enlarges the angle to the right person, ``cosface`` lowers the cosine.
        margin: By how much.
        scale: What the cosines are multiplied by.
        ramp: Share of the steps in which the margin rises from 0.
        maps: Numbers that an embedding holds of each of the 12 parts of a face.
        head: How many numbers the loss sees, made of these while learning.
        dropout: Share of the features that are dropped while learning.
        learning_rate: The highest learning rate.
        weight_decay: Of AdamW; biases and batch norm have none.
        warmup: Share of the steps in which the learning rate rises before it falls along a cosine.

    Attributes:
        threshold: The similarity from which on two faces are of one person, by the validation
            pairs; None where there are none.
    """

    threshold: float | None = None

    def __init__(
        self,
        people: int,
        layers: Literal["manual", "torch"] = "manual",
        loss: Literal["arcface", "cosface"] = "arcface",
        margin: float = 0.3,
        scale: float = 16.0,
        ramp: float = 0.2,
        maps: int = 32,
        head: int = 96,
        dropout: float = 0.2,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.3,
        warmup: float = 0.1,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        of = namespace(layers)
        self.net = face_net(of, maps).to(memory_format=torch.channels_last)
        self.spread = of.BatchNorm1d(CELLS * maps, affine=False)
        self.head = face_head(of, CELLS * maps, head, dropout)
        self.loss = LOSSES[layers][loss](people, head, margin, scale)
        self.margin, self.ramp = margin, ramp
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.warmup = warmup
        self.val_faces = Compared()
        self.test_faces = Compared()

    def forward(self, faces: Tensor) -> Tensor:
        """Returns the embeddings (N, D), of unit length, of faces (N, 1, 56, 46) from 0 to 1.

        What the net sees in several views of a face is added.
        """
        seen = [self.embed(view).float() for view in views(standardise(faces))]
        return normalize(torch.stack(seen).sum(0))

    def embed(self, faces: Tensor) -> Tensor:
        """Returns embeddings (N, D), of any length, of standardised faces (N, 1, 56, 46)."""
        return self.spread(self.net(faces))

    def training_step(self, batch: list[Tensor], batch_index: int) -> Tensor:
        faces, people = batch
        progress = self.global_step / self.trainer.estimated_stepping_batches
        self.loss.margin = self.margin * min(1, progress / max(self.ramp, 1e-9))
        features = self.net(standardise(faces))
        with torch.random.fork_rng():  # a resumed training drops the same features
            torch.manual_seed(hash((torch.initial_seed(), self.global_step, self.global_rank)))
            seen = self.head(features)
        loss = self.loss(seen, people)
        with torch.no_grad():
            self.spread(features)  # notes mean and variance, for use
            cosines = linear(normalize(seen), normalize(self.loss.weight))
        accuracy = (cosines.argmax(1) == people).float().mean()
        self.log_dict({"loss": loss, "accuracy": accuracy}, prog_bar=True, logger=False)
        epoch = {"train_loss": loss, "train_accuracy": accuracy}
        self.log_dict(epoch, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.val_faces.reset()

    def validation_step(self, batch: list[Tensor], batch_index: int) -> None:
        faces, *of_each = batch
        self.val_faces.update(self(faces), *of_each)

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:  # which sees some of the faces only
            scores, self.threshold = measure(self.val_faces)
            self.log_dict({f"val_{name}": score for name, score in scores.items()}, prog_bar=True)

    def on_test_epoch_start(self) -> None:
        self.test_faces.reset()

    def test_step(self, batch: list[Tensor], batch_index: int) -> None:
        faces, *of_each = batch
        self.test_faces.update(self(faces), *of_each)

    def on_test_epoch_end(self) -> None:
        scores, _ = measure(self.test_faces)
        self.log_dict({f"test_{name}": score for name, score in scores.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["threshold"] = self.threshold

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.threshold = checkpoint["threshold"]

    def fingerprint(self) -> str:
        """Returns a hash of the net's weights: who has another one has other embeddings."""
        digest = hashlib.sha256()
        for name, values in sorted(self.state_dict().items()):
            if name.startswith(("net.", "spread.")):
                digest.update(name.encode())
                digest.update(values.cpu().numpy().tobytes())
        return digest.hexdigest()

    def configure_optimizers(self) -> Any:
        decayed = [weight for weight in self.parameters() if weight.ndim > 1]
        others = [weight for weight in self.parameters() if weight.ndim == 1]
        groups: list[dict[str, Any]] = [
            {"params": decayed},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = AdamW(
            groups,
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            betas=(0.9, 0.99),
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = warmup_cosine(optimizer, steps, self.warmup)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]
