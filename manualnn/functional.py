"""The hand-derived functions under the names of :mod:`torch.nn.functional`."""

from manualnn.layers.activations import (
    celu,
    elu,
    gelu,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from manualnn.layers.arithmetic import add, add_, mul
from manualnn.layers.batchnorm import batch_norm
from manualnn.layers.conv import conv1d, conv2d, conv3d
from manualnn.layers.flatten import flatten
from manualnn.layers.joining import cat, chunk, mean, split
from manualnn.layers.linear import linear
from manualnn.layers.pooling import max_pool1d, max_pool2d, max_pool3d
from manualnn.layers.softmax import log_softmax, softmax
from manualnn.losses.cross_entropy import cross_entropy
from manualnn.losses.mse import mse_loss

__all__ = [
    "add",
    "add_",
    "batch_norm",
    "cat",
    "celu",
    "chunk",
    "conv1d",
    "conv2d",
    "conv3d",
    "cross_entropy",
    "elu",
    "flatten",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mean",
    "mish",
    "mse_loss",
    "mul",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "split",
    "tanh",
]
