"""The nets, each built from a namespace of layers: ``manualnn`` or ``torch.nn``."""

from __future__ import annotations

from types import ModuleType

from torch import nn

CLASSES = 10
PIXELS = 28 * 28


def cnn(layers: ModuleType) -> nn.Sequential:
    """The report's convolutional net: 154,764 parameters, images 28x28 in, 10 logits out."""
    return nn.Sequential(
        *_norm_conv_relu(layers, 1, 64),
        *_norm_conv_relu(layers, 64, 64),
        layers.MaxPool2d(2),
        *_norm_conv_relu(layers, 64, 64),
        *_norm_conv_relu(layers, 64, 64),
        *_norm_conv_relu(layers, 64, 64),
        layers.MaxPool2d(2),
        layers.BatchNorm2d(64),
        layers.Conv2d(64, CLASSES, 3),
        layers.Flatten(),
    )


def fully_connected(layers: ModuleType) -> nn.Sequential:
    """The report's fully connected net: 170,666 parameters, images 28x28 in, 10 logits out."""
    net = nn.Sequential(layers.Flatten())
    for width_in in (PIXELS, 128, 128, 128, 128):
        net.extend([layers.BatchNorm1d(width_in), layers.Linear(width_in, 128), layers.ReLU()])
    return net.extend([layers.BatchNorm1d(128), layers.Linear(128, CLASSES)])


def small(layers: ModuleType) -> nn.Sequential:
    """A small convolutional net: 9,454 parameters, images 28x28 in, 10 logits out."""
    return nn.Sequential(
        *_conv_norm_relu(layers, 1, 12, kernel_size=5),
        layers.MaxPool2d(2),
        *_conv_norm_relu(layers, 12, 16, kernel_size=3),
        *_conv_norm_relu(layers, 16, 20, kernel_size=3),
        layers.MaxPool2d(2),
        *_conv_norm_relu(layers, 20, 20, kernel_size=3),
        layers.Flatten(),
        layers.Linear(20 * 2 * 2, CLASSES),
    )


def _norm_conv_relu(layers: ModuleType, channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        layers.BatchNorm2d(channels_in),
        layers.Conv2d(channels_in, channels_out, 3),
        layers.ReLU(),
    ]


def _conv_norm_relu(
    layers: ModuleType, channels_in: int, channels_out: int, kernel_size: int
) -> list[nn.Module]:
    return [
        layers.Conv2d(channels_in, channels_out, kernel_size, bias=False),
        layers.BatchNorm2d(channels_out),
        layers.ReLU(),
    ]


NETS = {"cnn": cnn, "fully_connected": fully_connected, "small": small}
