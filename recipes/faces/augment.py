"""Random changes of a whole batch of faces at once, each face in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import torch
from torch import Tensor

from recipes.faces.geometry import shown, turn


@dataclass(frozen=True)
class FaceVariation:
    """Another pose, another light, something in front of the face.

    Args:
        degrees: Largest rotation either way.
        scale: Largest relative change of size, and a third of it of the proportions.
        shift: Largest shift along each axis, as a share of that side.
        gain: Largest relative change of contrast.
        ramp: Strongest lighting from one side: the relative change from edge to edge.
        gamma: Strongest gamma curve, as the logarithm of its exponent.
        noise: Largest standard deviation of noise; pixels are from 0 to 1.
        patch: Longest side of the grey patch that hides something, as a share of the face's.
    """

    degrees: float = 10.0
    scale: float = 0.12
    shift: float = 0.06
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
        """Rotates, scales and shifts; edges are continued outwards."""
        count, _, height, width = faces.shape
        random = torch.rand(5, count, generator=generator) * 2 - 1
        angle = random[0] * radians(self.degrees)
        size = 1 + self.scale * random[1]
        broad = 1 + self.scale / 3 * random[2]
        shift = 2 * self.shift * random[3:5]
        turned = turn(size, angle, height, width) * torch.stack(
            [broad, torch.ones(count)], 1
        ).unsqueeze(1)
        return shown(faces, torch.cat([turned, shift.T.unsqueeze(2)], 2))

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
