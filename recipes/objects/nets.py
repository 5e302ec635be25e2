"""The detector, built from a namespace of layers: ``manualnn`` or ``torch.nn``.

A residual backbone makes the picture 32 times smaller in four stages. A feature pyramid brings what
the last three stages saw back to stride 8 and adds it up. Two short branches then say for every
cell of 8x8 pixels which classes it shows, and how far its box's four sides are. By default::

    picture (3, H, W)
    4x4 pixels become channels            48
    stage 1          stride  4            32
    stage 2          stride  8            64  ---- 1x1 ---- + --- 3x3 ---- 3x3, 1x1 --- classes
    stage 3          stride 16            96  ---- 1x1 -- +           +--- 3x3, 1x1 --- sides
    stage 4          stride 32            96  ---- 1x1 ---
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from types import ModuleType

from torch import Tensor, nn
from torch.nn import functional as F

RARE = -4.0  # logit of a class at the beginning: nearly all cells are background
TYPICAL_SIDE = 26.0  # pixels from a cell's centre to a side of its box at the beginning


class Residual(nn.Module):
    """Adds to its input what two convolutions make of it: (N, C, H, W) to the same."""

    def __init__(self, layers: ModuleType, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_norm_act(layers, channels, channels),
            layers.Conv2d(channels, channels, 3, padding=1, bias=False),
            layers.BatchNorm2d(channels),
        )
        self.act = layers.SiLU()

    def forward(self, input: Tensor) -> Tensor:
        return self.act(self.body(input) + input)


class Detector(nn.Module):
    """Predicts classes and a box for every cell of a picture.

    Sums and enlargements are torch's calls; ``manualnn.hand_derived`` leads them to manualnn's.

    Args:
        layers: ``manualnn`` or ``torch.nn``.
        classes: How many there are.
        channels: Of the four stages.
        blocks: Residual blocks of each stage.
        patch: Side of the square of pixels that become channels of one.
        strides: Of the stages.
        width: Channels of the pyramid and of the branches.

    Attributes:
        stride: Side of a cell in pixels.
    """

    def __init__(
        self,
        layers: ModuleType,
        classes: int,
        channels: Sequence[int] = (32, 64, 96, 96),
        blocks: Sequence[int] = (1, 2, 2, 1),
        patch: int = 4,
        strides: Sequence[int] = (1, 2, 2, 2),
        width: int = 64,
    ) -> None:
        super().__init__()
        self.stride = patch * strides[0] * strides[1]
        self.patches = nn.PixelUnshuffle(patch)
        self.stages = nn.ModuleList()
        coming = 3 * patch**2
        for stride, going, count in zip(strides, channels, blocks, strict=True):
            residuals = (Residual(layers, going) for _ in range(count))
            self.stages.append(
                nn.Sequential(*conv_norm_act(layers, coming, going, stride), *residuals)
            )
            coming = going
        self.laterals = nn.ModuleList(layers.Conv2d(count, width, 1) for count in channels[1:])
        self.smooth = nn.Sequential(*conv_norm_act(layers, width, width))
        self.classes = branch(layers, width, classes, RARE)
        self.sides = branch(layers, width, 4, log(TYPICAL_SIDE / self.stride))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Looks at pictures.

        Args:
            pictures: (N, 3, H, W), both sides multiples of the stride.

        Returns:
            The classes' logits (N, P, classes) for the P cells, row by row, and the logarithm of
            the distances from each cell's centre to its box's left, upper, right and lower side,
            in strides (N, P, 4).
        """
        features = [self.stages[0](self.patches(pictures))]
        for stage in self.stages[1:]:
            features.append(stage(features[-1]))
        summed = self.laterals[-1](features[-1])
        for lateral, feature in zip(self.laterals[-2::-1], features[-2:0:-1], strict=True):
            summed = lateral(feature) + F.interpolate(summed, feature.shape[-2:])
        smooth = self.smooth(summed)
        return tuple(
            branch(smooth).flatten(2).transpose(1, 2) for branch in (self.classes, self.sides)
        )


def branch(layers: ModuleType, width: int, outputs: int, bias: float) -> nn.Sequential:
    """Returns two convolutions whose outputs are about ``bias`` at the beginning."""
    last = layers.Conv2d(width, outputs, 1)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.constant_(last.bias, bias)
    return nn.Sequential(*conv_norm_act(layers, width, width), last)


def conv_norm_act(
    layers: ModuleType, coming: int, going: int, stride: int = 1
) -> tuple[nn.Module, ...]:
    """Returns a 3x3 convolution, batch norm and SiLU."""
    return (
        layers.Conv2d(coming, going, 3, stride, padding=1, bias=False),
        layers.BatchNorm2d(going),
        layers.SiLU(),
    )
