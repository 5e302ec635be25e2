"""How a backward pass goes about it: which operations it runs, and what its graph is made of."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

# What moves, casts or copies values without computing any.
VIEWS = frozenset(
    {
        "AliasBackward0",
        "AsStridedBackward0",
        "AsStridedBackward1",
        "CloneBackward0",
        "ExpandBackward0",
        "PermuteBackward0",
        "ReshapeAliasBackward0",
        "SqueezeBackward0",
        "SqueezeBackward1",
        "SqueezeBackward2",
        "TBackward0",
        "ToCopyBackward0",
        "TransposeBackward0",
        "UnsafeViewBackward0",
        "UnsqueezeBackward0",
        "ViewBackward0",
        "torch::autograd::AccumulateGrad",
        "torch::autograd::CopyBackwards",
    }
)

_DIFFERENTIATES = (
    "torch.autograd.grad",
    "torch.autograd.backward",
    "torch.enable_grad.__enter__",
    "torch.func.grad",
    "torch.func.vjp",
    "torch.func.jvp",
    "torch.nn.grad.conv1d_weight",
    "torch.nn.grad.conv2d_weight",
    "torch.nn.grad.conv3d_weight",
)


def backward_operations(
    outputs: Tensor, inputs: Sequence[Tensor], *, create_graph: bool = False
) -> set[str]:
    """The names of all operations that a backward pass runs, those inside others included.

    Args:
        outputs: what to differentiate; a random cotangent is used.
        inputs: by which tensors.
        create_graph: record the pass for a second one, and run that as well.

    Returns:
        Names such as ``aten::mm``, seen by a dispatch mode and by the profiler, and
        ``torch.autograd.grad`` and the like where the pass itself calls autograd.
    """
    cotangent = torch.randn_like(outputs)
    seen: set[str] = set()
    with _calls_to_autograd(seen) as grad, _Dispatched(seen), _profiled(seen):
        first = grad(outputs, inputs, cotangent, create_graph=create_graph, allow_unused=True)
        again = [g for g in first if g is not None and g.requires_grad]
        if create_graph and again:
            cotangents = [torch.randn_like(g) for g in again]
            grad(again, inputs, cotangents, allow_unused=True)
    return seen


def graph_nodes(output: Tensor) -> Iterator[Node]:
    """Every node of the graph behind a tensor, each once."""
    waiting, seen = [output.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting.extend(parent for parent, _ in node.next_functions)


def foreign_nodes(output: Tensor, own: type[torch.autograd.Function]) -> set[str]:
    """The nodes behind a tensor that are neither Functions of one's own nor mere views.

    Args:
        output: the end of the graph.
        own: the base class of the Functions that may be in it.

    Returns:
        Their names, such as ``MulBackward0``.
    """
    return {
        node.name()
        for node in graph_nodes(output)
        if node.name() not in VIEWS and not issubclass(getattr(node, "_forward_cls", object), own)
    }


class _Dispatched(TorchDispatchMode):
    def __init__(self, seen: set[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.seen.add(func.name())
        return func(*args, **kwargs or {})


@contextmanager
def _profiled(seen: set[str]) -> Iterator[None]:
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        yield
    names = {event.name for event in recorded.events()}
    seen.update(name for name in names if name.startswith("aten::"))


@contextmanager
def _calls_to_autograd(seen: set[str]) -> Iterator[Callable[..., Any]]:
    """Record who calls autograd from Python; yields the real ``torch.autograd.grad``."""
    grad = torch.autograd.grad
    with ExitStack() as stack:
        for name in _DIFFERENTIATES:
            stack.enter_context(mock.patch(name, _recorded(name, seen)))
        yield grad


def _recorded(name: str, seen: set[str]) -> Callable[..., Any]:
    function = pkgutil.resolve_name(name)

    def record_and_call(*args: Any, **kwargs: Any) -> Any:
        seen.add(name)
        return function(*args, **kwargs)

    return record_and_call
