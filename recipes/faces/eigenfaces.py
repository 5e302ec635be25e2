"""Eigenfaces, the baseline: faces told apart by their main directions, without any training.

Turk and Pentland 1991, "Eigenfaces for recognition".
"""

from __future__ import annotations

import torch
from torch import Tensor

COMPONENTS = 120


def eigenfaces(learn: Tensor, faces: Tensor) -> Tensor:
    """Returns embeddings (M, 120 at most) of unit length.

    Each direction is divided by the square root of its standard deviation: half-way between
    leaving them as they are and making them equal, which told people apart best.

    Args:
        learn: The faces (N, 1, H, W), whose main directions are taken.
        faces: The faces (M, 1, H, W) to embed.
    """
    learn, faces = learn.flatten(1), faces.flatten(1)
    mean = learn.mean(0)
    _, deviations, directions = torch.linalg.svd(learn - mean, full_matrices=False)
    shares = (faces - mean) @ directions[:COMPONENTS].T / deviations[:COMPONENTS].sqrt()
    return torch.nn.functional.normalize(shares)
