"""The one formula of normalisation against loops, and at the orders where torch's own fail."""

import itertools

import pytest
import torch
from torch.func import jacfwd, jacrev

import manualnn
from manualnn.autograd import apply
from manualnn.layers import normalisation
from manualnn.layers.normalisation import Axes, NormalisationFunction


def _literal(x, weight, bias, statistics, eps):
    """One set of values after the other: those whose indices differ along S alone."""
    output = torch.empty_like(x)
    others = [range(1) if axis in statistics else range(s) for axis, s in enumerate(x.shape)]
    for index in itertools.product(*others):
        own = tuple(slice(None) if a in statistics else i for a, i in enumerate(index))
        values = x[own]
        mean = values.sum() / values.numel()
        variance = ((values - mean) ** 2).sum() / values.numel()
        output[own] = (values - mean) / (variance + eps) ** 0.5
    return output * weight + bias


def _subsets(axes):
    return [s for n in range(axes + 1) for s in itertools.combinations(range(axes), n)]


@pytest.mark.parametrize("affine", _subsets(3), ids=str)
@pytest.mark.parametrize("statistics", _subsets(3)[1:], ids=str)
def test_every_choice_of_axes_is_what_loops_give(statistics, affine):
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    shape = [size if axis in affine else 1 for axis, size in enumerate(x.shape)]
    weight, bias = torch.randn(2, *shape, dtype=torch.float64)
    variables = [x, weight.requires_grad_(), bias.requires_grad_()]
    ours = apply(NormalisationFunction, *variables, Axes(statistics, affine), 0.1)[0]
    truth = _literal(*variables, statistics, 0.1)
    torch.testing.assert_close(ours, truth)
    cotangent = torch.randn_like(x)
    results = [torch.autograd.grad(y, variables, cotangent) for y in (ours, truth)]
    torch.testing.assert_close(*results)


def test_statistics_far_from_zero():
    x = torch.randn(2, 3, 50) + 1000
    y, truth = (manualnn.functional.layer_norm(v, (50,)) for v in (x, x.double()))
    torch.testing.assert_close(y, truth.float(), rtol=0, atol=1e-3)


# What torch 2.15's own layers cannot do: each norm of a 5x4 input, by name.

NORMS = {
    "batch": lambda f, x: f.batch_norm(x, None, None, training=True),
    "instance": lambda f, x: f.instance_norm(x[None]).squeeze(0),
    "layer": lambda f, x: f.layer_norm(x, (4,)),
    "group": lambda f, x: f.group_norm(x, 1),
}


def _plain(name, x):
    axis = 0 if name == "batch" else 1
    centred = x - x.mean(axis, keepdim=True)
    return centred * (centred.square().mean(axis, keepdim=True) + 1e-5) ** -0.5


def _three(name):
    """The cubes' sum of a norm: ours, plain operations, and torch's."""
    norms = (
        lambda x: NORMS[name](manualnn.functional, x),
        lambda x: _plain(name, x),
        lambda x: NORMS[name](torch.nn.functional, x),
    )
    return [lambda x, norm=norm: norm(x).pow(3).sum() for norm in norms]


def _third_order(function, x):
    """d/dx |d/dx |d/dx f|^2|^2, by three backward passes."""
    (first,) = torch.autograd.grad(function(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x, create_graph=True)
    return torch.autograd.grad(second.square().sum(), x)[0]


def _off(actual, truth):
    return ((actual - truth).norm() / truth.norm()).item()


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(5, 4, dtype=torch.float64)


@pytest.mark.parametrize("name", NORMS)
def test_first_and_second_order_are_right_in_both(name, x):
    results = [[jacrev(function)(x), jacrev(jacrev(function))(x)] for function in _three(name)]
    torch.testing.assert_close(results[0], results[1])
    torch.testing.assert_close(results[2], results[1])


@pytest.mark.parametrize("name", NORMS)
def test_third_order_and_jvp_of_jvp_are_right(name, x):
    ours, plain, _ = _three(name)
    assert _off(jacfwd(jacfwd(ours))(x), jacfwd(jacfwd(plain))(x)) < 1e-9
    x.requires_grad_()
    assert _off(_third_order(ours, x), _third_order(plain, x)) < 1e-9


@pytest.mark.parametrize("name", ["batch", "instance", "layer"])
def test_third_order_of_torch_raises_or_is_silently_wrong(name, x):
    _, plain, theirs = _three(name)
    x.requires_grad_()
    try:
        wrong = _third_order(theirs, x)
    except RuntimeError as error:  # torch 2.15
        assert name in ("batch", "instance")
        assert "3rd" in str(error)
    else:
        assert _off(wrong, _third_order(plain, x)) > 0.1


@pytest.mark.parametrize("name", ["batch", "instance", "layer"])
def test_jvp_of_jvp_of_torch_is_silently_wrong(name, x):
    _, plain, theirs = _three(name)
    assert _off(jacfwd(jacfwd(theirs))(x), jacfwd(jacfwd(plain))(x)) > 0.1


@pytest.mark.parametrize("part", [1, 128, 256])
def test_sums_in_parts_are_the_same(part, monkeypatch):
    x = torch.randn(5, 2, 8, 8, dtype=torch.float64, requires_grad=True)
    results = []
    for many in (2**60, 0):
        monkeypatch.setattr(normalisation, "MANY", many)
        monkeypatch.setattr(normalisation, "PART", part)
        layer = manualnn.BatchNorm2d(2).double()
        y = layer(x)
        gradients = torch.autograd.grad(y.sin().sum(), [x, *layer.parameters()])
        results.append([y, layer.running_var, *gradients])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_statistics_in_one_pass_and_apart(side, memory_format, monkeypatch):
    calls, batch_statistics = [], normalisation.batch_statistics
    monkeypatch.setattr(
        normalisation, "batch_statistics", lambda x: calls.append(x) or batch_statistics(x)
    )
    x = torch.randn(3, 2, side, side, dtype=torch.float64).contiguous(memory_format=memory_format)
    gamma, beta = torch.rand(2, 1, 2, 1, 1, dtype=torch.float64)
    y, mean, var = normalisation.batch_norm_forward(x, gamma, beta, 0.1)
    assert bool(calls) == (side == 8 and memory_format == torch.contiguous_format)
    torch.testing.assert_close(mean, x.mean((0, 2, 3), keepdim=True))
    torch.testing.assert_close(var, x.var((0, 2, 3), correction=0, keepdim=True))
    expected = torch.nn.functional.batch_norm(
        x, None, None, gamma[0, :, 0, 0], beta[0, :, 0, 0], True, 0, 0.1
    )
    torch.testing.assert_close(y, expected)
