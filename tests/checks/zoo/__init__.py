"""Planted bugs: layers as authors write them, each with one thing wrong, and their healthy twins.

A specimen is named after its layer and what is wrong with it, "conv2d: the kernel is not rotated";
the healthy twin bears the layer's name alone, and has the same parameters and inputs.
"""

from tests.checks.zoo import activations, convolution, dense, losses, normalisation, pooling
from tests.checks.zoo.specimen import CAUSES, Layer, Specimen

_FAMILIES = (dense, convolution, pooling, normalisation, activations, losses)
_LAYERS = [
    layer for family in _FAMILIES for layer in vars(family).values() if isinstance(layer, Layer)
]

ZOO: list[Specimen] = [bug for layer in _LAYERS for bug in layer.bugs]
HEALTHY: list[Specimen] = [layer.healthy for layer in _LAYERS]

__all__ = ["CAUSES", "HEALTHY", "ZOO", "Specimen"]
