"""Layers of PyTorch whose backward pass is derived by hand, equation by equation.

Every layer has the name, the arguments and the state_dict of its twin in :mod:`torch.nn`.

>>> import torch, manualnn
>>> layer = manualnn.Conv2d(1, 8, kernel_size=3)
>>> layer(torch.randn(2, 1, 28, 28)).grad_fn.name()
'ConvFunctionBackward'
"""

from manualnn import functional, optim
from manualnn.backend import backend
from manualnn.convert import convert, revert
from manualnn.coverage import coverage
from manualnn.distributed import SyncBatchNorm
from manualnn.equivalence import prove
from manualnn.fused import fuse, unfuse
from manualnn.layers.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from manualnn.layers.adaptive_max_pooling import (
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
)
from manualnn.layers.average_pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
)
from manualnn.layers.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from manualnn.layers.conv import Conv1d, Conv2d, Conv3d
from manualnn.layers.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from manualnn.layers.dropout import Dropout, Dropout2d
from manualnn.layers.embedding import Embedding
from manualnn.layers.flatten import Flatten
from manualnn.layers.groupnorm import GroupNorm
from manualnn.layers.instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from manualnn.layers.layernorm import LayerNorm
from manualnn.layers.linear import Linear
from manualnn.layers.local_response_norm import LocalResponseNorm
from manualnn.layers.pooling import MaxPool1d, MaxPool2d, MaxPool3d
from manualnn.layers.resize import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d
from manualnn.layers.softmax import LogSoftmax, Softmax
from manualnn.losses.binary_cross_entropy import BCELoss, BCEWithLogitsLoss
from manualnn.losses.cross_entropy import CrossEntropyLoss
from manualnn.losses.kl_div import KLDivLoss
from manualnn.losses.l1 import HuberLoss, L1Loss, SmoothL1Loss
from manualnn.losses.mse import MSELoss
from manualnn.losses.nll import NLLLoss
from manualnn.routing import hand_derived

__version__ = "0.1.0"

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HuberLoss",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Mish",
    "NLLLoss",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "SyncBatchNorm",
    "Tanh",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
    "backend",
    "convert",
    "coverage",
    "functional",
    "fuse",
    "hand_derived",
    "optim",
    "prove",
    "revert",
    "unfuse",
]
