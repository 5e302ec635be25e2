"""Gradients that are right but for a factor."""

from __future__ import annotations

from itertools import combinations
from math import prod, sqrt

import torch
from torch import Tensor

from manualnn.checks.diagnosis.chart import TOLERANCE, Chart, Guess, Guesses, axes_text, number

NEAR = 0.01  # relative: what an epsilon makes of a factor
LARGE = 20.0  # for the argument of an exponential
DIGITS_LOST = 1e-6  # relative: what float32 leaves wrong at most


def precision(chart: Chart) -> Guesses:
    """Right to seven digits of sixteen."""
    error = (chart.returned - chart.truth).abs().max() / chart.truth.abs().max().clamp(min=1e-300)
    if error < DIGITS_LOST:
        yield Guess(
            "precision",
            f"Returned agrees with the truth to {-error.log10():.0f} digits; float64 has 16.",
            "Part of the backward pass is computed in float32.",
            chart.truth,
            chart.truth,
        )


def wrong_sign(chart: Chart) -> Guesses:
    """The truth, negated."""
    yield Guess(
        "wrong-sign",
        "Returned = -1 x true, everywhere.",
        "A minus is missing, or a difference is taken the wrong way round.",
        -chart.returned,
        chart.truth,
    )


def not_conjugated(chart: Chart) -> Guesses:
    """Of complex numbers: f' v, where it is conj(f') v."""
    if len(chart.shape) == 0 or not chart.shape[-1] == chart.output.shape[-1] == 2:
        return
    sign = torch.tensor([1.0, -1.0], dtype=chart.truth.dtype)
    signs = torch.outer(sign.repeat(len(chart.truth) // 2), sign.repeat(chart.output.numel() // 2))
    yield Guess(
        "not-conjugated",
        "Returned = f' v with the derivative f'; true is conj(f') v.",
        "PyTorch's gradient is the direction in which the loss grows: dL/d(conj z), times two. "
        "Conjugate the derivative.",
        chart.returned * signs,
        chart.truth,
    )


def wrong_order(chart: Chart) -> Guesses:
    """The truth about another variable of the same shape."""
    for name, truth in chart.truths.items():
        same = chart.subject.variables[name].shape == chart.shape
        if name != chart.name and same and not torch.equal(truth, chart.truth):
            yield Guess(
                "wrong-order",
                f"Returned is the gradient of {name}.",
                "Gradients must be returned in the order of the arguments of forward.",
                chart.returned,
                truth,
            )


def constant_factor(chart: Chart) -> Guesses:
    """The truth, everywhere times one number, which may be a size or a hyperparameter."""
    used = chart.truth.square().sum()
    if not used > 0:
        return
    factor = ((chart.returned * chart.truth).sum() / used).item()
    if abs(factor) < 1e-9:
        return
    cause, what = _named_factor(chart, factor)
    yield Guess(
        cause,
        f"Returned = {number(factor)} x true, everywhere.",
        what,
        chart.returned / factor,
        chart.truth,
    )


def _named_factor(chart: Chart, factor: float) -> tuple[str, str]:
    if chart.is_complex:
        is_half = abs(factor - 0.5) < 1e-6
        half = "The derivative by conj(z) is half of the gradient that PyTorch wants."
        return "constant-factor", half if is_half else ""
    uses = int((chart.truth != 0).sum(1).max())
    batch, pixels = chart.batch, prod(chart.output.shape[2:])
    scalar = chart.output.numel() == 1
    numbers = chart.variable.numel()
    summed: dict[int, str] = {}
    if chart.is_parameter:
        summed |= {batch * pixels: "the batch size times the number of pixels"}
        summed |= {pixels: "the number of pixels", batch: "the batch size"}
    if scalar:
        summed |= {numbers: "the number of elements"}
    summed.setdefault(uses, "the number of outputs that it is used for")
    for count, name in summed.items():
        if count > 1 and abs(factor * count - 1) < 1e-6:
            text = f"{number(factor)} = 1 / {count}, {name}: a sum became a mean."
            return "mean-for-sum", text
    if scalar and chart.shape:
        rows = int(chart.truth.view(chart.shape[0], -1).any(1).sum())
        averaged = {numbers: "the number of elements", chart.shape[0]: "the batch size"}
        averaged.setdefault(rows, "the number of rows that have a gradient")
        for count, name in averaged.items():
            if count > 1 and abs(factor / count - 1) < 1e-6:
                text = (
                    f"{number(factor)} = {count}, {name}: the loss is a mean, its gradient a sum."
                )
                return "sum-for-mean", text
    is_normalised = chart.shape == chart.output.shape
    axes = [(f"axis {axis}", n) for axis, n in enumerate(chart.shape) if is_normalised and n > 1]
    for name, size in axes:
        for power in (1, -1, 0.5, -0.5):
            if abs(factor / (size / (size - 1)) ** power - 1) < 1e-6:
                text = f"{number(factor)} = (n / (n - 1))^{power:g} with n = {size}, {name}."
                return "biased-for-unbiased", text
    names = _sizes(chart)
    fitting = [name for value, name in names if abs(factor / value - 1) < 1e-6]
    if fitting:
        return "constant-factor", f"{number(factor)} = {'; or '.join(fitting[:3])}."
    return "constant-factor", ""


def _sizes(chart: Chart) -> list[tuple[float, str]]:
    """Numbers that turn up as wrong factors, with what they are."""
    sizes: dict[int, str] = {2: "2, of a square"}
    for axis, size in enumerate(chart.output.shape):
        sizes.setdefault(size, f"axis {axis} of the output, of {size}")
    for name, tensor in chart.tensors.items():
        for axis, size in enumerate(tensor.shape):
            sizes.setdefault(size, f"axis {axis} of {name}, of {size}")
        kernel = prod(tensor.shape[2:])
        if tensor.ndim > 2:
            sizes.setdefault(kernel, f"the {kernel} elements of a plane of {name}")
    sizes.setdefault(prod(chart.output.shape[2:]), "the number of pixels of the output")
    sizes.setdefault(chart.variable.numel(), f"the number of elements of {chart.name}")
    named = [(float(size), text) for size, text in sizes.items() if size > 1]
    named += [(1 / size, f"1 / ({text})") for size, text in sizes.items() if size > 1]
    named += [(sqrt(size), f"the root of {text}") for size, text in sizes.items() if size > 2]
    named += [(1 / sqrt(size), f"1 / (root of {text})") for size, text in sizes.items() if size > 2]
    for name, tensor in chart.tensors.items():
        if tensor.numel() == 1 and tensor.is_floating_point() and 0 < tensor.abs() < LARGE:
            value = tensor.exp().item()
            named += [(value, f"exp({name})"), (1 / value, f"1 / exp({name})")]
    return [*named, (0.1, "0.1, often a momentum"), (0.9, "0.9, often 1 - momentum")]


def factor_of_elements(chart: Chart) -> Guesses:
    """B = diag(q) J: each element times a factor of its own, whatever the cotangent."""
    used = chart.truth.square().sum(1)
    if not (used > 0).any():
        return
    q = (chart.returned * chart.truth).sum(1) / used
    q = torch.where(used > 0, q, torch.ones_like(q))
    off = (chart.returned - q.unsqueeze(1) * chart.truth).abs().max()
    if off > TOLERANCE * chart.returned.abs().max():
        return
    factor = q.view(chart.shape)
    known = used.view(chart.shape) > 0
    if (factor[known].abs() < 1e-9).any():
        return  # something is lost, which no factor brings back
    yield from _two_factors(chart, factor, known)
    for text, tensor in _formulas(chart):
        missing = (factor * tensor)[known]
        constant = missing.mean().item()
        if abs(constant) > 1e-9:
            times = "" if abs(constant - 1) < 1e-6 else f"{number(1 / constant)} x "
            own = text.startswith(f"the deviation of {chart.name} ")
            yield Guess(
                "variance-exponent" if own else "missing-factor",
                f"Returned x {times}{text} = true.",
                f"The factor {times}{text} is missing.",
                missing / constant,
                torch.ones_like(missing),
            )
        extra = factor[known] / tensor[known]
        constant = extra.mean().item()
        if abs(constant) > 1e-9:
            times = "" if abs(constant - 1) < 1e-6 else f"{number(constant)} x "
            yield Guess(
                "missing-factor",
                f"Returned = true x {times}{text}.",
                f"Something is divided by {text}, or {text} is in it once too often.",
                extra / constant,
                torch.ones_like(extra),
            )
    axes = [a for a in range(factor.ndim) if not torch.allclose(factor, factor.narrow(a, 0, 1))]
    if len(axes) == factor.ndim:
        return  # any wrong derivative of an elementwise function is the right one times something
    near = (factor[known] - 1).abs().max() < NEAR
    yield Guess(
        "epsilon" if near else "missing-factor",
        f"Returned = true x a factor {_range(factor[known])} that the cotangent does not change; "
        f"it depends on {axes_text(axes)}.",
        "A factor of the chain rule is missing, or taken at another place.",
        chart.returned,
        q.unsqueeze(1) * chart.truth,
    )


def case_forgotten(chart: Chart) -> Guesses:
    """Zero in one case of a condition, where an elementwise function has another slope."""
    there, kept = chart.truth.abs() > 1e-9, chart.returned.abs() > 1e-9
    if not chart.is_elementwise or (kept & ~there).any() or not kept.any():
        return
    yield Guess(
        "case-forgotten",
        f"Returned is zero in {int((there & ~kept).sum())} of {int(there.sum())} elements.",
        "A case of a condition was forgotten: there the derivative is another one, not zero.",
        chart.returned,
        torch.where(kept, chart.truth, 0.0),
    )


def _range(factors: Tensor) -> str:
    low, high = factors.min().item(), factors.max().item()
    if max(abs(low - 1), abs(high - 1)) < NEAR:
        return f"from 1 {low - 1:+.1e} to 1 {high - 1:+.1e} (so close to 1: an epsilon?)"
    return f"from {number(low)} to {number(high)}"


def _two_factors(chart: Chart, factor: Tensor, known: Tensor) -> Guesses:
    """Two kinds of elements, each with a factor."""
    values = factor[known]
    low, high = values.min(), values.max()
    near_low = (values / low - 1).abs() < 1e-6
    near_high = (values / high - 1).abs() < 1e-6
    if not (near_low | near_high).all() or near_low.all():
        return
    shares = " and ".join(
        f"{int(near.sum())} elements x {number(value.item())}"
        for near, value in ((near_low, low), (near_high, high))
    )
    if abs((low * high).item() - 1) < 1e-6 and low > 0:
        cause, meaning = "mask-inverted", "The two cases of a condition are exchanged."
    else:
        cause, meaning = "missing-factor", "In one case of a condition a factor is missing."
    rounded = torch.where(near_low, low, high)
    yield Guess(cause, f"Returned = true, but {shares}.", meaning, values, rounded)


def _formulas(chart: Chart) -> list[tuple[str, Tensor]]:
    """What may have been forgotten, broadcast to the variable's shape."""
    found = []
    for name, tensor in chart.tensors.items():
        if name != chart.name or chart.is_elementwise:
            found += [(name + how, each) for how, each in broadcast(tensor, chart.shape)]
    for name, tensor in chart.tensors.items():
        if tensor.is_floating_point() and tensor.ndim > 1:
            for axes in _proper_axes(tensor.ndim):
                deviation = tensor.std(axes, unbiased=False)
                found += [
                    (f"the deviation of {name} over {axes_text(axes)}" + how, each)
                    for how, each in broadcast(deviation, chart.shape)
                ]
    for name, tensor in chart.tensors.items():
        if tensor.is_floating_point() and tensor.abs().max() < LARGE:
            found += [(f"exp({name}){how}", t) for how, t in broadcast(tensor.exp(), chart.shape)]
    return [(text, tensor.double()) for text, tensor in found if bool((tensor != 0).all())]


def broadcast(tensor: Tensor, shape: torch.Size) -> list[tuple[str, Tensor]]:
    """The ways in which a tensor lies on a shape: elementwise, by channel or by row."""
    if tensor.shape == shape:
        return [("", tensor)]
    if tensor.ndim == 1 and tensor.numel() > 1:
        return [
            (f" along axis {axis}", tensor.view(-1, *[1] * (len(shape) - 1 - axis)).expand(shape))
            for axis, size in enumerate(shape)
            if size == tensor.numel()
        ]
    if tensor.numel() == 1:
        return [("", tensor.reshape(()).expand(shape))]
    return []


def _proper_axes(count: int) -> list[tuple[int, ...]]:
    return [axes for k in range(1, count) for axes in combinations(range(count), k)]


def factor_of_cotangents(chart: Chart) -> Guesses:
    """B = J diag(s): each cotangent times a factor, as if something before it were forgotten."""
    used = chart.truth.square().sum(0)
    s = (chart.returned * chart.truth).sum(0) / used.clamp(min=1e-300)
    if chart.is_elementwise or (s.abs() < 1e-9).any():
        return
    counts = (chart.truth * s).round()
    is_mean = torch.allclose(chart.truth * s, counts) and torch.allclose(counts.sum(0), s)
    if is_mean and (s > 0.5).all():
        yield Guess(
            "sum-for-mean",
            f"Returned = true, times how many elements an output is the mean of, {_range(s)}.",
            "The output is a mean, its gradient that of a sum: divide by how many there are.",
            chart.returned,
            chart.truth * s,
        )
    near = max(abs(s.min().item() - 1), abs(s.max().item() - 1)) < NEAR
    yield Guess(
        "epsilon" if near else "missing-factor",
        f"Returned = the gradient for a cotangent times a factor {_range(s)}.",
        "First the cotangent is multiplied by the derivative of what comes after: that factor is "
        "missing, or another one, or taken at another place.",
        chart.returned,
        chart.truth * s,
    )
