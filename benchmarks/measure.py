"""What is measured: time in turns, bytes kept for the backward pass, and memory at its peak."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

PASSES = "forward", "backward", "step"
Step = Callable[[], dict[str, float]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Ratio:
    """One time divided by another, measured in turns.

    Attributes:
        ours: Median in seconds.
        theirs: Likewise.
        median: Of the ratios of each pair.
        low: Their first quartile.
        high: Their third.
    """

    ours: float
    theirs: float
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, pairs: list[tuple[float, float]]) -> Ratio:
        """Summarises at least two pairs (ours, theirs)."""
        ratios = [ours / theirs for ours, theirs in pairs]
        low, _, high = quantiles(ratios, n=4, method="inclusive")
        ours, theirs = (median(times) for times in zip(*pairs, strict=True))
        return cls(ours, theirs, median(ratios), low, high)


def synchronise(device: torch.device) -> None:
    """Waits until a GPU has done what it was told to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Stopwatch:
    """Seconds between marks; on a GPU by its own events."""

    def __init__(self, device: torch.device) -> None:
        """Starts."""
        self.device, self.marks = device, []
        self.mark()

    def mark(self) -> None:
        """Notes the time."""
        if self.device.type == "cuda":
            event: Any = torch.cuda.Event(enable_timing=True)
            event.record()
        else:
            event = perf_counter()
        self.marks.append(event)

    def seconds(self) -> list[float]:
        """From each mark to the next."""
        synchronise(self.device)
        pairs = zip(self.marks, self.marks[1:], strict=False)
        if self.device.type == "cuda":
            return [start.elapsed_time(end) / 1000 for start, end in pairs]
        return [end - start for start, end in pairs]


def training_step(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    loss: Callable[[Tensor], Tensor] | None = None,
    optimizer: torch.optim.Optimizer | None = None,
) -> Step:
    """Returns a function that makes a step and says how long forward, backward and all of it took.

    Args:
        model: Takes the inputs and returns a tensor.
        inputs: On the model's device.
        loss: From the output to a number; without it, the cotangent is the output's own values.
        optimizer: Makes a step after the backward pass.
    """
    device = inputs[0].device

    def step() -> dict[str, float]:
        watch = Stopwatch(device)
        model.zero_grad()
        for value in inputs:
            value.grad = None
        output = model(*inputs)
        value = loss(output) if loss else output
        watch.mark()
        value.backward(None if loss else value.detach())
        watch.mark()
        if optimizer:
            optimizer.step()
        watch.mark()
        seconds = watch.seconds()
        return dict(zip(PASSES, (*seconds[:2], sum(seconds)), strict=True))

    return step


def in_turns(ours: Step, theirs: Step, pairs: int, warm_up: int = 2) -> dict[str, Ratio]:
    """Times two steps in turns; who begins changes from pair to pair."""
    for _ in range(warm_up):
        ours()
        theirs()
    taken: list[tuple[dict[str, float], dict[str, float]]] = []
    for number in range(pairs):
        if number % 2:
            second, first = theirs(), ours()
            taken.append((first, second))
        else:
            taken.append((ours(), theirs()))
    return {name: Ratio.of([(one[name], other[name]) for one, other in taken]) for name in PASSES}


def as_row(ratios: dict[str, Ratio]) -> Row:
    """Returns the figures of a table: ratios, the quartiles of the whole step's, and seconds."""
    step = ratios["step"]
    row: Row = {name: ratio.median for name, ratio in ratios.items()}
    row |= {"low": step.low, "high": step.high}
    return row | {"seconds": step.ours, "seconds_torch": step.theirs}


def saved_bytes(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Returns the bytes that are held from the forward to the backward pass.

    Distinct storages, each counted once and whole; parameters, buffers and inputs left out.
    """
    held: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        held.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        output = model(*inputs)
    outside = (*model.parameters(), *model.buffers(), *inputs)
    known = {tensor.untyped_storage()._cdata for tensor in outside}
    del output
    return sum(t.untyped_storage().nbytes() for key, t in held.items() if key not in known)


def peak_bytes(step: Step, device: torch.device) -> int | None:
    """Returns how much memory grows at most while a step is made, or None where nobody knows.

    On the CPU that of the process, which should have done nothing else before, on Linux.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    if sys.platform != "linux":
        return None
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed is free
    before = _kilobytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    step()
    return 1024 * (_kilobytes("VmHWM") - before)


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def surroundings(device: torch.device) -> dict[str, Any]:
    """What a figure depends on: versions, threads and machine."""
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((x.partition(": ")[2] for x in lines if x.startswith("model name")), "unknown")
