"""Normalisation over a set of axes: the one formula of batch, layer, group and instance norm.

Two sets of axes say which norm it is: S, over which the statistics are taken, and A, along which
gamma and beta vary::

                      X                    S              A
    batch norm        (R, C, H, W)         R, H, W        C
    instance norm     (R, C, H, W)         H, W           C
    group norm        (R, G, C/G, H, W)    C/G, H, W      G, C/G
    layer norm        (R, ..., D)          D              D

Forward, with n values in each set (the report's Eq. 52-55, there for batch norm)::

    mu  = 1/n sum_S X                 xhat = (X - mu) istd,  istd = (var + eps)^(-1/2)
    var = 1/n sum_S (X - mu)^2        Y    = gamma xhat + beta

Let delta = dL/dY. X reaches L through xhat, and through mu and var of its whole set. With the
derivatives of the three (Eq. 60-64), dmu/dX = 1/n and dvar/dX = 2 (X - mu) / n, the chain rule
gives::

    dL/dbeta  = sum_{not A} delta                                                        (Eq. 67)
    dL/dgamma = sum_{not A} delta xhat                                                   (Eq. 66)
    dL/dX     = istd (gamma delta - total / n - xhat along / n)                          (Eq. 65)

    total = sum_S gamma delta,    along = sum_S gamma delta xhat

Eq. 65 takes from gamma delta its mean and its part along xhat: the two directions in which a
change of X changes nothing. With b and c constant over S it is a delta + b (X - mu) + c.

All four sums run over the axes that are in S and not in A, where gamma is constant. Taken first,
they leave little to do for the others::

    S0 = sum_{S - A} delta            dL/dbeta  = sum_{neither} S0      total = sum_{both} gamma S0
    S1 = sum_{S - A} delta xhat       dL/dgamma = sum_{neither} S1      along = sum_{both} gamma S1

Batch and layer norm's Y comes from torch's own kernel, where that has it.

mu and var are outputs of the Function too, as what a differentiable backward pass needs must be.
Their own cotangents add dL/dmu / n + dL/dvar 2 (X - mu) / n to dL/dX, so every order comes right.

A tangent v of X moves xhat by J v, where J v = istd (v - sum_S v / n - xhat sum_S v xhat / n) is
symmetric: Eq. 65 with gamma = 1. Hence the forward mode::

    dY = gamma J dX + dgamma xhat + dbeta,   dmu = 1/n sum_S dX,   dvar = 2/n sum_S dX (X - mu)

Shapes: the axes summed over stay, with size 1; gamma and beta have as many axes as X, of size 1
outside A.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from manualnn.autograd import Function, is_transformed, is_unwatched
from manualnn.backend import formula

MANY, PART = 2**20, 2**19  # values: sums over so many are made in parts of so many
LARGE_PLANE = 64  # values of a channel in a sample from which on batch_statistics is faster


@dataclass(frozen=True)
class Axes:
    """S, the axes of the statistics, and A, the axes along which gamma and beta vary."""

    statistics: tuple[int, ...]
    affine: tuple[int, ...]

    def of_batch_norm(self, axes: int) -> bool:
        """Whether these are the axes of batch norm, of so many."""
        return self == Axes((0, *range(2, axes)), (1,))

    def of_layer_norm(self, axes: int) -> bool:
        """Whether these are the axes of layer norm, the last of so many."""
        last = tuple(range(axes - len(self.statistics), axes))
        return self == Axes(last, last)

    def statistics_alone(self) -> tuple[int, ...]:
        """S - A: what the sums for X and those for gamma and beta have in common."""
        return tuple(axis for axis in self.statistics if axis not in self.affine)

    def both(self) -> tuple[int, ...]:
        """S and A: what is then left to sum for X."""
        return tuple(axis for axis in self.statistics if axis in self.affine)

    def neither(self, axes: int) -> tuple[int, ...]:
        """Of so many axes, those in neither S nor A: what is left to sum for gamma and beta."""
        return tuple(axis for axis in range(axes) if axis not in self.statistics + self.affine)


def sum_over(values: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The sum over the axes, which stay with size 1; the values themselves over no axes.

    Those that lie together in memory come first, which takes a third of the time.
    """
    last = tuple(axis for axis in axes if axis > 1)
    if last and len(last) < len(axes) and values.is_contiguous():
        values, axes = values.sum(last, keepdim=True), tuple(axis for axis in axes if axis <= 1)
    return values.sum(axes, keepdim=True) if axes else values


def sum_of_products(a: Tensor, b: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The sum of a b over the axes, which stay with size 1."""
    if a.numel() < MANY or 0 not in axes or a.dtype != b.dtype or not is_unwatched():
        return sum_over(a * b, axes)
    return sum_in_parts(lambda x, y, out: torch.mul(x, y, out=out), axes, a, b)


def sum_in_parts(make: Callable[..., Tensor], axes: tuple[int, ...], *values: Tensor) -> Tensor:
    """The sum of what is made of the values, some samples at a time, so that it stays in the cache.

    Args:
        make: ``(*some, out) -> out``, writes over ``out`` what it makes of some samples.
        axes: to sum over, 0 among them; they stay with size 1.
        *values: of one shape, samples first.
    """
    samples = max(1, PART // values[0][0].numel())
    out = values[0].new_empty(samples, *values[0].shape[1:])
    parts = zip(*(value.split(samples) for value in values), strict=True)
    sums = (sum_over(make(*some, out[: len(some[0])]), axes) for some in parts)
    total = next(sums)
    for one in sums:
        total += one
    return total


def mean_over(values: Tensor, axes: tuple[int, ...]) -> Tensor:
    """1/n sum_S X (Eq. 52; Eq. 53 of a square), the axes of S staying with size 1."""
    return values.mean(axes, keepdim=True)


def inverse_std(var: Tensor, eps: float) -> Tensor:
    """istd = (var + eps)^(-1/2), var's shape."""
    return (var + eps).rsqrt()


def norm_forward(
    centred: Tensor, istd: Tensor, weight: Tensor | None, bias: Tensor | None
) -> Tensor:
    """Y = gamma xhat + beta (Eq. 54-55), with xhat = (X - mu) istd: X's shape."""
    scale = times(istd, weight)
    return centred * scale if bias is None else torch.addcmul(bias, centred, scale)


def sum_delta(grad_output: Tensor, axes: tuple[int, ...]) -> Tensor:
    """S0 = sum delta (Eq. 67) over the axes, which stay with size 1."""
    return sum_over(grad_output, axes)


def sum_delta_xhat(
    grad_output: Tensor, centred: Tensor, istd: Tensor, axes: tuple[int, ...]
) -> Tensor:
    """S1 = sum delta xhat (Eq. 66), xhat = (X - mu) istd, over axes of S, staying with size 1."""
    return sum_of_products(grad_output, centred, axes) * istd


def norm_grad_input(
    grad_output: Tensor,
    centred: Tensor,
    istd: Tensor,
    weight: Tensor | None,
    total: Tensor,
    along: Tensor,
    n: int | Tensor,
    grad_mean: Tensor | float = 0.0,
    grad_var: Tensor | float = 0.0,
) -> Tensor:
    """dL/dX = a delta + b (X - mu) + c (Eq. 65), X's shape.

    Args:
        grad_output: delta, X's shape.
        centred: X - mu, X's shape; dL/dX is written over it where nothing watches.
        istd: of size 1 along S, like all that is summed over S.
        weight: gamma, of size 1 outside A, or None for 1.
        total: sum_S gamma delta.
        along: sum_S gamma delta xhat.
        n: how many values each sum over S has.
        grad_mean: dL/dmu beyond what goes through Y.
        grad_var: dL/dvar beyond what goes through Y.
    """
    a = times(istd, weight)
    b = (2 * grad_var - istd * istd * along) / n
    c = (grad_mean - istd * total) / n
    return affine(grad_output, centred, a, b, c)


def affine(grad_output: Tensor, centred: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """a delta + b (X - mu) + c, written over X - mu where nothing watches."""
    if is_unwatched():
        return centred.mul_(b).add_(c).addcmul_(grad_output, a)
    return torch.addcmul(torch.addcmul(c, grad_output, a), centred, b)


@formula
def norm_backward(
    grad_output: Tensor,
    grad_mean: Tensor,
    grad_var: Tensor,
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None,
    axes: Axes,
    eps: float,
    needs_input: bool,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """dL/dX, if it is needed, dL/dgamma and dL/dbeta, by the sums S0 and S1."""
    istd, centred = inverse_std(var, eps), input - mean
    s0 = sum_delta(at_least_float32(grad_output), axes.statistics_alone())
    s1 = sum_delta_xhat(grad_output, centred, istd, axes.statistics_alone())
    grad_input = None
    if needs_input:
        total, along = (sum_over(times(s, weight), axes.both()) for s in (s0, s1))
        n = set_size(input, axes)
        grad_input = norm_grad_input(
            grad_output, centred, istd, weight, total, along, n, grad_mean, grad_var
        )
    neither = axes.neither(input.dim())
    return grad_input, sum_over(s1, neither), sum_over(s0, neither)


@formula
def normalise(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, axes: Axes, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Y, mu and var (Eq. 52-55) for any axes."""
    x = at_least_float32(input)
    mean = mean_over(x, axes.statistics)
    centred = x - mean
    var = mean_over(centred * centred, axes.statistics)
    return norm_forward(centred, inverse_std(var, eps), weight, bias).to(input.dtype), mean, var


def times(values: Tensor, weight: Tensor | None) -> Tensor:
    """The values times gamma, if there is one."""
    return values if weight is None else values * weight


def at_least_float32(values: Tensor) -> Tensor:
    """The values in a type that sums of many can be taken in."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def batch_norm_forward(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Y, mu and var of Eq. 52-55 for the axes of batch norm, Y by torch's own kernel.

    Where planes lie together in memory, the statistics are faster taken apart. Elsewhere the kernel
    gives them in the same pass: running statistics that keep nothing of what they were are the
    batch's, var times n / (n - 1).
    """
    channels, n = input.shape[1], input.numel() // input.shape[1]
    gamma, beta = (None if v is None else v.reshape(channels) for v in (weight, bias))
    if has_large_planes(input):
        mean, var = batch_statistics(input)
        given = mean.view(channels), var.view(channels)
        return torch.native_batch_norm(input, gamma, beta, *given, False, 0.0, eps)[0], mean, var
    mean, unbiased = input.new_zeros(channels), input.new_zeros(channels)
    output = torch.native_batch_norm(input, gamma, beta, mean, unbiased, True, 1.0, eps)[0]
    shape = (1, channels, *(1,) * (input.dim() - 2))
    return output, mean.view(shape), (unbiased * ((n - 1) / n)).view(shape)


def has_large_planes(input: Tensor) -> bool:
    """Whether :func:`batch_statistics` is faster than torch's kernel on this (R, C, H, W)."""
    is_large = input[0, 0].numel() >= LARGE_PLANE
    return is_large and input.is_contiguous() and input.device.type == "cpu"


def batch_statistics(input: Tensor) -> tuple[Tensor, Tensor]:
    """mu and var of each channel (Eq. 52-53): (R, C, H, W) -> twice (1, C, 1, 1)."""
    samples = (0, *range(2, input.dim()))
    n = input.numel() // input.shape[1]
    mean = sum_over(input, samples) / n
    if input.numel() < MANY:
        return mean, sum_over((input - mean).square_(), samples) / n
    squares = sum_in_parts(lambda x, out: torch.sub(x, mean, out=out).square_(), samples, input)
    return mean, squares / n


def layer_norm_forward(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, axes: Axes, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Y, mu and var for the axes of layer norm, in one pass by torch's own kernel.

    It gives istd, from which var follows with the precision in which var + eps is needed.
    """
    shape = input.shape[axes.statistics[0] :]
    gamma, beta = (None if v is None else v.reshape(shape) for v in (weight, bias))
    output, mean, istd = torch.native_layer_norm(input, shape, gamma, beta, eps)
    return output, mean, istd.pow(-2) - eps


def _have_kernel(input: Tensor, *parameters: Tensor | None) -> bool:
    """Whether torch's kernels can stand for the formula: they are beyond transforms."""
    return (
        input.numel() > 0
        and input.dtype in (torch.float32, torch.float64)
        and all(v is None or v.dtype == input.dtype for v in parameters)
        and not (torch.compiler.is_compiling() or is_transformed())
    )


class NormalisationFunction(Function):
    """Y by the statistics of X itself (Eq. 52-55), with mu and var."""

    @staticmethod
    def forward(
        input: Tensor, weight: Tensor | None, bias: Tensor | None, axes: Axes, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        if _have_kernel(input, weight, bias):
            if axes.of_batch_norm(input.dim()) and input.numel() > input.shape[1]:
                return batch_norm_forward(input, weight, bias, eps)
            if axes.of_layer_norm(input.dim()) and eps > 0:
                return layer_norm_forward(input, weight, bias, axes, eps)
        return normalise(input, weight, bias, axes, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        input, weight, _, ctx.axes, ctx.eps = inputs
        _, mean, var = output
        ctx.save_for_backward(input, mean, var, weight)

    @staticmethod
    def backward(
        ctx: Any, grad_output: Tensor, grad_mean: Tensor, grad_var: Tensor
    ) -> tuple[Tensor | None, ...]:
        (input, mean, var, weight), needs = ctx.saved_tensors, ctx.needs_input_grad
        gradients = norm_backward(
            grad_output, grad_mean, grad_var, input, mean, var, weight, ctx.axes, ctx.eps, needs[0]
        )
        return *(g if n else None for g, n in zip(gradients, needs, strict=False)), None, None

    @staticmethod
    def jvp(
        ctx: Any, d_input: Tensor, d_weight: Tensor | None, d_bias: Tensor | None, *_: None
    ) -> tuple[Tensor, Tensor, Tensor]:
        input, mean, var, weight = ctx.saved_tensors
        istd = inverse_std(var, ctx.eps)
        centred = input - mean
        n = set_size(input, ctx.axes)
        total = sum_delta(at_least_float32(d_input), ctx.axes.statistics)
        along = sum_delta_xhat(d_input, centred, istd, ctx.axes.statistics)
        d_output = norm_grad_input(d_input, centred, istd, None, total, along, n)
        d_output = times(d_output, weight)
        if d_weight is not None:
            d_output = d_output + centred * istd * d_weight
        if d_bias is not None:
            d_output = d_output + d_bias
        return d_output.to(input.dtype), total / n, 2 * along / (istd * n)


def set_size(input: Tensor, axes: Axes) -> int:
    """n, how many values are normalised together."""
    return math.prod([input.shape[axis] for axis in axes.statistics])


def check_numbers(input: Tensor, **parameters: Tensor | None) -> None:
    """Refuse what is no floating-point number, and parameters of an unfit type.

    Args:
        input: X.
        **parameters: gamma, beta and the like by their names, None where there is none.

    Raises:
        NotImplementedError: if the input does not hold floating-point numbers.
        RuntimeError: if a parameter is neither of the input's dtype nor float32 with a
            half-precision input.
    """
    if not input.is_floating_point():
        raise NotImplementedError(f"expected floating-point numbers, but got {input.dtype}")
    for name, value in parameters.items():
        if value is None:
            continue
        mixed = value.dtype == torch.float32 and input.dtype in (torch.float16, torch.bfloat16)
        if value.dtype != input.dtype and not mixed:
            raise RuntimeError(
                f"{name} should be {input.dtype} as the input is (or float32 with a half-precision "
                f"input), but is {value.dtype}"
            )
