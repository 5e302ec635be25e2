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


def face_net(layers: ModuleType, maps: int = 32, dropout: float = 0.2) -> nn.Sequential:
    """A small residual net: faces (N, 1, 56, 46) in, embeddings (N, 12 maps) out.

    The embedding keeps where on the face something fired, in cells of 16x16 pixels. Where a linear
    layer mixes the cells, the net learns more about the people it has seen than about others.

    Args:
        layers: The namespace of layers.
        maps: Numbers in each of the 4x3 cells.
        dropout: Share of an embedding that is dropped while learning.
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
        layers.BatchNorm1d(CELLS * maps),
        layers.Dropout(dropout),
    )


def conv_norm_relu(
    layers: ModuleType, channels_in: int, channels_out: int, stride: int = 1
) -> list[nn.Module]:
    return [
        layers.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
        layers.BatchNorm2d(channels_out),
        layers.ReLU(),
    ]
