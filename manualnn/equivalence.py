"""Proof that a converted model is the same model: outputs, gradients and buffers compared."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from manualnn.convert import convert, revert
from manualnn.coverage import call, tensors_in

SMALLEST = 1e-300  # stands for the scale of a tensor of zeros
ROUNDINGS = 10  # how many times what one rounding of the input does counts as rounding

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Equivalence:
    """What :func:`prove` measured; ``print`` shows the worst of each kind.

    Attributes:
        distances: the largest difference of each tensor, relative to its largest value, by mode
            ("train", "eval"), kind ("output", "input gradient", "parameter gradient", "buffer") and
            name.
        sensitivity: for each distance above the tolerance, how far torch's own model departs when
            every element of its input moves by one unit in the last place. A gradient that is zero
            but for rounding, such as that of a bias before a batch norm, departs from itself.
        tolerance: the largest distance that counts as equal.
        first_departure: the first layer whose output departs, by mode.
    """

    distances: dict[Key, float]
    sensitivity: dict[Key, float]
    tolerance: float
    first_departure: dict[str, str] = field(default_factory=dict)

    @property
    def worst(self) -> float:
        """The largest distance of all."""
        return max(self.distances.values(), default=0.0)

    @property
    def ok(self) -> bool:
        """Whether every distance is within the tolerance, or is rounding; nan is neither."""
        return all(
            distance <= max(self.tolerance, ROUNDINGS * self.sensitivity.get(key, 0.0))
            for key, distance in self.distances.items()
        )

    def __str__(self) -> str:
        """The worst distance of each mode and kind, and everything above the tolerance."""
        lines = [f"{'mode':6} {'kind':20} {'tensors':>8} {'worst':>9}  where"]
        for mode, kind in dict.fromkeys(key[:2] for key in self.distances):
            of_kind = {k[2]: d for k, d in self.distances.items() if k[:2] == (mode, kind)}
            where = max(of_kind, key=lambda name: _or_infinite(of_kind[name]))
            lines.append(f"{mode:6} {kind:20} {len(of_kind):8} {of_kind[where]:9.1e}  {where}")
        for (mode, kind, name), sensitivity in self.sensitivity.items():
            distance = self.distances[mode, kind, name]
            lines.append(
                f"{mode}: {kind} {name} is {distance:.1e} off; torch's own moves by "
                f"{sensitivity:.1e} when its input moves by one unit in the last place"
            )
        lines += [f"{mode}: {layer} departs first" for mode, layer in self.first_departure.items()]
        lines.append(f"{'equal' if self.ok else 'NOT EQUAL'}, tolerance {self.tolerance:.0e}")
        return "\n".join(lines)


def prove(
    model: nn.Module,
    inputs: Any,
    loss: Callable[[Any], Tensor] | None = None,
    *,
    tolerance: float = 1e-8,
) -> Equivalence:
    """Compare a model of hand-derived layers with the same model of torch's, in float64.

    Two copies run, one reverted and one converted, in training and in evaluation mode, with the
    same random numbers; the model, its buffers and the random state stay as they are.

    Args:
        model: converted or not.
        inputs: what its forward pass takes: one argument, or a tuple of several. Floating-point
            tensors in it are differentiated.
        loss: makes a number of the model's output; without it every output has a random cotangent.
        tolerance: the largest relative distance that counts as equal.

    Returns:
        The distances, to be printed or read.
    """
    distances: dict[Key, float] = {}
    sensitivity: dict[Key, float] = {}
    first_departure: dict[str, str] = {}
    theirs, ours = revert(copy.deepcopy(model)).double(), revert(copy.deepcopy(model)).double()
    convert(ours)
    inputs = _in_float64(inputs)
    for mode in ("train", "eval"):
        theirs.train(mode == "train")
        ours.train(mode == "train")
        expected, actual = (_step(copy.deepcopy(each), inputs, loss) for each in (theirs, ours))
        measured = _distances(mode, actual, expected)
        distances |= measured
        departed = {key for key, distance in measured.items() if not distance <= tolerance}
        if departed:
            moved = _distances(mode, _step(copy.deepcopy(theirs), _moved(inputs), loss), expected)
            sensitivity |= {key: moved[key] for key in measured if key in departed}
        if not Equivalence(measured, sensitivity, tolerance).ok:
            pair = copy.deepcopy(theirs), copy.deepcopy(ours)
            first_departure[mode] = _first_departure(*pair, inputs, tolerance)
    return Equivalence(distances, sensitivity, tolerance, first_departure)


def _step(
    model: nn.Module, inputs: Any, loss: Callable[[Any], Tensor] | None
) -> dict[tuple[str, str], Tensor]:
    """Every tensor that a forward and a backward pass leave, by kind and name."""
    inputs = tree_map(_leaf, inputs)
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(0)
        outputs = call(model, inputs)
        result = outputs if loss is None else loss(outputs)
        ends = [t for t in tensors_in(result) if t.requires_grad]
        torch.manual_seed(0)
        torch.autograd.backward(ends, [torch.randn_like(end) for end in ends])
    given = {("output", str(i)): t.detach() for i, t in enumerate(tensors_in(outputs))}
    for i, tensor in enumerate(tensors_in(inputs)):
        if tensor.grad is not None:
            given["input gradient", str(i)] = tensor.grad
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            given["parameter gradient", name] = parameter.grad
    return given | {("buffer", name): buffer for name, buffer in model.named_buffers()}


def _first_departure(theirs: nn.Module, ours: nn.Module, inputs: Any, tolerance: float) -> str:
    """The name of the first module to return whose output is further off than it may be."""
    returned: list[tuple[str, list[Tensor]]] = []
    departed: list[str] = []

    def keep(name: str) -> Callable[..., None]:
        return lambda module, args, output: returned.append((name, tensors_in(output)))

    def compare(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            _, expected = returned.pop(0)
            if any(
                not _distance(a, e) <= tolerance
                for a, e in zip(tensors_in(output), expected, strict=True)
            ):
                departed.append(name)

        return hook

    for model, hook in ((theirs, keep), (ours, compare)):
        for name, module in model.named_modules():
            module.register_forward_hook(hook(name))
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            call(model, inputs)
    return departed[0] if departed else "a gradient"


def _in_float64(inputs: Any) -> Any:
    return tree_map(lambda value: value.double() if _is_real(value) else value, inputs)


def _moved(inputs: Any) -> Any:
    """The inputs with every number moved up by one unit in the last place."""

    def move(value: Any) -> Any:
        return value.nextafter(torch.full_like(value, torch.inf)) if _is_real(value) else value

    return tree_map(move, inputs)


def _leaf(value: Any) -> Any:
    """A copy of its own that a gradient can be asked for."""
    return value.detach().clone().requires_grad_() if _is_real(value) else value


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _distances(
    mode: str, actual: dict[tuple[str, str], Tensor], expected: dict[tuple[str, str], Tensor]
) -> dict[Key, float]:
    return {(mode, *key): _distance(actual.get(key), value) for key, value in expected.items()}


def _distance(actual: Tensor | None, expected: Tensor) -> float:
    """The largest difference, relative to the largest value; infinite where there is no match."""
    if actual is None or actual.shape != expected.shape:
        return float("inf")
    if expected.numel() == 0 or torch.equal(actual, expected):
        return 0.0
    difference = (actual.double() - expected.double()).abs().max().item()
    return difference / max(expected.double().abs().max().item(), SMALLEST)


def _or_infinite(distance: float) -> float:
    return distance if distance == distance else float("inf")
