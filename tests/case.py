"""One setting of one layer: how to build it, its twin and its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import manualnn
from manualnn.checks.subject import seed_everywhere


@dataclass(frozen=True)
class Case:
    """A layer's name in torch.nn and in manualnn, its arguments, and its inputs.

    An input is a shape, filled with random numbers that are differentiated, or a function that
    makes a tensor (a target).
    """

    name: str
    options: dict[str, Any]
    inputs: tuple[tuple[int, ...] | Callable[[], Tensor], ...]
    training: bool = True
    memory_format: torch.memory_format = torch.contiguous_format
    tolerance: float = 1e-9  # of float64 to the twin, more where the twin itself is less exact

    def __str__(self) -> str:
        shapes = "x".join(map(str, self.inputs[0])) if isinstance(self.inputs[0], tuple) else "?"
        options = ",".join(f"{name}={_short(value)}" for name, value in self.options.items())
        mode = "" if self.training else " eval"
        memory = "" if self.memory_format == torch.contiguous_format else " channels_last"
        return f"{self.name}({options}) {shapes}{mode}{memory}"

    def modules(self, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, nn.Module]:
        """Our layer and torch's with the same random parameters and buffers."""
        torch.manual_seed(1)
        ours = getattr(manualnn, self.name)(**self.options)
        with torch.no_grad():
            for values in [*ours.parameters(), *ours.buffers()]:
                if values.is_floating_point():
                    values.uniform_(0.5, 1.5).mul_(torch.randint(0, 2, values.shape) * 2 - 1)
            if hasattr(ours, "running_var") and ours.running_var is not None:
                ours.running_var.abs_()
        theirs = getattr(nn, self.name)(**self.options)
        theirs.load_state_dict(ours.state_dict())
        return tuple(m.to(dtype).train(self.training) for m in (ours, theirs))

    def tensors(self, dtype: torch.dtype = torch.float64, scale: float = 1.0) -> list[Tensor]:
        """Random inputs, the same at every call; those given by shape require a gradient."""
        torch.manual_seed(2)
        return [self._tensor(spec, dtype, scale) for spec in self.inputs]

    def _tensor(self, spec: Any, dtype: torch.dtype, scale: float) -> Tensor:
        if callable(spec):
            made = spec()
            if not made.is_floating_point():
                return made
            return made.detach().to(dtype).requires_grad_(made.requires_grad)
        values = torch.randn(spec, dtype=torch.float64).mul(scale).to(dtype)
        return values.contiguous(memory_format=self.memory_format).requires_grad_()


def _short(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else str(value).replace(" ", "")


def call(module: nn.Module, inputs: list[Tensor]) -> Tensor:
    """The module's first output, for copies of the inputs, which it may overwrite."""
    seed_everywhere(5)  # dropout draws the same mask at every call
    output = module(*(value.clone() for value in inputs))
    return output if isinstance(output, Tensor) else output[0]


def function_of(module: nn.Module) -> tuple[Callable[..., Tensor], list[Tensor]]:
    """The module as a function of its inputs and parameters, state left alone; the parameters."""
    names = [name for name, _ in module.named_parameters()]
    count = len(names)

    def function(*arguments: Tensor) -> Tensor:
        inputs = arguments[: len(arguments) - count]
        parameters = arguments[len(arguments) - count :]
        state = {name: buffer.clone() for name, buffer in module.named_buffers()}
        state.update(zip(names, parameters, strict=True))
        inputs = tuple(value.clone() for value in inputs)
        seed_everywhere(5)
        output = torch.func.functional_call(module, state, inputs)
        return output if isinstance(output, Tensor) else output[0]

    return function, list(module.parameters())
