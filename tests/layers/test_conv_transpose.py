"""Transposed convolution: its table of settings, and what is its own."""

from functools import partial

import numpy as np
import pytest
import torch

import manualnn
from manualnn.checks import prove
from tests.case import Case

NAMESPACES = (manualnn, torch.nn)


def _case(axes, shape, **options):
    memory_format = options.pop("memory_format", torch.contiguous_format)
    arguments = {"in_channels": 2, "out_channels": 3, "kernel_size": 3} | options
    return Case(f"ConvTranspose{axes}d", arguments, (shape,), memory_format=memory_format)


CASES = [
    _case(1, (2, 2, 5)),
    _case(1, (2, 5), padding=1, bias=False),
    _case(1, (2, 2, 4), kernel_size=2, stride=3, output_padding=2, dilation=2, padding=1),
    _case(1, (2, 2, 4), out_channels=4, stride=2, padding=2, groups=2),
    _case(2, (2, 2, 3, 4)),
    _case(2, (2, 2, 3, 4), stride=2, padding=1, memory_format=torch.channels_last),
    _case(2, (2, 3, 4), stride=2),
    _case(2, (2, 2, 3, 4), kernel_size=1, bias=False),
    _case(2, (1, 2, 3, 2), kernel_size=4, stride=2, padding=1),
    _case(2, (2, 2, 3, 2), kernel_size=2, stride=(3, 1), padding=(0, 1)),
    _case(2, (1, 2, 2, 3), stride=2, padding=1, output_padding=1),
    _case(2, (1, 2, 2, 3), stride=(3, 2), padding=(1, 0), output_padding=(2, 0), bias=False),
    _case(2, (1, 2, 3, 2), dilation=2, padding=2),
    _case(2, (1, 2, 2, 3), dilation=(1, 3), stride=(2, 1), padding=1, output_padding=(1, 2)),
    _case(2, (1, 2, 2, 2), dilation=4, stride=2, padding=3, output_padding=3),
    _case(2, (1, 4, 3, 2), in_channels=4, out_channels=6, groups=2, kernel_size=(2, 3), stride=2),
    _case(2, (1, 3, 2, 2), in_channels=3, groups=3, stride=2, padding=1, output_padding=1),
    _case(2, (0, 2, 3, 3), stride=2, padding=1),
    _case(3, (1, 2, 2, 2, 3)),
    _case(3, (2, 2, 1, 2), kernel_size=2, stride=2, out_channels=2, groups=2),
    _case(3, (1, 2, 2, 1, 2), kernel_size=(2, 1, 3), stride=(2, 1, 2), padding=(1, 0, 1)),
    _case(3, (1, 2, 2, 2, 1), kernel_size=2, dilation=2, output_padding=(0, 1, 0), bias=False),
]


def _painted(x, weight, delta, stride, padding, dilation, groups):
    """Y without its bias, dL/dX and dL/dW, one product at a time."""
    y, grad_x, grad_weight = np.zeros(delta.shape), np.zeros(x.shape), np.zeros(weight.shape)
    part_in, part_out = weight.shape[0] // groups, weight.shape[1]
    for r, c, *place in np.ndindex(x.shape):
        for c_out, *step in np.ndindex(weight.shape[1:]):
            each = zip(place, step, stride, padding, dilation, strict=True)
            at = [s * h - p + d * j for h, j, s, p, d in each]
            if not all(0 <= a < size for a, size in zip(at, delta.shape[2:], strict=True)):
                continue
            here, tap = (r, c, *place), (c, c_out, *step)
            there = (r, c // part_in * part_out + c_out, *at)
            y[there] += x[here] * weight[tap]
            grad_x[here] += delta[there] * weight[tap]
            grad_weight[tap] += delta[there] * x[here]
    return y, grad_x, grad_weight


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_neuron_paints_the_kernel(case):
    layer, (x,) = case.modules()[0], case.tensors()
    y = layer(x)
    delta = torch.randn_like(y)
    gradients = torch.autograd.grad(y, [x, layer.weight], delta)
    is_batch = x.dim() == len(layer.kernel_size) + 2
    x, delta = (t.detach() if is_batch else t.detach()[None] for t in (x, delta))
    options = (layer.stride, layer.padding, layer.dilation, layer.groups)
    painted, *truth = _painted(x.numpy(), layer.weight.detach().numpy(), delta.numpy(), *options)
    if layer.bias is not None:
        painted += layer.bias.detach().reshape(-1, *(1,) * len(layer.kernel_size)).numpy()
    truth = [painted, *truth]
    for actual, expected in zip([y, *gradients], truth, strict=True):
        torch.testing.assert_close(actual, torch.from_numpy(expected).reshape(actual.shape))


def test_it_is_the_gradient_of_the_convolution_that_takes_its_output_back():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 3, 3, 2, dtype=torch.float64)
    options = {"stride": (2, 3), "padding": (1, 0)}
    y = manualnn.functional.conv2d(x, weight, **options)  # rows and columns are left over
    delta = torch.randn_like(y)
    (expected,) = torch.autograd.grad(y, x, delta)
    rest = (1, 0)
    actual = manualnn.functional.conv_transpose2d(
        delta, weight, None, output_padding=rest, **options
    )
    torch.testing.assert_close(actual, expected)


SIZES = [
    (1, (2, 2, 4), {"stride": 3}, ([12], [2, 3, 13])),
    (2, (2, 2, 3, 4), {"stride": 2, "padding": 1}, ([5, 8], (6, 7), torch.Size([2, 3, 6, 8]))),
    (2, (2, 3, 4), {"stride": (1, 2), "dilation": (2, 1)}, ([7, 9], [3, 7, 10])),
    (3, (1, 2, 2, 2, 2), {"stride": 2}, ([5, 6, 5], [1, 3, 6, 6, 6])),
]


@pytest.mark.parametrize(("axes", "shape", "options", "sizes"), SIZES, ids=str)
def test_the_output_has_the_size_asked_for(axes, shape, options, sizes):
    case = _case(axes, shape, **options)
    for size in sizes:
        results = []
        for module in case.modules():
            (x,) = case.tensors()
            y = module(x, output_size=size)
            assert y.shape[-axes:] == tuple(size)[-axes:]
            cotangent = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
            results.append([y, *torch.autograd.grad(y, [x, *module.parameters()], cotangent)])
        torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)
        prove(partial(case.modules()[0], output_size=size), case.tensors())


def test_an_output_size_compiles_into_one_graph():
    torch._dynamo.reset()
    layer, x = manualnn.ConvTranspose2d(2, 3, 3, stride=2), torch.randn(1, 2, 4, 4)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, [10, 9]), layer(x, [10, 9]))


@pytest.mark.parametrize("size", [[8, 9], [9, 11], [9], [1, 2, 3, 9, 9], [3, 9, 9]], ids=str)
def test_a_size_that_cannot_be_is_refused(size):
    for namespace in NAMESPACES:
        layer = namespace.ConvTranspose2d(2, 3, 3, stride=2)
        with pytest.raises(ValueError, match=r"valid sizes range|must have 2 or 4 elements"):
            layer(torch.randn(1, 2, 4, 4), output_size=size)


def test_another_padding_mode_is_refused():
    for namespace in NAMESPACES:
        with pytest.raises(ValueError, match="zeros"):
            namespace.ConvTranspose2d(2, 3, 3, padding_mode="reflect")
        layer = namespace.ConvTranspose2d(2, 3, 3)
        layer.padding_mode = "reflect"
        with pytest.raises(ValueError, match="zeros"):
            layer(torch.randn(1, 2, 4, 4))


def test_input_and_weight_are_differentiated_one_without_the_other():
    x, weight = torch.randn(2, 2, 5, 5), torch.randn(2, 4, 3, 3)
    for variable, frozen in ((x, weight), (weight, x)):
        variable.requires_grad_(True)
        frozen.requires_grad_(False)
        outputs = [n.functional.conv_transpose2d(x, weight, stride=2) for n in NAMESPACES]
        gradients = [torch.autograd.grad(y.square().sum(), variable) for y in outputs]
        torch.testing.assert_close(*gradients)


def test_a_decoder_brings_an_encoder_s_plane_back():
    x = torch.randn(1, 2, 7, 6, dtype=torch.float64)
    code = manualnn.Conv2d(2, 3, 3, stride=2, padding=1).double()(x)
    decoder = manualnn.ConvTranspose2d(3, 2, 3, stride=2, padding=1).double()
    assert decoder(code, output_size=x.shape).shape == x.shape
