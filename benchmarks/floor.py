"""What bounds the time of whole nets: their products alone, and the calls of Functions alone.

    python -m benchmarks.floor

A convolution and a fully connected layer are three products each: Y, dL/dX and dL/dW. Here they
are made one after the other with nothing between them, by our formulas and by torch's kernels, in
turns. Beside them stand what the Functions of a step cost that do nothing, in both passes, and how
many operations of torch a step is made of.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import manualnn
from benchmarks import measure
from benchmarks.nets import NETS, Net, fused
from manualnn.autograd import Function, apply
from manualnn.checks import graph_nodes
from manualnn.layers.conv import conv_forward, conv_grad_input
from manualnn.layers.conv_weight import conv_grad_weight
from manualnn.layers.geometry import Geometry

CPU = torch.device("cpu")


class Product(NamedTuple):
    """A layer's products: its input, weight and cotangent, and whether dL/dX is wanted."""

    layer: nn.Module
    x: Tensor
    delta: Tensor
    needs_input: bool


def products_of(net: Net) -> list[Product]:
    """The products of a step, by what reaches the layers of the net."""
    model, (images, _), found = net.model(), net.batch(CPU), []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        x = inputs[0]
        found.append(Product(layer, x.detach(), torch.randn_like(y), x.requires_grad))

    layers = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    handles = [layer.register_forward_hook(note) for layer in layers]
    model(images)
    for handle in handles:
        handle.remove()
    return found


def by_formula(product: Product) -> None:
    """Y, dL/dX and dL/dW by our formulas."""
    layer, x, delta, needs_input = product
    if isinstance(layer, nn.Linear):
        nn.functional.linear(x, layer.weight, layer.bias), delta.t() @ x
        if needs_input:
            delta @ layer.weight
        return
    options = layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups
    geometry = Geometry(tuple(x.shape[2:]), *options)
    conv_forward(x, layer.weight, layer.bias, geometry)
    conv_grad_weight(x, delta, geometry)
    if needs_input:
        conv_grad_input(delta, layer.weight, geometry)


def by_kernel(product: Product) -> None:
    """The same by torch's kernels."""
    layer, x, delta, needs_input = product
    if isinstance(layer, nn.Linear):
        by_formula(product)
        return
    layer(x)
    options = layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups
    wanted = needs_input, True, False
    torch.ops.aten.convolution_backward(delta, x, layer.weight, None, *options, wanted)


def step(products: list[Product], make: Callable[[Product], None]) -> measure.Step:
    """All products of a step, one after the other."""

    @torch.no_grad()
    def timed() -> dict[str, float]:
        start = perf_counter()
        for product in products:
            make(product)
        return dict.fromkeys(measure.PASSES, perf_counter() - start)

    return timed


class Nothing(Function):
    """y = x."""

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        return input.clone()

    @staticmethod
    def setup_context(ctx: object, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: object, grad_output: Tensor) -> Tensor:
        return grad_output


def seconds_of_a_function(functions: int = 200) -> float:
    """What a Function costs in both passes that does nothing."""
    best = float("inf")
    for _ in range(20):
        start, y = perf_counter(), torch.zeros(1, requires_grad=True)
        for _ in range(functions):
            y = apply(Nothing, y)
        y.backward()
        best = min(best, perf_counter() - start)
    return best / functions


def functions_of(model: nn.Module, net: Net) -> int:
    """How many Functions of ours are in a step."""
    nodes = graph_nodes(model(net.batch(CPU)[0]))
    return sum(hasattr(node, "_forward_cls") for node in nodes)


class Operations(TorchDispatchMode):
    """Counts what torch is told to do."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations_of(model: nn.Module, net: Net, loss: Callable[..., Tensor]) -> int:
    """How many operations both passes and the loss are made of."""
    images, labels = net.batch(CPU)
    with Operations() as operations:
        loss(model(images), labels).backward()
    return operations.count


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.floor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pairs", type=int, default=15, help="how often they take turns")
    pairs, each = parser.parse_args().pairs, seconds_of_a_function()
    print(f"a Function that does nothing: {1e6 * each:.0f} us\n")
    print(
        "| net | products: ours / torch's | torch's | Functions: converted | fused "
        "| operations: torch.nn's | converted | fused |"
    )
    print(f"|{' --- |' * 8}")
    for name, net in NETS.items():
        products = products_of(net)
        ours, theirs = (step(products, make) for make in (by_formula, by_kernel))
        ratio = measure.in_turns(ours, theirs, pairs)["step"]
        counts = [functions_of(make(net.model()), net) for make in (manualnn.convert, fused)]
        calls = [f"{count}, {1e3 * count * each:.1f} ms" for count in counts]
        cross_entropy = manualnn.functional.cross_entropy
        operations = [operations_of(net.model(), net, nn.functional.cross_entropy)]
        for make in (manualnn.convert, fused):
            operations.append(operations_of(make(net.model()), net, cross_entropy))
        calls += map(str, operations)
        time = f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
        print(
            f"| {name} | {time} | {1e3 * ratio.theirs:.1f} ms | {' | '.join(calls)} |", flush=True
        )


if __name__ == "__main__":
    main()
