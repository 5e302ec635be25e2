"""Proof that a converted model is the same model: outputs, gradients and buffers compared."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from manualnn.convert import convert, revert
from manualnn.coverage import call, tensors_in

SMALLEST = 1e-300  # stands for the scale of a tensor of zeros
ROUNDINGS = 30  # how often what one rounding does may happen: at random, in a thousand operations

Key = tuple[str, str, str]

# torch 2.15's gradients of these hold a constant in single precision, in float64 too: 1/6, 1/alpha.
WRITTEN_OUT: dict[Callable[..., Tensor], Callable[..., Tensor]] = {
    F.hardsigmoid: lambda x: F.relu6(x + 3) / 6,
    F.celu: lambda x, alpha=1.0: torch.where(x > 0, x, alpha * torch.expm1(x / alpha)),
}


@dataclass(frozen=True)
class Equivalence:
    """What :func:`prove` measured; ``print`` shows the worst of each kind.

    Attributes:
        distances: the largest difference of each tensor, relative to its largest value, by mode
            ("train", "eval"), kind ("output", "input gradient", "parameter gradient", "buffer") and
            name.
        sensitivity: for each distance above the tolerance, how far torch's own model departs when
            every number of its input and parameters moves up or down by one unit in the last place,
            and at least the unit of the tensor's dtype. A gradient that is zero but for rounding,
            such as that of a bias before a batch norm, departs from itself.
        tolerance: the largest distance that counts as equal.
        first_departure: by mode, the layer whose output, or the gradient by it, departs first.
        written_out: functions for which torch's model was given their definition by other functions
            of torch, as torch's own gradient is 3e-8 off in float64 (torch 2.15).
    """

    distances: dict[Key, float]
    sensitivity: dict[Key, float]
    tolerance: float
    first_departure: dict[str, str] = field(default_factory=dict)
    written_out: tuple[str, ...] = ()

    @property
    def worst(self) -> float:
        """The largest distance of all."""
        return max(self.distances.values(), default=0.0)

    @property
    def ok(self) -> bool:
        """Whether every distance is within the tolerance, or is rounding; nan is neither."""
        return all(
            distance <= max(self.tolerance, ROUNDINGS * self.sensitivity.get(key, 0.0)) < math.inf
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
                f"{sensitivity:.1e} when input and parameters move by one unit in the last place"
            )
        lines += [f"{mode}: {what} departs first" for mode, what in self.first_departure.items()]
        lines += [
            f"torch's {name}, whose gradient holds a constant in single precision, was written out"
            for name in self.written_out
        ]
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
    same random numbers (on a CPU; torch's dropout draws others on a GPU). The model, its buffers
    and the random state stay as they are.

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
    theirs = revert(copy.deepcopy(model)).double()
    ours = convert(_copy(theirs))
    inputs = _in_float64(inputs)
    with _WrittenOut() as written_out:
        for mode in ("train", "eval"):
            pair = theirs.train(mode == "train"), ours.train(mode == "train")
            measured, moved = _compare(mode, *pair, inputs, loss, tolerance)
            distances |= measured
            sensitivity |= moved
            if not Equivalence(measured, moved, tolerance).ok:
                expected, actual = (_trace(_copy(each), inputs, loss) for each in pair)
                first_departure[mode] = _first_departure(actual, expected, tolerance)
    return Equivalence(
        distances, sensitivity, tolerance, first_departure, tuple(sorted(written_out.names))
    )


class _WrittenOut(TorchFunctionMode):
    """Puts definitions in place of functions, and notes which; calls led to ours pass it by."""

    def __init__(self) -> None:
        super().__init__()
        self.names = set[str]()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func not in WRITTEN_OUT:
            return func(*args, **options)
        self.names.add(func.__name__)
        if options.pop("inplace", False):
            return args[0].copy_(WRITTEN_OUT[func](args[0].clone(), *args[1:], **options))
        return WRITTEN_OUT[func](*args, **options)


def _compare(
    mode: str,
    theirs: nn.Module,
    ours: nn.Module,
    inputs: Any,
    loss: Callable[[Any], Tensor] | None,
    tolerance: float,
) -> tuple[dict[Key, float], dict[Key, float]]:
    """All distances, and for those that are too large how far torch's own model moves."""
    expected = _step(_copy(theirs), inputs, loss)
    distances = _distances(mode, _step(_copy(ours), inputs, loss), expected)
    departed = [key for key, distance in distances.items() if not distance <= tolerance]
    if not departed:
        return distances, {}
    moved = _distances(mode, _step(*_moved(theirs, inputs), loss), expected)
    return distances, {
        key: max(moved.get(key, 0.0), _unit(expected.get(key[1:]))) for key in departed
    }


def _copy(model: nn.Module) -> nn.Module:
    """A copy with the model's own parameters, which a step does not change, and other buffers."""
    return copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})


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
            given["parameter gradient", name], parameter.grad = parameter.grad, None
    return given | {("buffer", name): buffer for name, buffer in model.named_buffers()}


def _first_departure(
    actual: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float
) -> str:
    """What is the first to be further off than it may be, in the order of a step."""
    return next(
        (what for what in expected if not _distance(actual.get(what), expected[what]) <= tolerance),
        "a gradient of an input or parameter, or a buffer,",
    )


def _trace(
    model: nn.Module, inputs: Any, loss: Callable[[Any], Tensor] | None
) -> dict[str, Tensor]:
    """What every layer returns, then the gradients that come back to it, in the order of a step."""
    seen: dict[str, Tensor] = {}
    calls = Counter[str]()

    def note(what: str, value: Tensor) -> None:
        seen[what] = value.detach().clone()  # the next layer may write over it

    def hook(name: str) -> Callable[..., None]:
        def of_output(module: nn.Module, args: Any, output: Any) -> None:
            calls[name] += 1
            where = name if calls[name] == 1 else f"{name} (call {calls[name]})"
            for i, tensor in enumerate(tensors_in(output)):
                which = f"{where}, tensor {i}" if i else where
                note(f"the output of {which}", tensor)
                if tensor.requires_grad:
                    tensor.register_hook(partial(note, f"the gradient by the output of {which}"))

        return of_output

    for name, module in model.named_modules():
        module.register_forward_hook(hook(name or "the model"))
    _step(model, inputs, loss)
    return seen


def _in_float64(inputs: Any) -> Any:
    return tree_map(lambda value: value.double() if _is_real(value) else value, inputs)


def _moved(model: nn.Module, inputs: Any) -> tuple[nn.Module, Any]:
    """Copies with every number of the input and parameters one unit further up or down."""
    generator = torch.Generator().manual_seed(0)

    def move(value: Any) -> Any:
        if not _is_real(value):
            return value
        signs = torch.randint(2, value.shape, generator=generator).to(value) * 2 - 1
        return value.nextafter(signs * torch.inf)

    moved = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.copy_(move(parameter))
    return moved, tree_map(move, inputs)


def _leaf(value: Any) -> Any:
    """A copy of its own that a gradient can be asked for."""
    return value.detach().clone().requires_grad_() if _is_real(value) else value


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _distances(
    mode: str, actual: dict[tuple[str, str], Tensor], expected: dict[tuple[str, str], Tensor]
) -> dict[Key, float]:
    return {
        (mode, *key): _distance(actual.get(key), expected.get(key)) for key in expected | actual
    }


def _distance(actual: Tensor | None, expected: Tensor | None) -> float:
    """The largest difference, relative to the largest value; infinite where there is no match.

    The same infinities and the same nan are equal.
    """
    if actual is None or expected is None or actual.shape != expected.shape:
        return float("inf")
    if actual.dtype != expected.dtype:
        return float("inf")
    actual, expected = actual.double(), expected.double()
    same = (actual == expected) | (actual.isnan() & expected.isnan())
    if same.all():
        return 0.0
    difference = (actual - expected)[~same].abs().max().item()
    scale = expected.nan_to_num(0.0, 0.0, 0.0).abs().max().item()
    return difference / max(scale, SMALLEST)


def _unit(tensor: Tensor | None) -> float:
    """One unit in the last place, relative to the value."""
    if tensor is None or not tensor.is_floating_point():
        return 0.0
    return torch.finfo(tensor.dtype).eps


def _or_infinite(distance: float) -> float:
    return distance if distance == distance else float("inf")
