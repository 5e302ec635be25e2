"""The one base of every hand-derived Function, and :func:`apply`, the one way to call it.

A layer's Function states four things, as plain PyTorch would have them::

    class Square(Function):
        @staticmethod
        def forward(input):                         # without ctx
            return input * input

        @staticmethod
        def setup_context(ctx, inputs, output):     # what the two rules below need
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, grad_output):             # reverse mode
            (input,) = ctx.saved_tensors
            return 2 * input * grad_output

        @staticmethod
        def jvp(ctx, tangent):                      # forward mode
            (input,) = ctx.saved_tensors
            return 2 * input * tangent

    square = apply(Square, x)

The base makes of it two classes, because PyTorch wants opposite things of one:

* **reverse mode**, the class itself, without ``jvp``: ``torch.compile`` refuses a Function that has
  one. It saves only what ``ctx.needs_input_grad`` asks for.
* **forward mode**, a sibling with ``jvp``, used while forward-mode differentiation is on. There
  ``needs_input_grad`` is unknown, so it reports True throughout and everything is saved.

Arguments that are not tensors must be single values (a number, a frozen dataclass): tuples and
dicts do not survive ``vmap`` and ``jvp`` together. Private names of torch live in this file only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ClassVar, NamedTuple, ParamSpec, TypeGuard, TypeVar

import torch
from torch import Tensor
from torch._C import _functorch
from torch.autograd import forward_ad
from torch.overrides import (
    TorchFunctionMode,
    _get_current_function_mode,
    _pop_mode_temporarily,
)

P = ParamSpec("P")
R = TypeVar("R")


class Function(torch.autograd.Function):
    """Base of all hand-derived Functions; the module's docstring says what a subclass states."""

    generate_vmap_rule = True
    forward_mode: ClassVar[type[torch.autograd.Function]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Move the subclass's ``jvp`` to its forward-mode sibling."""
        super().__init_subclass__(**kwargs)
        if "forward" in vars(cls):
            forward: Any = cls.forward
            forward.__signature__ = _Signature.from_callable(forward)
        if "jvp" in vars(cls):
            cls.forward_mode = _forward_mode_sibling(cls, cls.jvp)
            del cls.jvp


class _Signature(inspect.Signature):
    """That of a forward, whose arguments are all given and in their places.

    torch binds them at each call, which takes several times as long as the call itself.
    """

    def bind(self, *args: Any, **kwargs: Any) -> Any:
        return _BoundArguments(args, kwargs)


class _BoundArguments(NamedTuple):
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def apply_defaults(self) -> None:
        """There are none."""


def apply(function: type[Function], *args: Any) -> Any:
    """Call a hand-derived Function in whatever surroundings PyTorch is in.

    Under autocast the Function itself runs with autocast off, so that torch's policies do not act
    on the operations inside it; cast its arguments first with :func:`autocast_lower` or
    :func:`autocast_float32`.

    Args:
        function: the subclass of :class:`Function`.
        *args: the arguments of its ``forward``, the first of them a tensor.

    Returns:
        What ``forward`` returns: a tensor or a tuple of tensors.

    Raises:
        NotImplementedError: if a tensor is complex; the formulas are those of real functions.
    """
    for arg in args:
        if isinstance(arg, Tensor) and arg.is_complex():
            raise NotImplementedError(
                f"this layer is derived for real numbers, but got a tensor of dtype {arg.dtype}; "
                "split it with torch.view_as_real, or use the layer of torch.nn"
            )
    call: Any = function.apply
    if torch.compiler.is_compiling():
        args = tuple(_distinct(args))
        if not is_recorded(*args):
            call = function.forward  # the Dynamo of torch 2.14 would give it a ctx as well
    elif torch._C._is_torch_function_mode_enabled():
        with torch._C.DisableTorchFunction():  # what is inside a Function is not led anywhere
            return apply(function, *args)
    elif forward_ad._current_level >= 0:
        call = function.forward_mode.apply
    elif is_unwatched():
        call = function.forward  # nothing to be kept: a Function's own calls cost many times more
    if not (_autocast_is_on_somewhere() and _autocast_is_on(args[0].device.type)):
        return call(*args)
    with torch.autocast(args[0].device.type, enabled=False):
        return call(*args)


class Leading(TorchFunctionMode):
    """A mode that leads functional calls to ours, see :mod:`manualnn.routing`."""


def led_nowhere(forward: Callable[P, R]) -> Callable[P, R]:
    """A layer's forward pass, without the mode that leads functional calls, if that is on.

    What a layer of ours calls is hand-derived already, and to look at every call takes longer than
    a small layer does. Other modes go on.
    """

    @wraps(forward)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        if torch.compiler.is_compiling() or not isinstance(_get_current_function_mode(), Leading):
            return forward(*args, **kwargs)
        with _pop_mode_temporarily():
            return forward(*args, **kwargs)

    return alone


def _distinct(args: tuple[Any, ...]) -> Iterable[Any]:
    """The arguments, a tensor that comes again as a view: Dynamo refuses the same one twice."""
    for place, arg in enumerate(args):
        again = isinstance(arg, Tensor) and any(arg is earlier for earlier in args[:place])
        yield arg.view_as(arg) if again else arg


def is_recorded(*args: Any) -> bool:
    """Whether autograd records what is done with these arguments."""
    return torch.is_grad_enabled() and any(
        isinstance(arg, Tensor) and arg.requires_grad for arg in args
    )


def autocast_lower(*tensors: Tensor | None) -> tuple[Any, ...]:
    """Cast to autocast's low precision type where it is on, as torch does for products.

    Args:
        *tensors: the factors of a product, input and weight, and a bias.

    Raises:
        RuntimeError: if their dtypes then differ.
    """
    if _autocast_is_on_somewhere():
        tensors = tuple(
            t.to(torch.get_autocast_dtype(t.device.type)) if _is_autocast(t) else t for t in tensors
        )
    dtypes = [t.dtype for t in tensors if t is not None]
    if any(dtype != dtypes[0] for dtype in dtypes):
        raise RuntimeError(f"input, weight and bias must have one dtype, but have {dtypes}")
    return tensors


def autocast_float32(
    *tensors: Tensor | None, devices: tuple[str, ...] = ("cpu", "cuda")
) -> tuple[Any, ...]:
    """Cast to float32 where autocast is on, as torch does for losses, on the devices named."""
    return tuple(t.float() if _is_autocast(t) and t.device.type in devices else t for t in tensors)


def _is_autocast(tensor: Tensor | None) -> TypeGuard[Tensor]:
    """Whether autocast may cast this: never float64, never an integer."""
    return (
        tensor is not None
        and tensor.dtype in (torch.float32, torch.float16, torch.bfloat16)
        and _autocast_is_on(tensor.device.type)
    )


def _autocast_is_on(device: str) -> bool:
    """Whether autocast is on for this type of device; the meta device has none."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _autocast_is_on_somewhere() -> bool:
    """Whether it may be on for some device: the fastest question, before that for one device."""
    return torch.compiler.is_compiling() or torch._C._is_any_autocast_enabled()


def is_unwatched() -> bool:
    """Whether values alone are wanted: nothing is recorded, traced, transformed or pushed forward.

    So it is in the backward pass of a training step. What cannot be differentiated, as a change in
    place or of bits, may then compute what the plain formula says.
    """
    return not (
        torch.is_grad_enabled()
        or torch.compiler.is_compiling()
        or is_transformed()
        or forward_ad._current_level >= 0
    )


def is_transformed() -> bool:
    """Whether a ``torch.func`` transform (vmap, grad, jvp...) is at work."""
    return torch._C._are_functorch_transforms_active()


def is_plain(input: Tensor) -> bool:
    """Whether this is a tensor of torch's own class and real numbers, in ordinary surroundings.

    They are ordinary where nothing is traced, transformed, pushed forward or cast.
    """
    return not (
        torch.compiler.is_compiling()
        or type(input) is not Tensor
        or input.dtype not in (torch.float32, torch.float64)
        or input.device.type not in ("cpu", "cuda")
        or is_transformed()
        or forward_ad._current_level >= 0
        or _autocast_is_on_somewhere()
    )


def is_batched(tensor: Tensor) -> bool:
    """Whether the tensor is one that ``torch.vmap`` maps over, below any other transform."""
    if torch.compiler.is_compiling() or not is_transformed():
        return False
    while _functorch.is_functorch_wrapped_tensor(tensor):
        if _functorch.is_batchedtensor(tensor):
            return True
        tensor = _functorch.get_unwrapped(tensor)
    return False


def _forward_mode_sibling(function: type[Function], jvp: Any) -> type[torch.autograd.Function]:
    """The same Function with a forward-mode rule, which saves one tuple for both modes."""

    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        function.setup_context(_SavingContext(ctx, len(inputs)), inputs, output)

    def jvp_at_any_order(ctx: Any, *tangents: Any) -> Any:
        # torch turns forward mode off inside a jvp, which makes a jvp of this jvp silently zero.
        with forward_ad._set_fwd_grad_enabled(True):
            return jvp(_PrimalContext(ctx), *tangents)

    sibling: Any = type(
        function.__name__, (function,), {"setup_context": staticmethod(setup_context)}
    )
    sibling.jvp = staticmethod(jvp_at_any_order)  # set here: in the body, it would be moved again
    return sibling


class _SavingContext:
    """A ctx under which everything is needed, and is saved for backward and forward alike."""

    def __init__(self, ctx: Any, inputs: int) -> None:
        vars(self).update(ctx=ctx, needs_input_grad=(True,) * inputs)

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        self.ctx.save_for_backward(*tensors)
        self.ctx.save_for_forward(*tensors)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ctx, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.ctx, name, value)


class _PrimalContext:
    """A ctx whose saved tensors have lost this level's tangent and kept those of outer levels."""

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self.saved_tensors = tuple(_primals(ctx.saved_tensors))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ctx, name)


def _primals(tensors: Iterable[Tensor | None]) -> Iterable[Tensor | None]:
    return (None if tensor is None else _primal(tensor) for tensor in tensors)


def _primal(tensor: Tensor) -> Tensor:
    if not _functorch.is_batchedtensor(tensor):
        return forward_ad.unpack_dual(tensor, level=0).primal
    # unpack_dual has no batching rule: unwrap, unpack, wrap again.
    level, dim = _functorch.maybe_get_level(tensor), _functorch.maybe_get_bdim(tensor)
    return _functorch._add_batch_dim(_primal(_functorch.get_unwrapped(tensor)), dim, level)
