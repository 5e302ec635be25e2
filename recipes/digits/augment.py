"""Random distortion of a whole batch of images at once, each image in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class RandomAffine:
    """Rotates, scales, shears and shifts every image of a batch by amounts of its own.

    Args:
        degrees: Largest rotation either way.
        scale: Largest relative change of width and, independently, of height, e.g. 0.12.
        shear: Largest slant either way, in degrees.
        shift: Largest shift along each axis, in pixels.
    """

    degrees: float = 12.0
    scale: float = 0.12
    shear: float = 15.0
    shift: float = 2.5

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Returns the distorted images.

        Args:
            images: (N, C, H, W), floating point, background 0.
            generator: A CPU generator, which alone decides the amounts.
        """
        count, _, height, width = images.shape
        random = torch.rand(6, count, generator=generator, dtype=torch.float64) * 2 - 1
        angle = random[0] * radians(self.degrees)
        slant = torch.tan(random[1] * radians(self.shear))
        stretch = 1 + self.scale * random[2:4]
        shift = 2 * self.shift * random[4:6] / torch.tensor([[width], [height]])
        cos, sin = angle.cos(), angle.sin()
        matrix = torch.stack(
            [
                torch.stack([cos * stretch[0], (cos * slant - sin) * stretch[1], shift[0]]),
                torch.stack([sin * stretch[0], (sin * slant + cos) * stretch[1], shift[1]]),
            ]
        )  # (2, 3, N): rotation @ shear @ stretch, then the shift
        grid = F.affine_grid(matrix.permute(2, 0, 1).to(images), list(images.shape), False)
        return F.grid_sample(images, grid, align_corners=False)
