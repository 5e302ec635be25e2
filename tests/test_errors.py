"""What torch refuses we refuse: the same error, a message that helps, nothing changed before."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

import manualnn


@dataclass(frozen=True)
class BadCall:
    """A layer or function of either namespace, and inputs that it must refuse.

    An input is a tensor, or the shape of a random one. The message of the error must contain
    ``value``, what was wrong, and ``fits``, what would have been right.
    """

    about: str
    layer: Callable[[ModuleType], Callable[..., Tensor]]
    inputs: tuple[tuple[int, ...] | Tensor, ...]
    error: type[Exception]
    value: str
    fits: str

    def __str__(self) -> str:
        return self.about

    def tensors(self) -> list[Tensor]:
        return [i.clone() if isinstance(i, Tensor) else torch.randn(i) for i in self.inputs]


def _bad(about, layer, *inputs, error=RuntimeError, value, fits):
    return BadCall(about, layer, inputs, error, value, fits)


def _function(name, *arguments, **options):
    """A function of torch.nn.functional and of manualnn.functional, its inputs still to come."""
    return lambda n: lambda *inputs: getattr(n.functional, name)(*inputs, *arguments, **options)


def _layer(name, *arguments, training=True, **options):
    return lambda n: getattr(n, name)(*arguments, **options).train(training)


def _indices(*classes, dtype=torch.int64):
    return torch.tensor(classes, dtype=dtype)


LINEAR = [
    _bad("linear: features", _layer("Linear", 3, 4), (5, 2), value="(5, 2)", fits="(4, 3)"),
    _bad("linear: a number", _layer("Linear", 3, 4), (), value="got ()", fits="(..., in)"),
    _bad("linear: float64 input", _layer("Linear", 3, 4), torch.ones(5, 3, dtype=torch.float64),
         value="torch.float64, torch.float32", fits="one dtype"),
    _bad("linear: integers", _layer("Linear", 3, 4), torch.ones(5, 3, dtype=torch.int64),
         value="torch.int64", fits="one dtype"),
    _bad("linear: complex input", _layer("Linear", 3, 4), torch.ones(5, 3, dtype=torch.complex64),
         value="torch.complex64", fits="one dtype"),
    _bad("linear: weight of 3 axes", _function("linear"), (5, 3), (4, 3, 1),
         value="(4, 3, 1)", fits="(out, in)"),
    _bad("linear: weight of 1 axis", _function("linear"), (5, 3), (2,),
         value="(2,)", fits="(5, 3)"),
    _bad("linear: bias", _function("linear"), (5, 3), (4, 3), (3,), value="(3,)", fits="(4,)"),
    _bad("linear: bias of another dtype", _function("linear"), (5, 3), (4, 3),
         torch.ones(4, dtype=torch.float64), value="torch.float64", fits="one dtype"),
]  # fmt: skip


def _plane(axes, *leading, size=5):
    return (*leading, *(size,) * axes)


def _conv(d):
    name, conv = f"conv{d}d", partial(_layer, f"Conv{d}d", 2, 4, 3)
    return [
        _bad(f"{name}: too few axes", conv(), _plane(d),
             value=str(_plane(d)), fits=f"{d + 2} (batch)"),
        _bad(f"{name}: too many axes", conv(), _plane(d, 1, 1, 2),
             value=str(_plane(d, 1, 1, 2)), fits=f"{d + 1} (one sample)"),
        _bad(f"{name}: too few axes to reflect", conv(padding=1, padding_mode="reflect"), _plane(d),
             value=str(_plane(d)), fits=f"{d + 2} (batch)"),
        _bad(f"{name}: channels", conv(), _plane(d, 1, 3),
             value=str(_plane(d, 1, 3)), fits="expected 2 channels"),
        _bad(f"{name}: channels of one sample", conv(), _plane(d, 3), value="(1, 3,",
             fits="expected 2 channels"),
        _bad(f"{name}: kernel larger than input", conv(), _plane(d, 1, 2, size=2),
             value="(2", fits="Kernel size can't be greater than actual input size"),
        _bad(f"{name}: dilated kernel larger than input", conv(dilation=3), _plane(d, 1, 2),
             value="(7", fits="Kernel size can't be greater than actual input size"),
        _bad(f"{name}: stride", conv(stride=0), _plane(d, 1, 2), value="got (0", fits="at least 1"),
        _bad(f"{name}: negative padding", conv(padding=-1), _plane(d, 1, 2),
             value="got (-1", fits="at least 0"),
        _bad(f"{name}: dilation", conv(dilation=0), _plane(d, 1, 2),
             value="got (0", fits="at least 1"),
        _bad(f"{name}: too much to reflect", conv(padding=5, padding_mode="reflect"),
             _plane(d, 1, 2), value="(5, 5)", fits="less than the corresponding input dimension"),
        _bad(f"{name}: too much to wrap around", conv(padding=6, padding_mode="circular"),
             _plane(d, 1, 2), value="(6, 6)", fits="5 elements"),
        _bad(f"{name}: float64 input", conv(), torch.ones(_plane(d, 1, 2), dtype=torch.float64),
             value="torch.float64, torch.float32", fits="one dtype"),
        _bad(f"{name}: integers", conv(), torch.ones(_plane(d, 1, 2), dtype=torch.int64),
             value="torch.int64", fits="one dtype"),
        _bad(f"{name}: complex input", conv(), torch.ones(_plane(d, 1, 2), dtype=torch.complex64),
             value="torch.complex64", fits="one dtype"),
    ]  # fmt: skip


CONV = [
    *(bad for d in (1, 2, 3) for bad in _conv(d)),
    _bad("conv2d: weight of 3 axes", _function("conv2d"), (1, 2, 5, 5), (4, 2, 3),
         value="(4, 2, 3)", fits="4 axes"),
    _bad("conv2d: empty kernel", _function("conv2d"), (1, 2, 5, 5), (4, 2, 0, 3),
         value="0", fits="greater than zero"),
    _bad("conv2d: bias", _function("conv2d"), (1, 2, 5, 5), (4, 2, 3, 3), (3,),
         value="[3]", fits="4 elements"),
    _bad("conv2d: bias of another dtype", _function("conv2d"), (1, 2, 5, 5), (4, 2, 3, 3),
         torch.ones(4, dtype=torch.float64), value="torch.float64", fits="one dtype"),
    _bad("conv2d: padding's name", _function("conv2d", padding="full"), (1, 2, 5, 5), (4, 2, 3, 3),
         value="'full'", fits="'valid' or 'same'"),
    _bad("conv2d: same with stride", _function("conv2d", padding="same", stride=2),
         (1, 2, 5, 5), (4, 2, 3, 3), value="(2, 2)", fits="stride 1"),
    _bad("conv2d: no groups", _function("conv2d", groups=0), (1, 2, 5, 5), (4, 2, 3, 3),
         value="got 0", fits="at least 1"),
    _bad("conv2d: groups", _function("conv2d", groups=3), (1, 2, 5, 5), (4, 2, 3, 3),
         value="got 3", fits="divide the weight's 4 output channels"),
    _bad("conv2d: channels of groups", _function("conv2d", groups=2), (1, 2, 5, 5), (4, 2, 3, 3),
         value="(1, 2, 5, 5)", fits="4 channels"),
] + [
    _bad(f"conv2d: three numbers for {option}", _function("conv2d", **{option: (1, 1, 1)}),
         (1, 2, 5, 5), (4, 2, 3, 3), value=f"{option} to be", fits="one number or 2")
    for option in ("stride", "padding", "dilation")
]  # fmt: skip


def _pooling(d):
    name, pool = f"max_pool{d}d", partial(_layer, f"MaxPool{d}d")
    return [
        _bad(f"{name}: too few axes", pool(2), _plane(d),
             value=str(_plane(d)), fits=f"{d + 2} (batch)"),
        _bad(f"{name}: too many axes", pool(2), _plane(d, 1, 1, 2),
             value=str(_plane(d, 1, 1, 2)), fits=f"{d + 1} (one sample)"),
        _bad(f"{name}: padding over half of the kernel", pool(2, padding=2), _plane(d, 1, 2),
             value="2", fits="at most half of"),
        _bad(f"{name}: negative padding", pool(2, padding=-1), _plane(d, 1, 2),
             value="got (-1", fits="at least 0"),
        _bad(f"{name}: stride", pool(2, stride=0), _plane(d, 1, 2),
             value="got (0", fits="at least 1"),
        _bad(f"{name}: dilation", pool(2, dilation=0), _plane(d, 1, 2),
             value="got (0", fits="at least 1"),
        _bad(f"{name}: kernel", pool(0), _plane(d, 1, 2), value="got (0", fits="at least 1"),
        _bad(f"{name}: kernel of too many numbers", pool((2,) * 4), _plane(d, 1, 2),
             value="(2, 2, 2, 2)", fits=f"one number or {d}"),
        _bad(f"{name}: kernel not whole", pool(2.5), _plane(d, 1, 2),
             error=TypeError, value="'float'", fits="integer"),
        _bad(f"{name}: kernel larger than input", pool(6), _plane(d, 1, 2),
             value="output size: (2x", fits="too small"),
        _bad(f"{name}: no channels", pool(2), _plane(d, 1, 0), value="[1, 0", fits="xpected"),
        _bad(f"{name}: complex input", pool(2), torch.ones(_plane(d, 1, 2), dtype=torch.complex64),
             error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
    ]  # fmt: skip


POOLING = [bad for d in (1, 2, 3) for bad in _pooling(d)]


def _batch_norm(d):
    name, norm, shape = f"batch_norm {d}d", partial(_layer, f"BatchNorm{d}d"), _plane(d, 4, 3)
    return [
        _bad(f"{name}: axes", norm(3), _plane(d, 2, 4, 3), error=ValueError,
             value=f"{d + 3}D input", fits=f"{d + 2}D"),
        _bad(f"{name}: channels", norm(5), shape, value="has 5", fits="3 elements"),
        _bad(f"{name}: channels in evaluation", norm(5, training=False), shape,
             value="has 5", fits="3 elements"),
        _bad(f"{name}: one value per channel", norm(3), _plane(d, 1, 3, size=1),
             error=ValueError, value=str(_plane(d, 1, 3, size=1)), fits="more than one value"),
        _bad(f"{name}: eps", norm(3, eps=0.0), shape,
             error=ValueError, value="got 0.0", fits="above 0"),
        _bad(f"{name}: eps in evaluation", norm(3, eps=-1.0, training=False), shape,
             error=ValueError, value="-1.0", fits="at least 0"),
        _bad(f"{name}: float64 input", norm(3), torch.ones(shape, dtype=torch.float64),
             value="is torch.float32", fits="should be torch.float64"),
        _bad(f"{name}: float16 layer", norm(3, dtype=torch.float16), torch.ones(shape),
             value="is torch.float16", fits="should be torch.float32"),
        _bad(f"{name}: integers", norm(3), torch.ones(shape, dtype=torch.int64),
             error=NotImplementedError, value="torch.int64", fits="floating-point"),
        _bad(f"{name}: complex input", norm(3), torch.ones(shape, dtype=torch.complex64),
             error=NotImplementedError, value="torch.complex64", fits="floating-point"),
    ]  # fmt: skip


BATCH_NORM = [
    *(bad for d in (1, 2, 3) for bad in _batch_norm(d)),
    _bad("batch_norm: no statistics", _function("batch_norm", None, None), (4, 3),
         value="None", fits="needed in evaluation"),
    _bad("batch_norm: no variance", _function("batch_norm", None), (4, 3), (3,),
         value="None", fits="needed in evaluation"),
    _bad("batch_norm: no variance in training", _function("batch_norm", None, training=True),
         (4, 3), (3,), error=ValueError, value="running_var is None", fits="both"),
    _bad("batch_norm: weight", _function("batch_norm"), (4, 3), (3,), (3,), (2,),
         value="weight should contain 3", fits="has 2"),
    _bad("batch_norm: bias", _function("batch_norm"), (4, 3), (3,), (3,), (3,), (4,),
         value="bias should contain 3", fits="has 4"),
    _bad("batch_norm: variance", _function("batch_norm"), (4, 3), (3,), (2,),
         value="running_var should contain 3", fits="has 2"),
    _bad("batch_norm: weight of another dtype", _function("batch_norm"), (4, 3), (3,), (3,),
         torch.ones(3, dtype=torch.float64), value="torch.float64", fits="should be torch.float32"),
    _bad("batch_norm: mean to be differentiated", _function("batch_norm"), (4, 3),
         torch.zeros(3, requires_grad=True), (3,), value="requires a gradient", fits="detached"),
    _bad("batch_norm: no channels", _function("batch_norm"), (4,), (4,), (4,),
         value="(4,)", fits="(R, C, ...)"),
]  # fmt: skip


def _instance_norm(d):
    name, norm, shape = f"instance_norm {d}d", partial(_layer, f"InstanceNorm{d}d"), _plane(d, 4, 3)
    return [
        _bad(f"{name}: axes", norm(3), _plane(d, 2, 4, 3), error=ValueError,
             value=f"{d + 3}D input", fits=f"{d + 2}D"),
        _bad(f"{name}: channels", norm(5, affine=True), shape, error=ValueError,
             value=str(shape), fits="num_features = 5"),
        _bad(f"{name}: one value per instance", norm(3), _plane(d, 4, 3, size=1),
             error=ValueError, value=str(_plane(d, 4, 3, size=1)), fits="more than one value"),
        _bad(f"{name}: float64 input", norm(3, affine=True), torch.ones(shape, dtype=torch.float64),
             value="is torch.float32", fits="should be torch.float64"),
        _bad(f"{name}: integers", norm(3), torch.ones(shape, dtype=torch.int64),
             error=NotImplementedError, value="torch.int64", fits="floating-point"),
        _bad(f"{name}: complex input", norm(3), torch.ones(shape, dtype=torch.complex64),
             error=NotImplementedError, value="torch.complex64", fits="floating-point"),
    ]  # fmt: skip


NORMS = [
    *(bad for d in (1, 2, 3) for bad in _instance_norm(d)),
    _bad("instance_norm: no statistics", _function("instance_norm", use_input_stats=False),
         (4, 3, 2), value="None", fits="needed in evaluation"),
    _bad("instance_norm: no variance", _function("instance_norm"), (4, 3, 2), (3,),
         error=ValueError, value="running_var is None", fits="both"),
    _bad("instance_norm: mean", _function("instance_norm"), (4, 3, 2), (2,), (3,),
         value="has 2", fits="running_mean should contain 3"),
    _bad("instance_norm: weight", _function("instance_norm"), (4, 3, 2), (3,), (3,), (2,),
         value="has 2", fits="weight should contain 3"),
    _bad("instance_norm: no pixels", _function("instance_norm"), (4, 3), error=ValueError,
         value="(4, 3)", fits="more than one value"),
    _bad("layer_norm: shape", _layer("LayerNorm", 3), (2, 4), value="got (2, 4)", fits="(..., 3)"),
    _bad("layer_norm: axes", _layer("LayerNorm", (2, 3)), (3,), value="(3,)", fits="(..., 2, 3)"),
    _bad("layer_norm: order of axes", _layer("LayerNorm", (2, 3)), (2, 3, 4),
         value="(2, 3, 4)", fits="(..., 2, 3)"),
    _bad("layer_norm: no axis", _function("layer_norm", ()), (2, 3),
         value="()", fits="at least one axis"),
    _bad("layer_norm: weight", lambda n: lambda x, w: n.functional.layer_norm(x, (3,), w),
         (2, 3), (2,), value="has (2,)", fits="(3,)"),
    _bad("layer_norm: bias", lambda n: lambda x, b: n.functional.layer_norm(x, (3,), None, b),
         (2, 3), (1, 3), value="has (1, 3)", fits="(3,)"),
    _bad("layer_norm: float64 input", _layer("LayerNorm", 3), torch.ones(2, 3, dtype=torch.float64),
         value="is torch.float32", fits="should be torch.float64"),
    _bad("layer_norm: integers", _function("layer_norm", (3,)), torch.ones(2, 3, dtype=torch.int64),
         error=NotImplementedError, value="torch.int64", fits="floating-point"),
    _bad("layer_norm: complex input", _function("layer_norm", (3,)),
         torch.ones(2, 3, dtype=torch.complex64),
         error=NotImplementedError, value="torch.complex64", fits="floating-point"),
    _bad("group_norm: channels", _layer("GroupNorm", 2, 4), (2, 6, 3),
         value="is (4,)", fits="(6,)"),
    _bad("group_norm: groups", _function("group_norm", 2), (2, 5, 3),
         value="got 5", fits="2 groups"),
    _bad("group_norm: negative groups", _function("group_norm", -1), (2, 4, 3),
         value="got -1", fits="at least 1"),
    _bad("group_norm: one axis", _layer("GroupNorm", 2, 4), (4,), value="(4,)", fits="(R, C, ...)"),
    _bad("group_norm: one value", _layer("GroupNorm", 4, 4), (1, 4), error=ValueError,
         value="(1, 4)", fits="more than one value"),
    _bad("group_norm: no channels", _function("group_norm", 2), (2, 0, 3),
         value="(2, 0, 3)", fits="divided into 2 groups"),
    _bad("group_norm: no pixels", _layer("GroupNorm", 2, 4), (2, 4, 0),
         value="(2, 4, 0)", fits="at least one pixel"),
    _bad("group_norm: bias", lambda n: lambda x, b: n.functional.group_norm(x, 2, None, b),
         (2, 4, 3), (4, 1), value="(4, 1)", fits="(4,)"),
    _bad("group_norm: float64 input", _layer("GroupNorm", 2, 4),
         torch.ones(2, 4, dtype=torch.float64),
         value="is torch.float32", fits="should be torch.float64"),
    _bad("group_norm: integers", _function("group_norm", 2), torch.ones(2, 4, dtype=torch.int64),
         error=NotImplementedError, value="torch.int64", fits="floating-point"),
    _bad("group_norm: complex input", _function("group_norm", 2),
         torch.ones(2, 4, dtype=torch.complex64),
         error=NotImplementedError, value="torch.complex64", fits="floating-point"),
    _bad("local_response_norm: axes", _layer("LocalResponseNorm", 3), (2, 3), error=ValueError,
         value="(2, 3)", fits="(R, C, ...)"),
    _bad("local_response_norm: empty window", _layer("LocalResponseNorm", 0), (2, 3, 4),
         value="got 0", fits="at least 1"),
    _bad("local_response_norm: size not whole", _layer("LocalResponseNorm", 2.5), (2, 3, 4),
         error=TypeError, value="float", fits="int"),
    _bad("local_response_norm: complex input", _layer("LocalResponseNorm", 3),
         torch.ones(2, 3, 4, dtype=torch.complex64),
         error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
]  # fmt: skip

OTHERS = [
    _bad("relu: bool", _layer("ReLU"), torch.ones(3, dtype=torch.bool),
         value="Boolean", fits="not supported"),
    _bad("relu: complex", _layer("ReLU"), torch.ones(3, dtype=torch.complex64),
         error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
    _bad("flatten: axis", _layer("Flatten", 2), (3, 2),
         error=IndexError, value="got 2", fits="[-2, 1]"),
    _bad("flatten: order", _layer("Flatten", 2, 1), (3, 2, 2),
         value="start_dim", fits="cannot come after end_dim"),
] + [
    bad
    for name in ("Softmax", "LogSoftmax")
    for bad in (
        _bad(f"{name}: axis", _layer(name, 2), (3, 2),
             error=IndexError, value="got 2", fits="[-2, 1]"),
        _bad(f"{name}: negative axis", _layer(name, -3), (3, 2),
             error=IndexError, value="got -3", fits="[-2, 1]"),
        _bad(f"{name}: axis of a number", _layer(name, 1), (),
             error=IndexError, value="got 1", fits="[-1, 0]"),
        _bad(f"{name}: integers", _layer(name, 1), torch.ones(3, 2, dtype=torch.int64),
             error=NotImplementedError, value="torch.int64", fits="floating-point"),
        _bad(f"{name}: complex input", _layer(name, 1), torch.ones(3, 2, dtype=torch.complex64),
             error=NotImplementedError, value="torch.complex64", fits="floating-point"),
    )
] + [
    _bad("softmax: to integers", _function("softmax", 1, dtype=torch.int64), (3, 2),
         error=NotImplementedError, value="torch.int64", fits="floating-point"),
]  # fmt: skip

_SHAPES = "class indices (2,) or of class probabilities (2, 3)"

LOSSES = [
    _bad("mse: shapes", _layer("MSELoss"), (3, 2), (3, 4), value="(4)", fits="must match"),
    _bad("mse: reduction", _layer("MSELoss", reduction="max"), (3, 2), (3, 2),
         error=ValueError, value="'max'", fits="'none', 'mean' or 'sum'"),
    _bad("mse: integers", _layer("MSELoss"), *[torch.ones(3, dtype=torch.int64)] * 2,
         error=NotImplementedError, value="torch.int64", fits="floating-point"),
    _bad("mse: complex", _layer("MSELoss"), *[torch.ones(3, dtype=torch.complex64)] * 2,
         error=NotImplementedError, value="torch.complex64", fits="floating-point"),
    _bad("mse: weight", lambda n: lambda x, y, w: n.functional.mse_loss(x, y, weight=w),
         (3, 2), (3, 2), (2,), error=ValueError, value="(2,)", fits="(3, 2)"),
] + [
    _bad(f"cross_entropy: target {target}, {reduction}, smoothing {smoothing}",
         _layer("CrossEntropyLoss", reduction=reduction, label_smoothing=smoothing),
         (2, 3), _indices(0, target),
         error=IndexError, value=f"Target {target} ", fits="from 0 to 2")
    for target in (3, -1)
    for reduction in ("mean", "sum", "none")
    for smoothing in (0.0, 0.1)
] + [
    _bad("cross_entropy: target of one sample", _layer("CrossEntropyLoss"), (3,), torch.tensor(3),
         error=IndexError, value="Target 3 ", fits="from 0 to 2"),
    _bad("cross_entropy: target of pixels", _layer("CrossEntropyLoss"), (1, 3, 2, 2),
         _indices([[0, -2], [2, 1]]), error=IndexError, value="Target -2 ", fits="from 0 to 2"),
    _bad("cross_entropy: weighted target",
         lambda n: n.CrossEntropyLoss(weight=torch.ones(3)), (2, 3), _indices(0, 3),
         error=IndexError, value="Target 3 ", fits="from 0 to 2"),
    _bad("cross_entropy: batch size", _layer("CrossEntropyLoss"), (2, 3), _indices(0, 1, 2),
         error=ValueError, value="(3,) of torch.int64", fits=_SHAPES),
    _bad("cross_entropy: two targets", _layer("CrossEntropyLoss"), (2, 3), _indices([0], [1]),
         value="(2, 1) of torch.int64", fits=_SHAPES),
    _bad("cross_entropy: no target", _layer("CrossEntropyLoss"), (2, 3), torch.tensor(1),
         error=ValueError, value="() of torch.int64", fits=_SHAPES),
    _bad("cross_entropy: targets of one sample", _layer("CrossEntropyLoss"), (3,), _indices(1, 2),
         error=ValueError, value="(2,) of torch.int64", fits="class indices ()"),
    _bad("cross_entropy: pixels", _layer("CrossEntropyLoss"), (2, 3, 2, 2), _indices(0, 1),
         value="(2,) of torch.int64", fits="class indices (2, 2, 2)"),
    _bad("cross_entropy: plane", _layer("CrossEntropyLoss"), (1, 3, 2, 2), _indices([[0, 1]]),
         value="(1, 1, 2) of torch.int64", fits="class indices (1, 2, 2)"),
    _bad("cross_entropy: probabilities", _layer("CrossEntropyLoss"), (2, 3), (2, 4),
         value="(2, 4) of torch.float32", fits=_SHAPES),
    _bad("cross_entropy: indices as floats", _layer("CrossEntropyLoss"), (2, 3), (2,),
         value="(2,) of torch.float32", fits=_SHAPES),
    _bad("cross_entropy: a number", _layer("CrossEntropyLoss"), (), torch.tensor(0),
         value="a number", fits="(N, C, ...)"),
    _bad("cross_entropy: int32 target", _layer("CrossEntropyLoss"), (2, 3),
         _indices(0, 1, dtype=torch.int32), value="Int", fits="Long or Byte"),
    _bad("cross_entropy: integers", _layer("CrossEntropyLoss"), _indices([0, 1], [2, 3]),
         _indices(0, 1), error=NotImplementedError, value="torch.int64", fits="floating-point"),
    _bad("cross_entropy: complex input", _layer("CrossEntropyLoss"),
         torch.ones(2, 3, dtype=torch.complex64), _indices(0, 1),
         error=NotImplementedError, value="torch.complex64", fits="floating-point"),
    _bad("cross_entropy: ignored probabilities", _layer("CrossEntropyLoss", ignore_index=1),
         (2, 3), (2, 3), value="ignore_index=1", fits="class indices"),
    _bad("cross_entropy: smoothing", _layer("CrossEntropyLoss", label_smoothing=1.5),
         (2, 3), _indices(0, 1), value="1.5", fits="from 0 to 1"),
    _bad("cross_entropy: smoothing of probabilities",
         _layer("CrossEntropyLoss", label_smoothing=1.5), (2, 3), (2, 3),
         value="1.5", fits="from 0 to 1"),
    _bad("cross_entropy: reduction", _layer("CrossEntropyLoss", reduction="max"),
         (2, 3), _indices(0, 1), error=ValueError, value="'max'", fits="'none', 'mean' or 'sum'"),
    _bad("cross_entropy: weight", _function("cross_entropy"), (2, 3), _indices(0, 1), (2,),
         value="(2,)", fits="3 class weights"),
    _bad("cross_entropy: weight of probabilities", _function("cross_entropy"),
         (2, 3), (2, 3), (2,), value="(2,)", fits="3 class weights"),
    _bad("cross_entropy: weight of pixels", _function("cross_entropy"),
         (1, 3, 1, 1), _indices([[1]]), (2,), value="(2,)", fits="3 class weights"),
    _bad("cross_entropy: weight of another dtype", _function("cross_entropy"), (2, 3),
         _indices(0, 1), torch.ones(3, dtype=torch.float64),
         value="is torch.float64", fits="should be torch.float32"),
    _bad("cross_entropy: weight to be differentiated", _function("cross_entropy"), (2, 3),
         _indices(0, 1), torch.ones(3, requires_grad=True),
         value="requires a gradient", fits="weight.detach()"),
]  # fmt: skip

ACTIVATIONS = [
    _bad("hardtanh: bounds", _function("hardtanh", 1.5, -0.5), (3,),
         error=ValueError, value="1.5 and -0.5", fits="exchange them"),
    _bad("celu: alpha", _layer("CELU", alpha=0.0), (3,), value="got 0.0", fits="any number but 0"),
    _bad("gelu: approximation", _layer("GELU", approximate="sigmoid"), (3,),
         value="'sigmoid'", fits="'none' or 'tanh'"),
    _bad("prelu: channels", _layer("PReLU", 3), (2, 4), value="(3,)", fits="(4,)"),
    _bad("prelu: one axis", _layer("PReLU", 3), (3,), value="(3,)", fits="(1,)"),
    _bad("prelu: a number", _layer("PReLU", 3), (), value="(3,)", fits="(1,)"),
    _bad("prelu: weight of 2 axes", _function("prelu"), (2, 3), (1, 3),
         value="(1, 3)", fits="(3,)"),
    _bad("prelu: weight of another dtype", _function("prelu"), (2, 3),
         torch.ones(3, dtype=torch.float64), value="torch.float64", fits="one dtype"),
]  # fmt: skip

DROPOUT = [
    _bad("dropout: more than all", _function("dropout", 1.5), (3,),
         error=ValueError, value="got 1.5", fits="between 0 and 1"),
    _bad("dropout: less than nothing", _function("dropout2d", -0.5), (1, 1, 2, 2),
         error=ValueError, value="got -0.5", fits="between 0 and 1"),
    _bad("dropout: integers", _layer("Dropout"), torch.arange(3),
         value="torch.int64", fits="floating-point"),
    _bad("dropout2d: no channels", _layer("Dropout2d"), (3,), value="(3,)", fits="2 dimensions"),
]  # fmt: skip

_ONE, _HALF = torch.ones(2), torch.full((2,), 0.5)
_COMPLEX, _INTEGERS = torch.ones(2, dtype=torch.complex64), torch.tensor([0, 1])


def _weighted(name):
    return lambda n: lambda x, y, v: getattr(n.functional, name)(x, y, weight=v)


def _loss_of_elements(name, unlike="must match"):
    """What every loss of single elements refuses."""
    return [
        _bad(f"{name}: reduction", _layer(name, reduction="max"), _ONE, _HALF,
             error=ValueError, value="'max'", fits="'none', 'mean' or 'sum'"),
        _bad(f"{name}: shapes", _layer(name, reduction="sum"), (3, 2), (3, 4),
             error=RuntimeError if unlike == "must match" else ValueError,
             value="4)", fits=unlike),
    ]  # fmt: skip


def _floating_loss(name):
    """What those refuse that are for floating-point numbers alone."""
    return [
        _bad(f"{name}: integers", _layer(name), _INTEGERS, _INTEGERS,
             error=NotImplementedError, value="torch.int64", fits="floating-point"),
        _bad(f"{name}: complex", _layer(name), _COMPLEX, _COMPLEX,
             error=NotImplementedError, value="torch.complex64", fits="floating-point"),
    ]  # fmt: skip


def _binary_loss(name):
    """What both forms of binary cross-entropy refuse."""

    def loss(weight):
        return lambda n: getattr(n, name)(weight)

    return [
        _bad(f"{name}: integer target", _layer(name), _HALF, _INTEGERS,
             value="torch.int64", fits="float"),
        _bad(f"{name}: weight", loss(torch.ones(3)), _HALF, _HALF, value="3", fits="must match"),
        _bad(f"{name}: wider weight", loss(torch.ones(3, 2)), _HALF, _HALF,
             value="3, 2", fits="[2]"),
        _bad(f"{name}: weight to be differentiated", loss(torch.ones(2, requires_grad=True)),
             _HALF, _HALF, value="requires a gradient", fits="weight.detach()"),
    ]  # fmt: skip


LOSSES_OF_ELEMENTS = [
    *(b for name in ("L1Loss", "SmoothL1Loss", "HuberLoss", "KLDivLoss")
      for b in _loss_of_elements(name)),
    *(b for name in ("BCELoss", "BCEWithLogitsLoss") for b in _loss_of_elements(name, "(3, 2)")),
    *(b for name in ("SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss")
      for b in _floating_loss(name)),
    *(b for name in ("BCELoss", "BCEWithLogitsLoss") for b in _binary_loss(name)),
    _bad("l1: mean of integers", _layer("L1Loss"), _INTEGERS, _INTEGERS,
         error=NotImplementedError, value="torch.int64", fits="floating-point"),
    _bad("l1: truth values", _layer("L1Loss"), _ONE, _INTEGERS.bool(),
         error=NotImplementedError, value="torch.bool", fits="another type"),
    _bad("l1: weight", _weighted("l1_loss"), (3, 2), (3, 2), (2,),
         error=ValueError, value="(2,)", fits="(3, 2)"),
    _bad("huber: weight", _weighted("huber_loss"), (3, 2), (3, 2), (2,),
         error=ValueError, value="(2,)", fits="(3, 2)"),
    _bad("smooth_l1: beta", _layer("SmoothL1Loss", beta=-1.0), _ONE, _HALF,
         value="-1.0", fits="at least 0"),
    _bad("huber: delta", _layer("HuberLoss", delta=0.0), _ONE, _HALF, value="0.0", fits="above 0"),
    _bad("huber: integer input", _layer("HuberLoss"), _INTEGERS, _HALF,
         value="torch.int64", fits="torch.float32"),
    _bad("bce: input", _layer("BCELoss"), torch.tensor([0.5, 1.5]), _HALF,
         value="to 1.5", fits="between 0 and 1"),
    _bad("bce: target", _layer("BCELoss"), _HALF, torch.tensor([-0.5, 1.0]),
         value="-0.5", fits="between 0 and 1"),
    _bad("bce: float64 target", _layer("BCELoss"), _HALF, _HALF.double(),
         value="torch.float64", fits="torch.float32"),
    _bad("bce_with_logits: truth values", _layer("BCEWithLogitsLoss"), _HALF, _INTEGERS.bool(),
         error=NotImplementedError, value="torch.bool", fits="floating-point"),
    _bad("bce_with_logits: pos_weight",
         lambda n: n.BCEWithLogitsLoss(pos_weight=torch.ones(3, 2)), _HALF, _HALF,
         value="3, 2", fits="[2]"),
    _bad("bce_with_logits: pos_weight to be differentiated",
         lambda n: n.BCEWithLogitsLoss(pos_weight=torch.ones(2, requires_grad=True)), _HALF, _HALF,
         value="requires a gradient", fits="pos_weight.detach()"),
    _bad("kl_div: integer input", _layer("KLDivLoss", reduction="sum"), _INTEGERS, _HALF,
         value="input is torch.int64", fits="floating-point"),
    _bad("kl_div: integer target", _layer("KLDivLoss", reduction="sum"), _HALF, _INTEGERS,
         value="target is torch.int64", fits="floating-point"),
    _bad("kl_div: complex", _layer("KLDivLoss", reduction="sum"), _COMPLEX, _COMPLEX,
         value="torch.complex64", fits="floating-point"),
]  # fmt: skip

NLL = [
    _bad(f"nll: target {target}, {reduction}, {len(size) + 2} axes",
         _layer("NLLLoss", reduction=reduction), (1, 3, *size), torch.full((1, *size), target),
         error=IndexError, value=f"Target {target} ", fits="from 0 to 2")
    for target in (3, -1)
    for reduction in ("mean", "sum", "none")
    for size in ((), (2,), (2, 2))
] + [
    _bad("nll: a number", _layer("NLLLoss"), (), torch.tensor(0),
         error=ValueError, value="a number", fits="(N, C, ...)"),
    _bad("nll: targets of one sample", _layer("NLLLoss"), (3,), _indices(1, 2),
         error=ValueError, value="(2,)", fits="class indices ()"),
    _bad("nll: batch size", _layer("NLLLoss"), (2, 3), _indices(0, 1, 2),
         error=ValueError, value="(3,)", fits="class indices (2,)"),
    _bad("nll: no target", _layer("NLLLoss"), (2, 3), torch.tensor(1),
         error=ValueError, value="()", fits="class indices (2,)"),
    _bad("nll: two targets", _layer("NLLLoss"), (2, 3), _indices([0], [1]),
         value="(2, 1)", fits="class indices (2,)"),
    _bad("nll: pixels", _layer("NLLLoss"), (2, 3, 2, 2), _indices(0, 1),
         value="(2,)", fits="class indices (2, 2, 2)"),
    _bad("nll: plane", _layer("NLLLoss"), (1, 3, 2, 2), _indices([[0, 1]]),
         value="(1, 1, 2)", fits="class indices (1, 2, 2)"),
    _bad("nll: int32 target", _layer("NLLLoss"), (2, 3), _indices(0, 1, dtype=torch.int32),
         value="torch.int32", fits="Long or Byte"),
    _bad("nll: probabilities", _layer("NLLLoss"), (2, 3), (2, 3),
         value="(2, 3) of torch.float32", fits="class indices (2,)"),
    _bad("nll: integers", _layer("NLLLoss"), _indices([0, 1], [2, 3]), _indices(0, 1),
         error=NotImplementedError, value="torch.int64", fits="floating-point"),
    _bad("nll: complex input", _layer("NLLLoss"), torch.ones(2, 3, dtype=torch.complex64),
         _indices(0, 1), error=NotImplementedError, value="torch.complex64", fits="floating-point"),
    _bad("nll: reduction", _layer("NLLLoss", reduction="max"), (2, 3), _indices(0, 1),
         error=ValueError, value="'max'", fits="'none', 'mean' or 'sum'"),
    _bad("nll: weight", _function("nll_loss"), (2, 3), _indices(0, 1), (2,),
         value="(2,)", fits="3 class weights"),
    _bad("nll: weight of another dtype", _function("nll_loss"), (2, 3), _indices(0, 1),
         torch.ones(3, dtype=torch.float64), value="is torch.float64",
         fits="should be torch.float32"),
    _bad("nll: weight to be differentiated", _function("nll_loss"), (2, 3), _indices(0, 1),
         torch.ones(3, requires_grad=True), value="requires a gradient", fits="weight.detach()"),
]  # fmt: skip

BAD_CALLS = [
    *DROPOUT,
    *LINEAR,
    *CONV,
    *POOLING,
    *BATCH_NORM,
    *NORMS,
    *ACTIVATIONS,
    *OTHERS,
    *LOSSES,
    *LOSSES_OF_ELEMENTS,
    *NLL,
]

# What torch takes without a word, to compute something else than was asked, or nothing.
STRICTER = [
    _bad("linear: bias of 2 axes", _function("linear"), (5, 3), (4, 3), (5, 4),
         value="(5, 4)", fits="(4,)"),
    _bad("sigmoid: complex", _layer("Sigmoid"), torch.ones(3, dtype=torch.complex64),
         error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
    _bad("conv2d: complex layer", _layer("Conv2d", 2, 4, 3, dtype=torch.complex64),
         torch.ones(1, 2, 5, 5, dtype=torch.complex64),
         error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
    _bad("cross_entropy: negative smoothing", _layer("CrossEntropyLoss", label_smoothing=-0.5),
         (2, 3), _indices(0, 1), value="-0.5", fits="from 0 to 1"),
    _bad("cross_entropy: smoothing not a number",
         _layer("CrossEntropyLoss", label_smoothing=float("nan")), (2, 3), (2, 3),
         value="nan", fits="from 0 to 1"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*(target|dropout2d)")
@pytest.mark.parametrize("bad", BAD_CALLS, ids=str)
def test_refuses_what_torch_refuses_with_its_kind_of_error(bad):
    with pytest.raises(bad.error) as theirs:
        bad.layer(nn)(*bad.tensors())
    with pytest.raises(bad.error) as ours:
        bad.layer(manualnn)(*bad.tensors())
    assert isinstance(ours.value, theirs.type) or isinstance(theirs.value, ours.type)


@pytest.mark.filterwarnings("ignore:.*(target|dropout2d)")
@pytest.mark.parametrize("bad", BAD_CALLS + STRICTER, ids=str)
def test_names_the_value_and_what_would_fit_and_changes_nothing(bad):
    layer, inputs = bad.layer(manualnn), bad.tensors()
    state = list(layer.state_dict().values()) if isinstance(layer, nn.Module) else []
    before = [(tensor.clone(), tensor._version) for tensor in (*state, *inputs)]
    with pytest.raises(bad.error, match=re.escape(bad.value)) as raised:
        layer(*inputs)
    assert bad.fits in str(raised.value)
    for tensor, (values, version) in zip((*state, *inputs), before, strict=True):
        assert torch.equal(tensor, values)
        assert tensor._version == version


@pytest.mark.parametrize("namespace", [nn, manualnn], ids=["torch", "manualnn"])
@pytest.mark.parametrize("view", [lambda x: x, lambda x: x.view(3, 1)], ids=["leaf", "view"])
def test_in_place_relu_leaves_a_leaf_alone(namespace, view):
    leaf = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        namespace.ReLU(inplace=True)(view(leaf))
    assert leaf.tolist() == [-1.0, 0.0, 1.0]
    with torch.no_grad():
        assert namespace.ReLU(inplace=True)(view(leaf)).data_ptr() == leaf.data_ptr()
    assert leaf.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (partial(_layer, "Conv2d", 2, 4, 3, padding="full"), "'full'"),
        (partial(_layer, "Conv2d", 2, 4, 3, padding="same", stride=2), "strided"),
        (partial(_layer, "Conv2d", 2, 4, 3, padding_mode="mirror"), "'mirror'"),
        (partial(_layer, "Conv2d", 2, 4, 3, groups=3), "divisible by groups"),
    ],
)
def test_constructors_are_those_of_torch(layer, message):
    for namespace in (nn, manualnn):
        with pytest.raises(ValueError, match=message):
            layer()(namespace)
