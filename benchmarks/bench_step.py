"""Time of one training step of the report's CNN, manualnn beside torch.nn.

    python -m benchmarks.bench_step [--repeats 15] [--channels-last]

Both nets have the same weights and take turns in one process; medians are printed.
"""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter
from types import ModuleType

import torch
from torch import Tensor, nn

import manualnn
from recipes.digits.nets import cnn

NAMESPACES = {"torch.nn": nn, "manualnn": manualnn}


def seconds(net: nn.Module, layers: ModuleType, images: Tensor, labels: Tensor) -> float:
    """Time of forward and backward."""
    start = perf_counter()
    layers.CrossEntropyLoss(label_smoothing=0.05)(net(images), labels).backward()
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_step")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--channels-last", action="store_true")
    arguments = parser.parse_args()
    memory_format = torch.channels_last if arguments.channels_last else torch.contiguous_format
    images = torch.randn(100, 1, 28, 28).contiguous(memory_format=memory_format)
    labels = torch.randint(10, (100,))
    nets = {name: cnn(layers) for name, layers in NAMESPACES.items()}
    nets["manualnn"].load_state_dict(nets["torch.nn"].state_dict())
    times: dict[str, list[float]] = {name: [] for name in nets}
    for _ in range(arguments.repeats + 1):
        for name, layers in NAMESPACES.items():
            net = nets[name].to(memory_format=memory_format)
            times[name].append(seconds(net, layers, images, labels))
    medians = {name: median(each[1:]) for name, each in times.items()}  # the first one warms up
    for name, each in medians.items():
        print(f"{name}: {1000 * each:.0f} ms")
    print(f"manualnn / torch.nn: {medians['manualnn'] / medians['torch.nn']:.2f}")


if __name__ == "__main__":
    main()
