"""Adaptive max-pooling: its table of settings, and what is its own."""

import itertools

import pytest
import torch

import manualnn
from tests.case import Case


def _case(axes, shape, output_size, memory_format=torch.contiguous_format, **options):
    arguments = {"output_size": output_size} | options
    return Case(f"AdaptiveMaxPool{axes}d", arguments, (shape,), memory_format=memory_format)


CASES = [
    _case(1, (2, 2, 6), 3),
    _case(1, (2, 7), 3, return_indices=True),
    _case(1, (1, 2, 3), 5),
    _case(2, (2, 3, 4, 6), 1),
    _case(2, (2, 3, 4, 6), (2, 3), memory_format=torch.channels_last),
    _case(2, (2, 2, 5, 7), (3, 5), return_indices=True),
    _case(2, (2, 5, 4), (None, 3)),
    _case(2, (1, 2, 3, 2), (7, 1)),
    _case(2, (1, 1, 20, 20), 2),
    _case(2, (0, 2, 4, 4), 3),
    _case(3, (1, 2, 4, 3, 2), 1),
    _case(3, (2, 5, 2, 3), (3, None, 2), return_indices=True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_places_are_those_of_torch(case):
    found = []
    for module in case.modules():
        module.return_indices = True
        found.append(module(*case.tensors())[1])
    assert found[0].dtype == torch.int64
    assert torch.equal(*found)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_delta_goes_to_the_maximum_of_every_part(case):
    """Y and dL/dX, part by part and neuron by neuron."""
    module, (x,) = case.modules()[0], case.tensors()
    module.return_indices = False
    y = module(x)
    delta = torch.randn_like(y)
    axes = range(-int(case.name[-2]), 0)
    grad = torch.zeros_like(x)
    leading = itertools.product(*map(range, x.shape[: axes[0]]))
    for channel, output in itertools.product(leading, _places(y.shape[a] for a in axes)):
        part = [
            range(i * x.shape[a] // y.shape[a], -(-(i + 1) * x.shape[a] // y.shape[a]))
            for i, a in zip(output, axes, strict=True)
        ]
        winner = max(itertools.product(*part), key=lambda place: x[(*channel, *place)].item())
        assert y[(*channel, *output)] == x[(*channel, *winner)]
        grad[(*channel, *winner)] += delta[(*channel, *output)]
    torch.testing.assert_close(torch.autograd.grad(y, x, delta)[0], grad)


def _places(sizes):
    return [*itertools.product(*map(range, sizes))]


def test_of_equal_values_the_first_wins_and_nan_wins_over_all():
    nan = float("nan")
    x = torch.tensor([[2.0, 2.0, 5.0, nan], [2.0, 1.0, nan, 7.0]])
    grads = []
    for namespace in (manualnn, torch.nn):
        y = x[None, None].clone().requires_grad_()
        namespace.AdaptiveMaxPool2d((1, 2))(y).sum().backward()
        grads.append(y.grad)
    assert torch.equal(*grads)
    assert grads[0][0, 0].nonzero()[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("size", "dtype"), [(256, torch.uint8), (257, torch.int16), (2**15 + 1, torch.int32)]
)
def test_keeps_the_smallest_integer_for_each_output(size, dtype):
    kept = []
    x = torch.arange(size, dtype=torch.float32).reshape(1, size).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y = manualnn.AdaptiveMaxPool1d(2)(x)
    assert [(places.dtype, places.numel()) for places in kept] == [(dtype, y.numel())]
    y.sum().backward()
    assert x.grad[0, -1] == 1
