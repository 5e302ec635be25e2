"""Eigenfaces, the baseline: faces told apart by their main directions, without any training.

Turk and Pentland 1991, "Eigenfaces for recognition".
"""

from __future__ import annotations

import torch
from torch import Tensor

from recipes.faces.module import standardise

COMPONENTS = 50


def eigenfaces(learn: Tensor, faces: Tensor) -> Tensor:
    """Returns embeddings (M, 50 at most) of unit length.

    Args:
        learn: The faces (N, 1, H, W), whose main directions are taken.
        faces: The faces (M, 1, H, W) to embed.
    """
    learn, faces = (standardise(each.double()).flatten(1) for each in (learn, faces))
    mean = learn.mean(0)
    _, _, directions = torch.linalg.svd(learn - mean, full_matrices=False)
    shares = (faces - mean) @ directions[:COMPONENTS].T
    return torch.nn.functional.normalize(shares).float()
