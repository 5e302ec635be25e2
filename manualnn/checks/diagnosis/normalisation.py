"""Gradients of a normalisation, y = gamma (x - mu) invstd + beta, taken apart into their terms.

Eq. 65, corrected, with d = gamma dL/dy:

    dL/dx = invstd d  -  invstd mean(d)  -  invstd xhat mean(d xhat)
            whole        the mean's         the variance's term

It has three terms; each is looked for by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, permutations, product
from math import prod

import torch
from torch import Tensor

from manualnn.checks.diagnosis.chart import Chart, Guess, Guesses, axes_text, number

EPS = (1e-5, 0.0, 1e-6, 1e-8, 1e-3, 1e-12)
SAME = 1e-6  # relative


@dataclass(frozen=True)
class Norm:
    """Which normalisation it is.

    Attributes:
        axes: Over which it takes mean and variance.
        eps: Added to the variance.
        centred: Whether the mean is subtracted.
        unbiased: Whether the variance is divided by n - 1.
        gamma: What the normalised x is multiplied by, broadcast.
    """

    axes: tuple[int, ...]
    eps: float
    centred: bool
    unbiased: bool
    gamma: Tensor

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns xhat and invstd."""
        mean = x.mean(self.axes, keepdim=True) if self.centred else torch.zeros_like(x[..., :1])
        count = prod(x.shape[axis] for axis in self.axes) - self.unbiased
        variance = (x - mean).square().sum(self.axes, keepdim=True) / count
        invstd = (variance + self.eps).rsqrt()
        return (x - mean) * invstd, invstd.expand_as(x)

    def terms(self, x: Tensor, cotangents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three terms for cotangents (K, *x.shape)."""
        xhat, invstd = self.statistics(x)
        axes = tuple(axis + 1 for axis in self.axes)
        d = self.gamma * cotangents
        share = prod(x.shape[axis] for axis in self.axes) - self.unbiased
        mean = d.mean(axes, keepdim=True).expand_as(d) * float(self.centred)
        along = (d * xhat).sum(axes, keepdim=True) / share
        return invstd * d, -invstd * mean, -invstd * xhat * along


def recognised(chart: Chart, cotangents: Tensor, truth: Tensor) -> Norm | None:
    """Finds the normalisation whose gradient is the true one."""
    x = chart.variable
    for norm in _candidates(chart):
        total = torch.stack(norm.terms(x, cotangents)).sum(0)
        if (total - truth).abs().max() < SAME * truth.abs().max():
            return norm
    return None


def _candidates(chart: Chart) -> Iterator[Norm]:
    x = chart.variable
    gammas = [torch.ones((), dtype=x.dtype)]
    for p in chart.subject.parameters.values():
        if p.ndim == 1 and x.ndim > 2 and p.numel() == x.shape[1]:
            gammas.append(p.detach().cpu().view(-1, *[1] * (x.ndim - 2)))
        elif p.ndim and p.shape == x.shape[-p.ndim :]:
            gammas.append(p.detach().cpu())
    kinds = ((True, False), (True, True), (False, False))
    for axes, gamma, eps, kind in product(_subsets(x.ndim), gammas, EPS, kinds):
        yield Norm(axes, eps, *kind, gamma)


def normalisation(chart: Chart) -> Guesses:
    """Names the term that is wrong."""
    if chart.shape != chart.output.shape or not 2 <= len(chart.shape) <= 5:
        return
    chosen = torch.linspace(0, len(chart.truth) - 1, min(len(chart.truth), 24)).long()
    cotangents = torch.eye(len(chart.truth), dtype=torch.float64)[chosen].view(-1, *chart.shape)
    truth = chart.truth.T[chosen].reshape_as(cotangents)
    returned = chart.returned.T[chosen].reshape_as(cotangents)
    norm = recognised(chart, cotangents, truth)
    if norm is None:
        return
    yield from _other_statistics(chart, norm, cotangents, returned)
    yield from _weighted_terms(chart, norm, cotangents, returned)


def _other_statistics(chart: Chart, norm: Norm, cotangents: Tensor, returned: Tensor) -> Guesses:
    """The whole formula, with statistics of other axes, unbiased, running, or of delta."""
    x, d = chart.variable, norm.gamma * cotangents
    xhat, invstd = norm.statistics(x)
    mean = x.mean(norm.axes, keepdim=True)

    def total(xhat: Tensor, invstd: Tensor, axes: tuple[int, ...] = norm.axes) -> Tensor:
        over = tuple(axis + 1 for axis in axes)
        along = (d * xhat).mean(over, keepdim=True)
        return invstd * (d - d.mean(over, keepdim=True) - xhat * along)

    for axes in (axes for axes in _subsets(x.ndim) if axes != norm.axes):
        other = replace(norm, axes=axes)
        for found in (total(*other.statistics(x), axes), total(xhat, invstd, axes)):
            yield Guess(
                "extra-sum",
                f"Returned takes means over {axes_text(axes)}; the forward pass does over "
                f"{axes_text(norm.axes)}.",
                "The means of the backward pass are those of the forward pass.",
                returned,
                found,
            )
    _, of_other = replace(norm, unbiased=not norm.unbiased).statistics(x)
    divisors = ("n - 1", "n") if norm.unbiased else ("n", "n - 1")
    yield Guess(
        "biased-for-unbiased",
        f"Returned divides the variance by {divisors[1]}; the forward pass does by {divisors[0]}.",
        "",
        returned,
        total((x - mean) * of_other, of_other),
    )
    for names, running_mean, running_invstd in _running(chart, norm):
        for found in (
            total((x - running_mean) * running_invstd, running_invstd),
            running_invstd * d,
        ):
            yield Guess(
                "running-statistics",
                f"Returned is the gradient with {names} in the place of the batch's own.",
                "Running statistics are for evaluation: there they are constants.",
                returned,
                found,
            )
    yield Guess(
        "wrong-tensor",
        f"Returned is the gradient with dL/dy - mean where {chart.name} - mean belongs.",
        f"The mean is subtracted from the cotangent instead of from {chart.name}.",
        returned,
        total((cotangents - mean) * invstd, invstd),
    )


def _running(chart: Chart, norm: Norm) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Pairs of buffers that could be mean and variance of the channels, broadcast."""
    x = chart.variable
    buffers = chart.subject.module.named_buffers() if chart.subject.module is not None else ()
    fitting = {n: b.double().cpu() for n, b in buffers if b.shape == (x.shape[1],)}
    for (mean_name, mean), (name, variance) in permutations(fitting.items(), 2):
        view = (-1, *[1] * (x.ndim - 2))
        invstd = (variance.clamp(min=0) + norm.eps).rsqrt().view(view)
        yield f"{mean_name} and {name}", mean.view(view), invstd


def _subsets(axes: int) -> Iterator[tuple[int, ...]]:
    for count in range(1, axes + 1):
        yield from combinations(range(axes), count)


def _weighted_terms(chart: Chart, norm: Norm, cotangents: Tensor, returned: Tensor) -> Guesses:
    """a x whole + b x the mean's + c x the variance's term, for each group of its own."""
    x = chart.variable
    terms = torch.stack(norm.terms(x, cotangents))  # 3, K, *shape
    groups = _groups(x.shape, norm.axes)
    weights, rebuilt = [], torch.zeros_like(returned)
    for group in groups:
        inside = terms.flatten(2)[..., group].flatten(1).T  # K n, 3
        target = returned.flatten(1)[:, group].flatten()
        used = [k for k in range(3) if inside[:, k].abs().max() > 1e-12]
        found = torch.linalg.lstsq(inside[:, used], target.unsqueeze(1)).solution.flatten()
        weight = torch.ones(3, dtype=torch.float64)
        weight[used] = found
        weights.append(weight)
        rebuilt.flatten(1)[:, group] = (inside[:, used] @ found).view(len(cotangents), -1)
    _, invstd = norm.statistics(x)
    std = torch.stack([1 / invstd.flatten()[group][0] for group in groups])
    named = _named(torch.stack(weights).T, std, prod(x.shape[axis] for axis in norm.axes))
    if named:
        yield Guess(*named, returned, rebuilt)


def _groups(shape: torch.Size, axes: tuple[int, ...]) -> list[Tensor]:
    """The elements, by number, that share a mean."""
    numbers = torch.arange(prod(shape)).view(shape)
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    return list(numbers.permute(*kept, *axes).reshape(prod(shape[a] for a in kept), -1))


def _named(weights: Tensor, std: Tensor, count: int) -> tuple[str, str, str] | None:
    """The cause, from the weights (3, G) of the terms and each group's deviation (G)."""
    whole, of_mean, of_variance = weights

    def is_all(some: Tensor, value: float) -> bool:
        return bool((some - value).abs().max() < SAME)

    first, second, third = (number(each.mean().item()) for each in weights)
    text = (
        f"Of its terms, the first is taken {first}, the mean's {second}, the variance's {third} x."
    )
    if is_all(whole - of_mean, 0) and is_all(whole - of_variance, 0):
        for power in _power(whole, std):
            text = f"Returned = true x (var + eps)^({power / 2:+g})."
            return "variance-exponent", text, "The exponent of the variance is wrong."
    if not is_all(whole, 1):
        return None
    if is_all(of_mean, 0) and (is_all(of_variance, 1) or is_all(of_variance, 0)):
        return "mean-constant", text, "The mean depends on x too: - mean(d) is missing."
    if is_all(of_mean, -1) and is_all(of_variance, 1):
        return "wrong-sign", text, "The sign of the mean's term is wrong."
    if not is_all(of_mean, 1):
        return None
    if is_all(of_variance, 0):
        text_of_variance = "The variance depends on x too: - xhat mean(d xhat) is missing."
        return "variance-constant", text, text_of_variance
    if is_all(of_variance, -1):
        return "wrong-sign", text, "The sign of the variance's term is wrong."
    if is_all(of_variance, count / (count - 1)) or is_all(of_variance, (count - 1) / count):
        return "biased-for-unbiased", text, f"n - 1 in the place of n = {count}, or the reverse."
    for power in _power(of_variance, std):
        text = f"The variance's term is (var + eps)^({power / 2:+g}) x the right one."
        return "variance-exponent", text, "The exponent of the variance in that term is wrong."
    return None


def _power(weights: Tensor, std: Tensor) -> Iterator[int]:
    """Yields k where the weights are std^k."""
    for power in (-4, -3, -2, -1, 1, 2, 3, 4):
        if (weights / std**power - 1).abs().max() < 1e-4:
            yield power
