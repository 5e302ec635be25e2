"""What is examined: a function or module with its inputs, called again and again, never changed."""

from __future__ import annotations

import copy
import inspect
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

SEED = 0
WIDE = {
    **dict.fromkeys((torch.float32, torch.float16, torch.bfloat16), torch.float64),
    **dict.fromkeys((torch.complex64, torch.complex32), torch.complex128),
}


class Subject:
    """A function of tensors with everything that it takes to call it.

    Each call gets copies of the inputs, the same random numbers and the same buffers, which are
    put back after it.

    Attributes:
        name: What to call it.
        module: The function, where it is a module.
        inputs: The arguments; their tensors are copies.
        variables: What to differentiate by, with names. Of the inputs, those that require a
            gradient, or else all floating ones; of the parameters, those that require one.
        notes: What checks have found out and others want to know.
    """

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any]) -> None:
        """Copies the inputs.

        Args:
            function: Returns a tensor, or tuples, lists and dicts of tensors.
            inputs: Its arguments, tensors or tuples, lists and dicts of them among others.
        """
        self.function = function
        self.module = function if isinstance(function, nn.Module) else None
        self.name = type(function).__name__ if self.module is not None else named(function)
        self.variables: dict[str, Tensor] = {}
        self.notes: dict[str, Any] = {}
        names = argument_names(function, len(inputs))
        tensors = [t for value in inputs for _, t in tensors_in(value)]
        self._chosen = {t for t in tensors if t.requires_grad} or set(tensors)
        self.inputs = tuple(
            self._leaves(value, name) for value, name in zip(inputs, names, strict=True)
        )
        self.parameters = dict(self.module.named_parameters()) if self.module is not None else {}
        for name in self.variables.keys() & self.parameters.keys():
            self.variables[f"input {name}"] = self.variables.pop(name)
        self.variables |= {n: p for n, p in self.parameters.items() if p.requires_grad}

    @property
    def elements(self) -> int:
        """How many numbers there are to differentiate by."""
        return sum(variable.numel() for variable in self.variables.values())

    @property
    def is_double(self) -> bool:
        """Whether it is computed in float64, and not in something narrower in between."""
        if "is double" not in self.notes:
            wide = (torch.float64, torch.complex128)
            self.notes["is double"] = (
                all(t.dtype in wide for t in (*self.variables.values(), *self()))
                and not self._is_rounded()
            )
        return bool(self.notes["is double"])

    def _is_rounded(self) -> bool:
        """Whether a change that float32 cannot hold changes nothing, and a larger one does."""
        at, here = self.values(), self()
        noise = dict(zip(at, random_like(list(at.values())), strict=True))
        changed = []
        try:
            for size in (1e-10, 1e-3):
                self.set({n: v + size * v.abs().clamp(max=1) * noise[n] for n, v in at.items()})
                changed.append(not all(map(torch.equal, here, self())))
        except Exception:  # out of what it takes
            return False
        finally:
            self.set(at)
        return changed == [False, True]

    def _leaves(self, value: Any, name: str) -> Any:
        def leaf(where: str, tensor: Tensor) -> Tensor:
            made = tensor.detach().clone()
            if is_floating(made) and tensor in self._chosen:
                self.variables[where] = made.requires_grad_()
            return made

        return mapped(leaf, value, name)

    def __call__(self) -> tuple[Tensor, ...]:
        """Returns the floating tensors of the output, for copies of the inputs."""
        with self.unchanged():
            return self._outputs()

    def values(self) -> dict[str, Tensor]:
        """Returns copies of the variables."""
        return {name: variable.detach().clone() for name, variable in self.variables.items()}

    @torch.no_grad()
    def set(self, values: Mapping[str, Tensor]) -> None:
        """Gives the variables other values."""
        for name, variable in self.variables.items():
            variable.copy_(values[name])

    def seconds(self) -> float:
        """How long a call takes, the best of three, whatever else the machine is doing."""
        times = []
        for _ in range(3):
            start = time.thread_time()
            with torch.no_grad():
                self()
            times.append(time.thread_time() - start)
        return min(times)

    def changes_parameters(self) -> bool:
        """Whether a call does so, as an embedding does that keeps its rows short."""
        before = {name: p.detach().clone() for name, p in self.parameters.items()}
        with self.unchanged(), torch.no_grad():
            self._outputs()
            return any(not torch.equal(p, before[n]) for n, p in self.parameters.items())

    def _outputs(self) -> tuple[Tensor, ...]:
        output = self.function(*mapped(lambda _, tensor: tensor.clone(), self.inputs))
        return tuple(t for _, t in tensors_in(output) if is_floating(t))

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Puts parameters, buffers and random numbers back, and shows no warnings."""
        modules = list(self.module.modules()) if self.module is not None else []
        held: list[tuple[dict[str, Any], str, Tensor, Tensor]] = [
            (kept, name, tensor, tensor.detach().clone())
            for module in modules
            for kept in (module._parameters, module._buffers)
            for name, tensor in kept.items()
            if tensor is not None and tensor.layout == torch.strided
        ]
        try:
            with torch.random.fork_rng(_devices()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                seed_everywhere()
                yield
        finally:
            for kept, name, tensor, before in held:
                kept[name] = tensor
                if not torch.equal(tensor, before):
                    tensor.data.copy_(before)  # unseen by autograd, which may have saved it

    def returned(
        self, cotangents: Sequence[Tensor], create_graph: bool = False
    ) -> dict[str, Tensor | None]:
        """Returns the gradients that the subject's backward pass gives for the outputs' cotangents.

        None is what does not depend on a variable, says the graph.
        """
        with self.unchanged():
            outputs = zip(self._outputs(), cotangents, strict=True)
            pairs = [(y, v) for y, v in outputs if y.requires_grad]
            if not pairs:
                return dict.fromkeys(self.variables)
            found = torch.autograd.grad(
                [y for y, _ in pairs],
                list(self.variables.values()),
                [v for _, v in pairs],
                allow_unused=True,
                create_graph=create_graph,
            )
        return dict(zip(self.variables, found, strict=True))


def _devices() -> range:
    return range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)


def seed_everywhere(seed: int = SEED) -> None:
    """Makes the random numbers that follow the same each time, on all devices in use.

    ``torch.manual_seed`` notes a traceback for each device that is not in use yet.
    """
    torch.random.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


def converted(subject: Subject, dtypes: Mapping[torch.dtype, torch.dtype]) -> Subject:
    """Returns a copy whose tensors have other dtypes.

    Raises:
        Exception: What copying the module raises.
    """

    def cast(tensor: Tensor) -> Tensor:
        return tensor.to(dtypes.get(tensor.dtype, tensor.dtype))

    function = copy.deepcopy(subject.function)
    if isinstance(function, nn.Module):
        function._apply(cast)
    inputs = mapped(lambda _, t: cast(t.detach()).requires_grad_(t.requires_grad), subject.inputs)
    return Subject(function, inputs)


def mapped(function: Callable[[str, Tensor], Any], value: Any, name: str = "") -> Any:
    """Replaces the tensors in tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return function(name, value)
    if isinstance(value, dict):
        return {k: mapped(function, v, f"{name}[{k!r}]") for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        items = [mapped(function, v, f"{name}[{k}]") for k, v in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def tensors_in(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors in tuples, lists and dicts, with names."""
    found: list[tuple[str, Tensor]] = []
    mapped(lambda where, tensor: found.append((where, tensor)), value, name)
    yield from found


def is_floating(tensor: Tensor) -> bool:
    """Whether it can have a gradient."""
    return tensor.is_floating_point() or tensor.is_complex()


def as_real(tensor: Tensor) -> Tensor:
    """Returns complex numbers with their two parts along a last axis, in the same memory."""
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def as_vector(tensors: Sequence[Tensor]) -> Tensor:
    """Returns all numbers one after the other, on the CPU."""
    return torch.cat([as_real(t.detach().to_dense()).flatten().cpu() for t in tensors])


def inner(one: Tensor, other: Tensor) -> Tensor:
    """Returns the real inner product, in float64."""
    return (as_real(one.to_dense()).double() * as_real(other).double()).sum()


def random_like(tensors: Sequence[Tensor], seed: int = 1) -> list[Tensor]:
    """Returns random, contiguous tensors, the same each time."""
    generator, cpu = torch.Generator().manual_seed(seed), torch.device("cpu")
    return [
        torch.randn(t.shape, generator=generator, dtype=_wide(t), device=cpu).to(t) for t in tensors
    ]


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.complex128 if tensor.is_complex() else torch.float64


def argument_names(function: Callable[..., Any], count: int) -> list[str]:
    """Returns the names of the first arguments, or "input 1" and so on where there are none."""
    numbered = [f"input {number + 1}" for number in range(count)]
    called = function.forward if isinstance(function, nn.Module) else function
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):  # builtin
        return numbered
    positional = [
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return [*positional[:count], *numbered[len(positional[:count]) :]]


def named(function: Callable[..., Any]) -> str:
    """Returns what to call a function."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, torch.autograd.Function):
        return owner.__name__
    return getattr(function, "__name__", type(function).__name__)
