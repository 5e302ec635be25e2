"""Random changes of a whole batch of faces at once, each face in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class FaceVariation:
    """Another pose, another light, something in front of the face.

    Args:
        degrees: Largest rotation either way.
        scale: Largest relative change of size, and a third of it of the proportions.
        shear: Largest slant either way, as a share of the height.
        shift: Largest shift along each axis, as a share of that side.
        perspective: Largest relative difference in size between two opposite edges.
        flip: Share of the faces that are mirrored.
        gain: Largest relative change of contrast.
        ramp: Strongest lighting from one side: the relative change from edge to edge.
        gamma: Strongest gamma curve, as the logarithm of its exponent.
        noise: Largest standard deviation of noise; pixels are from 0 to 1.
        patch: Longest side of the grey patch that hides something, as a share of the face's.
    """

    degrees: float = 10.0
    scale: float = 0.12
    shear: float = 0.0
    shift: float = 0.06
    perspective: float = 0.0
    flip: float = 0.5
    gain: float = 0.3
    ramp: float = 0.3
    gamma: float = 0.3
    noise: float = 0.03
    patch: float = 0.4

    def __call__(self, faces: Tensor, generator: torch.Generator) -> Tensor:
        """Returns the changed faces.

        Args:
            faces: (N, 1, H, W) with values from 0 to 1.
            generator: A CPU generator, which alone decides the amounts.
        """
        faces = self.pose(faces, generator)
        faces = self.light(faces, generator)
        return self.hide(faces, generator)

    def pose(self, faces: Tensor, generator: torch.Generator) -> Tensor:
        """Rotates, scales, slants, shifts, turns and mirrors; edges are continued outwards."""
        count = len(faces)
        random = torch.rand(9, count, generator=generator) * 2 - 1
        angle = random[0] * radians(self.degrees)
        size = 1 + self.scale * random[1]
        width = 1 + self.scale / 3 * random[2]
        slant = self.shear * random[3]
        shift = 2 * self.shift * random[4:6]
        turn = self.perspective * random[6:8]
        mirror = torch.where(random[8] < 2 * self.flip - 1, -1.0, 1.0)
        cos, sin = angle.cos() * size, angle.sin() * size
        aspect = faces.shape[3] / faces.shape[2]
        matrix = torch.stack(
            [
                torch.stack([mirror * width * cos, (slant - sin) / aspect, shift[0]]),
                torch.stack([mirror * width * sin * aspect, cos, shift[1]]),
                torch.stack([*turn, torch.ones(count)]),
            ]
        )  # (3, 3, N), of homogeneous coordinates from -1 to 1
        plane = F.affine_grid(torch.eye(2, 3).unsqueeze(0), [1, 1, *faces.shape[2:]], False)
        points = torch.cat([plane, torch.ones_like(plane[..., :1])], 3).reshape(1, -1, 3)
        moved = points @ matrix.permute(2, 1, 0)  # (N, H W, 3)
        grid = (moved[..., :2] / moved[..., 2:]).view(count, *faces.shape[2:], 2)
        return F.grid_sample(faces, grid.to(faces), padding_mode="border", align_corners=False)

    def light(self, faces: Tensor, generator: torch.Generator) -> Tensor:
        """Changes gamma and contrast, lights from one side and adds noise."""
        count, _, height, width = faces.shape
        random = torch.rand(4, count, 1, 1, 1, generator=generator) * 2 - 1
        level = torch.rand(count, 1, 1, 1, generator=generator) * self.noise
        noise = torch.randn(faces.shape, generator=generator) * level
        gain, across, down, gamma = random.to(faces)
        rows = torch.linspace(-0.5, 0.5, height).to(faces).view(-1, 1)
        columns = torch.linspace(-0.5, 0.5, width).to(faces)
        light = (1 + self.gain * gain) * (1 + self.ramp * (across * columns + down * rows))
        return faces.clamp(1e-3, 1) ** (self.gamma * gamma).exp() * light + noise.to(faces)

    def hide(self, faces: Tensor, generator: torch.Generator) -> Tensor:
        """Covers a rectangle of every face with an even grey."""
        count, _, height, width = faces.shape
        random = torch.rand(5, count, 1, 1, 1, generator=generator).to(faces)
        rows = torch.arange(height).to(faces).view(-1, 1) / height
        columns = torch.arange(width).to(faces) / width
        side = self.patch * random[2:4] / 2
        hidden = ((rows - random[0]).abs() < side[0]) & ((columns - random[1]).abs() < side[1])
        return torch.where(hidden, random[4], faces)
