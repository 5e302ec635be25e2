"""The net: from a face to an embedding, built from ``manualnn`` or ``torch.nn``."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor, nn

HEIGHT, WIDTH = 56, 46
CHANNELS = (24, 48, 96, 112)
CELLS = 4 * 3  # of a face, after four strides of 2


class Residual(nn.Module):
    """y = relu(x + f(x)), where f is two convolutions with batch norm, the shape kept."""

    def __init__(self, layers: ModuleType, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *conv_norm_relu(layers, channels, channels)[:2],
            layers.ReLU(),
            *conv_norm_relu(layers, channels, channels)[:2],
        )
        self.add = layers.functional.add if layers.__name__ == "manualnn" else torch.add
        self.relu = layers.ReLU()

    def forward(self, input: Tensor) -> Tensor:
        return self.relu(self.add(input, self.branch(input)))


def face_net(layers: ModuleType, maps: int) -> nn.Sequential:
    """A small residual net: faces (N, 1, 56, 46) in, features (N, 12 maps) out.

    The features keep where on the face something fired, in cells of 16x16 pixels.

    Args:
        layers: The namespace of layers.
        maps: Features of each of the 4x3 cells.
    """
    first, second, third, fourth = CHANNELS
    return nn.Sequential(
        *conv_norm_relu(layers, 1, first, stride=2),
        *conv_norm_relu(layers, first, second, stride=2),
        Residual(layers, second),
        *conv_norm_relu(layers, second, third, stride=2),
        Residual(layers, third),
        *conv_norm_relu(layers, third, fourth, stride=2),
        layers.Conv2d(fourth, maps, 1),
        layers.Flatten(),
    )


def face_head(layers: ModuleType, features: int, size: int, dropout: float) -> nn.Sequential:
    """What the loss sees of the features (N, features) while learning: (N, size).

    It learns to tell apart the people that it sees; what it makes of others is worse than the
    features themselves.
    """
    return nn.Sequential(
        layers.Dropout(dropout),
        layers.Linear(features, size, bias=False),
        layers.BatchNorm1d(size),
    )


def conv_norm_relu(
    layers: ModuleType, channels_in: int, channels_out: int, stride: int = 1
) -> list[nn.Module]:
    return [
        layers.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
        layers.BatchNorm2d(channels_out),
        layers.ReLU(),
    ]
