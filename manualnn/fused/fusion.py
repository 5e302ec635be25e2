"""Runs of layers in a model that exists already: found, fused, and taken apart again.

Fusing is a change of class, as conversion is: of the containers, whose forward pass then goes run
by run. The layers stay where they are, with their names, parameters and buffers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from manualnn.convert import Remade, WithCalls, class_of, set_class, twins
from manualnn.fused.norm import Normalisation
from manualnn.fused.norm_conv import NormConv
from manualnn.fused.pieces import Activation, Flattening, Piece
from manualnn.fused.pool import Pool, RectifiedPool
from manualnn.fused.products import Convolution, Product
from manualnn.fused.residual import add_relu
from manualnn.fused.run import Run
from manualnn.fused.squeeze_excitation import SqueezeExcitation
from manualnn.layers.activations import basic, gated, piecewise
from manualnn.layers.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from manualnn.layers.conv import Conv1d, Conv2d, Conv3d
from manualnn.layers.flatten import Flatten
from manualnn.layers.linear import Linear
from manualnn.layers.pooling import MaxPool1d, MaxPool2d, MaxPool3d

Model = TypeVar("Model", bound=nn.Module)
Stage = Callable[[Tensor], Tensor]

NORMS = BatchNorm1d, BatchNorm2d, BatchNorm3d
CONVOLUTIONS = Conv1d, Conv2d, Conv3d
POOLS = MaxPool1d, MaxPool2d, MaxPool3d
GELUS = {"none": gated.GELUFunction, "tanh": gated.GELUTanhFunction}
ACTIVATIONS: dict[type[nn.Module], Callable[[Any], tuple[Any, ...]]] = {
    basic.ReLU: lambda layer: (basic.ReLUFunction,),
    basic.Sigmoid: lambda layer: (basic.SigmoidFunction,),
    basic.Tanh: lambda layer: (basic.TanhFunction,),
    gated.SiLU: lambda layer: (gated.SiLUFunction,),
    gated.GELU: lambda layer: (GELUS[layer.approximate],),
    piecewise.ReLU6: lambda layer: (piecewise.HardtanhFunction, 0.0, 6.0),
    piecewise.Hardtanh: lambda layer: (piecewise.HardtanhFunction, layer.min_val, layer.max_val),
    piecewise.LeakyReLU: lambda layer: (piecewise.LeakyReLUFunction, layer.negative_slope),
    piecewise.Hardsigmoid: lambda layer: (piecewise.HardsigmoidFunction,),
    piecewise.Hardswish: lambda layer: (piecewise.HardswishFunction,),
}


def fuse(model: Model) -> Model:
    """Let runs of hand-derived layers act as one Function each, in the model itself.

    A run is a part of an ``nn.Sequential`` (also of one in another), or of torchvision's residual
    blocks, made of convolutions, products, batch norms, activations, max-pooling and flattening.
    Of its inner values those are kept for the backward pass that cost much; the others are computed
    again (see :mod:`manualnn.fused.run`). In evaluation mode and without gradients, batch norm is
    part of the layer before it. A layer with a hook or a parametrization acts alone, and so does
    every layer under ``torch.compile``, the transforms of ``torch.func`` and autocast, and of a run
    in which a product's weight is frozen, as layer by layer less is kept then.

    Args:
        model: with layers of manualnn; its state_dict keeps its keys and tensors.

    Returns:
        The same model.

    Raises:
        TypeError: if it is not a module.
        ValueError: if none of its layers are hand-derived.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"fuse takes an nn.Module, but got {type(model).__name__}")
    if not any(class_of(module) in twins().values() for module in model.modules()):
        raise ValueError(
            f"none of the layers of this {type(model).__name__} are hand-derived; "
            "give fuse a converted model: manualnn.fuse(manualnn.convert(model))"
        )
    for module in model.modules():
        _change(module, lambda cls: cls if issubclass(cls, Fused) else _fused(cls))
    return model


def unfuse(model: Model) -> Model:
    """Let every layer act alone again, in the model itself.

    Args:
        model: a model, fused or not.

    Returns:
        The same model.
    """
    for module in model.modules():
        _change(module, lambda cls: cls.plain if issubclass(cls, Fused) else cls)
    return model


def _change(module: nn.Module, change: Callable[[Any], Any]) -> None:
    """Change a module's class, below the one that leads its functional calls, if it has that."""
    cls = class_of(module)
    if issubclass(cls, WithCalls):
        set_class(module, cls.made_by(change(cls.plain)))
    else:
        set_class(module, change(cls))


class Fused(Remade):
    """A container whose forward pass goes run by run."""

    found = ("_stages",)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickled without the runs, which are found again."""
        new, arguments, state = super().__reduce_ex__(protocol)
        return new, arguments, {name: of for name, of in state.items() if name not in self.found}


@cache
def _fused(cls: Any) -> Any:
    """The class of a container of this class that goes run by run, or the class itself."""
    methods = _methods(cls)
    if not methods:
        return cls
    named = {"plain": cls, "made_by": staticmethod(_fused), **methods}
    named |= {"__module__": cls.__module__, "__doc__": cls.__doc__}
    return type(cls.__name__, (Fused, cls), named)


def _methods(cls: Any) -> dict[str, Any]:
    if issubclass(cls, nn.Sequential) and cls.forward is nn.Sequential.forward:
        return {"forward": _sequential}
    resnet: Any = sys.modules.get("torchvision.models.resnet")
    if resnet and cls is resnet.BasicBlock:
        return {"forward": _basic_block}
    if resnet and cls is resnet.Bottleneck:
        return {"forward": _bottleneck}
    if resnet and cls is resnet.ResNet:
        return {"_forward_impl": _resnet}
    return {}


def _sequential(self: Any, input: Tensor) -> Tensor:
    return through(self, list(self), input)


def _basic_block(self: Any, x: Tensor) -> Tensor:
    shortcut = x if self.downsample is None else self.downsample(x)
    x = through(self, [self.conv1, self.bn1, self.relu, self.conv2, self.bn2], x)
    return _add_relu(self, x, shortcut)


def _bottleneck(self: Any, x: Tensor) -> Tensor:
    shortcut = x if self.downsample is None else self.downsample(x)
    first = [self.conv1, self.bn1, self.relu, self.conv2, self.bn2]
    x = through(self, [*first, self.relu, self.conv3, self.bn3], x)
    return _add_relu(self, x, shortcut)


def _add_relu(self: Any, x: Tensor, shortcut: Tensor) -> Tensor:
    is_plain = type(self.relu) is basic.ReLU and not is_hooked(self.relu)
    if is_plain and x.shape == shortcut.shape:
        return add_relu(x, shortcut)
    return self.relu(x + shortcut)


def _resnet(self: Any, x: Tensor) -> Tensor:
    x = through(self, [self.conv1, self.bn1, self.relu, self.maxpool], x)
    x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
    return self.fc(torch.flatten(self.avgpool(x), 1))


def through(self: Any, layers: Sequence[nn.Module], input: Tensor) -> Tensor:
    """Take the input through the layers of a container, run by run, or one by one if compiled."""
    if torch.compiler.is_compiling():
        for layer in layers:
            input = layer(input)
        return input
    layers = list(_flat(layers))
    alone = [is_hooked(layer) for layer in layers]
    key = [*alone, *map(_state, layers)]
    if self.__dict__.get("_stages", (None,))[0] != key:
        self.__dict__["_stages"] = key, list(_stages(layers, alone))
    for stage in self._stages[1]:
        input = stage(input)
    return input


def _state(layer: Any) -> tuple[Any, ...]:
    """What a piece takes from its layer, apart from tensors."""
    options = [getattr(layer, name, None) for name in getattr(layer, "__constants__", ())]
    has_statistics = getattr(layer, "running_mean", None) is not None
    inner = layer.children() if _is_squeeze_excitation(layer) else ()
    hooked = [(is_hooked(child), _state(child)) for child in inner]
    return id(layer), type(layer), layer.training, has_statistics, *options, *hooked


def _flat(layers: Iterable[Any]) -> Iterator[nn.Module]:
    """The layers, in place of each container of the simplest kind what is in it."""
    for layer in layers:
        cls = type(layer)
        if issubclass(cls, nn.Sequential) and cls.forward is _sequential and not is_hooked(layer):
            yield from _flat(layer)
        else:
            yield layer


def is_hooked(layer: nn.Module) -> bool:
    """Whether somebody wants to see the layer's own input, output or gradients."""
    own = layer._forward_hooks or layer._forward_pre_hooks
    own = own or layer._backward_hooks or layer._backward_pre_hooks
    everywhere = hooks._global_forward_hooks or hooks._global_forward_pre_hooks
    everywhere = everywhere or hooks._global_backward_hooks or hooks._global_backward_pre_hooks
    return bool(own or everywhere)


def _stages(layers: list[nn.Module], alone: list[bool]) -> Iterator[Stage]:
    """Runs, and what lies between them."""
    pieces: list[Piece] = []
    for layer, is_alone in zip(layers, alone, strict=True):
        piece = None if is_alone else piece_of(layer)
        if piece:
            pieces = joined(pieces, piece)
            continue
        yield from _runs(pieces)
        yield layer
        pieces = []
    yield from _runs(pieces)


def joined(pieces: list[Piece], piece: Piece) -> list[Piece]:
    """The pieces and one more, which may make one of the last with it."""
    last = pieces[-1] if pieces else None
    if type(last) is Normalisation and type(piece) is Convolution and piece.sees_input_alone():
        return [*pieces[:-1], NormConv(last.layer, piece.layer)]
    if type(last) is Activation and last.function is basic.ReLUFunction and type(piece) is Pool:
        return [*pieces[:-1], RectifiedPool(last.layer, piece.layer)]
    return [*pieces, piece]


def _runs(pieces: list[Piece]) -> Iterator[Stage]:
    """A run begins with what needs its input, and does not end with a view."""
    while pieces and (not pieces[0].needs_input or _overwrites(pieces[0])):
        first, *pieces = pieces
        is_run = isinstance(first, RectifiedPool) and not _overwrites(first)
        yield from [Run([first])] if is_run else first.layers
    after: list[nn.Module] = []
    while pieces and pieces[-1].is_view:
        *pieces, last = pieces
        after = [last.layer, *after]
    if sum(len(piece.layers) for piece in pieces) > 1:
        yield Run(pieces)
    elif pieces:
        yield pieces[0].layer
    yield from after


def _overwrites(piece: Piece) -> bool:
    """Whether the layer writes over its input, which is somebody else's where a run begins."""
    return getattr(piece.layers[0], "inplace", False)


def piece_of(layer: Any) -> Piece | None:
    """The layer as a piece of a run, if it can be one."""
    cls = type(layer)
    if cls in CONVOLUTIONS and layer.padding_mode == "zeros":
        return None if isinstance(layer.padding, str) else Convolution(layer)
    if cls is Linear:
        return Product(layer)
    if cls in NORMS:
        both = (layer.running_mean is None) == (layer.running_var is None)
        return Normalisation(layer) if both and layer.eps > 0 else None
    if cls in ACTIVATIONS:
        return Activation(layer, *ACTIVATIONS[cls](layer))
    if cls in POOLS and not layer.return_indices:
        return Pool(layer)
    if _is_squeeze_excitation(layer):
        return _squeeze_excitation(layer)
    if cls is Flatten and (layer.start_dim, layer.end_dim) == (1, -1):
        return Flattening(layer)
    return None


def _is_squeeze_excitation(layer: nn.Module) -> bool:
    misc: Any = sys.modules.get("torchvision.ops.misc")
    return misc is not None and type(layer) is misc.SqueezeExcitation


def _squeeze_excitation(layer: Any) -> Piece | None:
    """The layer as one piece, if all that it holds is ours, and nobody looks inside."""
    if any(is_hooked(inner) for inner in layer.children()):
        return None
    activations = [piece_of(inner) for inner in (layer.activation, layer.scale_activation)]
    products = layer.fc1, layer.fc2
    if not all(type(inner) is Conv2d and inner.bias is not None for inner in products):
        return None
    first, second = activations
    if not (isinstance(first, Activation) and isinstance(second, Activation)):
        return None
    return SqueezeExcitation(layer, first, second)
