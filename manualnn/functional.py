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
from manualnn.layers.adaptive_max_pooling import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from manualnn.layers.arithmetic import add, add_, mul
from manualnn.layers.average_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
)
from manualnn.layers.batchnorm import batch_norm
from manualnn.layers.conv import conv1d, conv2d, conv3d
from manualnn.layers.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from manualnn.layers.dropout import dropout, dropout2d
from manualnn.layers.embedding import embedding
from manualnn.layers.flatten import flatten
from manualnn.layers.groupnorm import group_norm
from manualnn.layers.instancenorm import instance_norm
from manualnn.layers.joining import cat, chunk, mean, split
from manualnn.layers.layernorm import layer_norm
from manualnn.layers.linear import linear
from manualnn.layers.local_response_norm import local_response_norm
from manualnn.layers.normalize import normalize
from manualnn.layers.pooling import max_pool1d, max_pool2d, max_pool3d
from manualnn.layers.resize import interpolate
from manualnn.layers.softmax import log_softmax, softmax
from manualnn.losses.binary_cross_entropy import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
)
from manualnn.losses.cross_entropy import cross_entropy
from manualnn.losses.kl_div import kl_div
from manualnn.losses.l1 import huber_loss, l1_loss, smooth_l1_loss
from manualnn.losses.mse import mse_loss
from manualnn.losses.nll import nll_loss

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "add",
    "add_",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cat",
    "celu",
    "chunk",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "elu",
    "embedding",
    "flatten",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mean",
    "mish",
    "mse_loss",
    "mul",
    "nll_loss",
    "normalize",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "split",
    "tanh",
]
