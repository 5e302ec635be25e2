"""The slow, independent form of a loss: a function of plain numbers, element by element."""

import math

import pytest
import torch


def assert_literal(function, formula, *tensors, **options):
    """Compare a loss, in its three reductions, with a formula in plain numbers."""
    elements = zip(*(t.flatten().tolist() for t in tensors), strict=True)
    expected = [formula(*numbers) for numbers in elements]
    losses = function(*tensors, reduction="none", **options)
    assert losses.flatten().tolist() == pytest.approx(expected, rel=1e-12)
    total = math.fsum(expected)
    assert function(*tensors, reduction="sum", **options).item() == pytest.approx(total, rel=1e-12)
    mean = function(*tensors, reduction="mean", **options)
    assert mean.item() == pytest.approx(total / len(expected), rel=1e-12)


def assert_same_under_transforms(function, *tensors):
    """vmap and per-sample gradients of a loss are those of a loop over its first axis."""
    variables = tuple(range(len(tensors)))
    both = torch.func.grad_and_value(lambda *t: function(*t).pow(2).sum(), variables)
    tensors = [t.detach() for t in tensors]
    mapped = torch.vmap(both)(*tensors)
    looped = [both(*rows) for rows in zip(*tensors, strict=True)]
    for index in variables:
        torch.testing.assert_close(mapped[0][index], torch.stack([g[index] for g, _ in looped]))
    torch.testing.assert_close(mapped[1], torch.stack([value for _, value in looped]))
