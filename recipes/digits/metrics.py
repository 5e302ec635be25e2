"""The misread digits of a test set."""

from __future__ import annotations

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class Misread(Metric):
    """Collects the images that were read wrongly, with their labels and probabilities."""

    images: list[Tensor]
    labels: list[Tensor]
    probabilities: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("images", "labels", "probabilities"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, images: Tensor, probabilities: Tensor, labels: Tensor) -> None:
        """Keeps those of a batch whose likeliest digit is not the label."""
        wrong = probabilities.argmax(1) != labels
        self.images.append(images[wrong])
        self.labels.append(labels[wrong])
        self.probabilities.append(probabilities[wrong])

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """Returns images (M, 1, 28, 28), labels (M) and probabilities (M, 10)."""
        images, labels = dim_zero_cat(self.images), dim_zero_cat(self.labels)
        return images, labels, dim_zero_cat(self.probabilities)
