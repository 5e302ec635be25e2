"""Random views of a whole batch of pictures at once, each in its own way, with their boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import clip_boxes_to_image


@dataclass(frozen=True)
class RandomView:
    """Flips, enlarges, shifts and recolours every picture of a batch by amounts of its own.

    Args:
        flip: Whether left and right change places in half of the pictures.
        upend: The same of top and bottom.
        scale: Largest relative change of size either way, e.g. 0.1.
        shift: Largest shift either way along each axis, as a share of the picture's side.
        least: Share of a box's area that has to stay in the picture; other boxes are dropped.
        gain: Largest relative change of brightness.
        tint: Largest further relative change of each colour.
        contrast: Largest relative change of contrast.
        saturation: Largest relative change of saturation.
    """

    flip: bool = True
    upend: bool = True
    scale: float = 0.1
    shift: float = 0.1
    least: float = 0.75
    gain: float = 0.25
    tint: float = 0.1
    contrast: float = 0.25
    saturation: float = 0.4

    def __call__(
        self, pictures: Tensor, boxes: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the views.

        Args:
            pictures: (N, 3, H, W), floating point, from 0 to 1.
            boxes: (N, M, 4) in pixels.
            labels: (N, M), -1 for no object.
            generator: A CPU generator, which alone decides the amounts.

        Returns:
            The pictures, boxes and labels; a box that is dropped has the label -1.
        """
        random = (torch.rand(11, len(pictures), generator=generator) * 2 - 1).to(pictures)
        turned = random[:2] * random.new_tensor([[self.flip], [self.upend]]) < 0
        zoom = (1 + self.scale * random[2]) * torch.where(turned, -1.0, 1.0)
        shift = 2 * self.shift * random[3:5]
        height, width = pictures.shape[-2:]
        moved = _moved(boxes, boxes.new_tensor([width, height]) / 2, zoom, shift)
        cut = clip_boxes_to_image(moved, (height, width))
        labels = torch.where(_area(cut) >= self.least * _area(moved), labels, -1)
        return self._recoloured(_placed(pictures, zoom, shift), random[5:]), cut, labels

    def _recoloured(self, pictures: Tensor, random: Tensor) -> Tensor:
        """Changes colours by the six random rows from -1 to 1: saturation, contrast, gains."""
        random = random[:, :, None, None, None]  # (6, N, 1, 1, 1)
        gray = pictures.mean(1, keepdim=True)
        pictures = torch.lerp(gray, pictures, 1 + self.saturation * random[0])
        middle = gray.mean((2, 3), keepdim=True)
        pictures = torch.lerp(middle, pictures, 1 + self.contrast * random[1])
        tint = 1 + self.tint * random[3:6, :, 0].transpose(0, 1)  # (N, 3, 1, 1)
        return (pictures * tint * (1 + self.gain * random[2])).clamp(0, 1)


def _placed(pictures: Tensor, zoom: Tensor, shift: Tensor) -> Tensor:
    """Returns the pictures enlarged about their middle, then shifted; gray where nothing is.

    Args:
        pictures: (N, 3, H, W).
        zoom: (2, N), along x and y; below 0 to flip.
        shift: (2, N), in half sides.
    """
    matrix = torch.zeros(len(pictures), 2, 3).to(pictures)
    matrix[:, 0, 0], matrix[:, 1, 1] = 1 / zoom
    matrix[:, :, 2] = (-shift / zoom).t()
    grid = F.affine_grid(matrix, list(pictures.shape), False)
    return F.grid_sample(pictures - 0.5, grid, align_corners=False) + 0.5


def _moved(boxes: Tensor, half: Tensor, zoom: Tensor, shift: Tensor) -> Tensor:
    """Returns where the boxes (N, M, 4) lie in the pictures of ``_placed``.

    Args:
        boxes: In pixels.
        half: (2), half the pictures' width and height.
        zoom: (2, N), along x and y; below 0 to flip.
        shift: (2, N), in half sides.
    """
    corners = boxes.unflatten(2, (2, 2)) - half  # (N, M, 2, 2): low and high; x and y
    corners = corners * zoom.t()[:, None, None] + half * (1 + shift.t()[:, None, None])
    return torch.cat([corners.amin(2), corners.amax(2)], -1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)
