"""Faces turned, resized and moved."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def turn(size: Tensor, angle: Tensor, height: int, width: int) -> Tensor:
    """Returns matrices (N, 2, 2) that show ``size`` times as much, turned by ``angle``.

    They lead from a place in what is shown to one in the face; both count from -1 to 1, across and
    down, from edge to edge.

    Args:
        size: (N).
        angle: (N), in radians.
        height: Of the face, in pixels.
        width: Likewise.
    """
    cos, sin = size * angle.cos(), size * angle.sin()
    matrix = torch.stack([cos, -sin * height / width, sin * width / height, cos], 1)
    return matrix.view(-1, 2, 2)


def shown(faces: Tensor, matrix: Tensor) -> Tensor:
    """Shows faces (N, 1, H, W) as matrices (N, 2, 3) say; edges are continued outwards."""
    grid = F.affine_grid(matrix.to(faces), list(faces.shape), align_corners=False)
    return F.grid_sample(faces, grid, padding_mode="border", align_corners=False)
