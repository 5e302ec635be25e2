"""Layers of PyTorch whose backward pass is derived by hand, equation by equation.

Every layer has the name, the arguments and the state_dict of its twin in :mod:`torch.nn`.

>>> import torch, manualnn
>>> layer = manualnn.Conv2d(1, 8, kernel_size=3)
>>> layer(torch.randn(2, 1, 28, 28)).grad_fn.name()
'ConvFunctionBackward'
"""

from manualnn import functional, optim
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
from manualnn.layers.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from manualnn.layers.conv import Conv1d, Conv2d, Conv3d
from manualnn.layers.flatten import Flatten
from manualnn.layers.linear import Linear
from manualnn.layers.pooling import MaxPool1d, MaxPool2d, MaxPool3d
from manualnn.layers.softmax import LogSoftmax, Softmax
from manualnn.losses.cross_entropy import CrossEntropyLoss
from manualnn.losses.mse import MSELoss

__version__ = "0.1.0"

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "CrossEntropyLoss",
    "Flatten",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "functional",
    "optim",
]
