"""How much of a model's gradient is derived by hand, counted in a real forward pass."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from manualnn.autograd import Function
from manualnn.checks.graph import VIEWS, graph_nodes
from manualnn.convert import WithCalls, class_of, twins

COPIES = (Tensor.copy_, Tensor.__setitem__)
NOT_COUNTED = VIEWS | {"torch::autograd::CopySlices"}


@dataclass(frozen=True)
class Coverage:
    """What :func:`coverage` counted; ``print`` shows it.

    Attributes:
        modules: hand-derived modules, by the name of their class.
        other_modules: the reason why a module is not, by its name in the model.
        nodes: hand-derived nodes of the gradient's graph, by name.
        other_nodes: the rest, by name; views, casts, copies and accumulations are not counted.
    """

    modules: Counter[str]
    other_modules: dict[str, str]
    nodes: Counter[str]
    other_nodes: Counter[str]

    @property
    def share_of_nodes(self) -> float:
        """The hand-derived share of the gradient's nodes, 0 to 1."""
        ours = self.nodes.total()
        return ours / max(ours + self.other_nodes.total(), 1)

    def __str__(self) -> str:
        """The counts, and by name what is not hand-derived."""
        ours, others = self.modules.total(), len(self.other_modules)
        nodes = self.nodes.total()
        lines = [
            f"modules: {ours} of {ours + others} hand-derived",
            *(f"  {name}: {reason}" for name, reason in self.other_modules.items()),
            f"gradient nodes: {nodes} of {nodes + self.other_nodes.total()} hand-derived "
            f"({100 * self.share_of_nodes:.1f} %)",
            *(f"  {count} x {name}: torch's own" for name, count in self.other_nodes.items()),
        ]
        return "\n".join(lines)


def coverage(model: nn.Module, inputs: Any) -> Coverage:
    """Count what is hand-derived in a model's gradient, and say what is not and why.

    Args:
        model: converted or not, in training or in evaluation; a copy of it runs, so nothing of it
            changes, nor of the inputs.
        inputs: what its forward pass takes: one argument, or a tuple of several.

    Returns:
        The counts, to be printed or read.

    Raises:
        RuntimeError: if no output can be differentiated.
    """
    model, copies = copy.deepcopy(model), tree_map(_copy, inputs)
    in_place = _TorchOverwritesViews()
    with torch.enable_grad(), torch.random.fork_rng(), in_place:
        ends = [tensor for tensor in tensors_in(call(model, copies)) if tensor.requires_grad]
    if not ends:
        raise RuntimeError("no output of the model requires a gradient: nothing to count")
    nodes, other_nodes = Counter[str](), in_place.calls
    seen = set()
    for node in (node for end in ends for node in graph_nodes(end)):
        if node in seen or node.name() in NOT_COUNTED:
            continue
        seen.add(node)
        is_ours = issubclass(getattr(node, "_forward_cls", object), Function)
        (nodes if is_ours else other_nodes)[node.name()] += 1
    modules, other_modules = Counter[str](), {}
    for name, module in model.named_modules():
        if isinstance(module, tuple(twins().values())):
            modules[type(module).__name__] += 1
        elif reason := _reason(module):
            other_modules[name] = reason
    return Coverage(modules, other_modules, nodes, other_nodes)


def call(model: nn.Module, inputs: Any) -> Any:
    """The model's output for one argument, or for a tuple of several."""
    return model(*(inputs if isinstance(inputs, tuple) else (inputs,)))


def tensors_in(tree: Any) -> list[Tensor]:
    """The tensors in nested lists, tuples and dicts."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


class _TorchOverwritesViews(TorchFunctionMode):
    """Counts torch's own operations that write over a view: CopySlices hides them in the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = Counter[str]()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        views = [t for t in tensors_in((args, kwargs)) if t._is_view()]
        versions = [t._version for t in views]
        output = func(*args, **(kwargs or {}))
        if versions != [t._version for t in views] and func not in COPIES:
            self.calls[func.__name__] += 1
        return output


def _reason(module: nn.Module) -> str | None:
    """Why this module is not hand-derived; None where there is nothing to derive."""
    cls = class_of(module)
    if cls in twins():
        return f"{cls.__name__} is torch's; convert(model) would replace it"
    twin = next((base for base in cls.__mro__ if base in twins()), None)
    if issubclass(cls, WithCalls) and cls.plain in twins():
        return f"{cls.__name__} was left out"
    if twin:
        own = "with a forward pass of its own" if cls.forward is not twin.forward else "of its own"
        return f"{cls.__name__} is a {twin.__name__} {own}"
    if cls.__module__.startswith("torch.nn.modules") and not _derives_nothing(module):
        return f"{cls.__name__} has no hand-derived twin"
    return None


def _derives_nothing(module: nn.Module) -> bool:
    containers = (nn.Identity, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
    return isinstance(module, (nn.Sequential, *containers)) or type(module) is nn.Module
