"""The hand-derived functions under the names of :mod:`torch.nn.functional`."""

from manualnn.layers.activations import relu, sigmoid, tanh
from manualnn.layers.batchnorm import batch_norm
from manualnn.layers.conv import conv1d, conv2d, conv3d
from manualnn.layers.flatten import flatten
from manualnn.layers.linear import linear
from manualnn.layers.pooling import max_pool1d, max_pool2d, max_pool3d
from manualnn.layers.softmax import log_softmax, softmax
from manualnn.losses.cross_entropy import cross_entropy
from manualnn.losses.mse import mse_loss

__all__ = [
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv3d",
    "cross_entropy",
    "flatten",
    "linear",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mse_loss",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]
