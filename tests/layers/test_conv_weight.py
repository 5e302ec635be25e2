"""Every order of the sum dL/dW is the same sum, and each is chosen somewhere."""

from dataclasses import replace

import pytest
import torch

from manualnn.layers import conv, conv_weight
from manualnn.layers.geometry import Geometry

FULL = (
    conv_weight.sliding_product_in_sixteens,
    conv_weight.sum_over_samples,
    conv_weight.sum_over_rows,
)
GEOMETRIES = [
    Geometry((7, 6), (3, 2), (1, 1), (1, 0), (1, 1), 1),
    Geometry((9, 8), (3, 3), (2, 3), (1, 2), (2, 1), 1),
    Geometry((5, 4), (1, 1), (2, 1), (0, 0), (1, 1), 1),
    Geometry((6, 7), (3, 2), (2, 3), (0, 1), (1, 1), 1),  # its last rows are not reached
    Geometry((9,), (3,), (2,), (1,), (1,), 1),
    Geometry((4, 5, 4), (3, 2, 2), (1, 1, 2), (1, 0, 1), (1, 2, 1), 1),
]
DEPTHWISE = [
    Geometry((7, 6), (3, 3), (1, 2), (1, 1), (1, 1), 3),
    Geometry((9, 8), (2, 3), (2, 1), (0, 2), (2, 1), 3),
    Geometry((9,), (3,), (2,), (1,), (1,), 3),
    Geometry((4, 5, 4), (3, 2, 2), (1, 1, 2), (1, 0, 1), (1, 2, 1), 3),
]


def _pair(samples, channels_in, channels_out, geometry):
    torch.manual_seed(0)
    x = torch.randn(samples, channels_in, *geometry.input_size, dtype=torch.float64)
    return x, torch.randn(samples, channels_out, *geometry.output_size, dtype=torch.float64)


def _by_autograd(x, delta, geometry):
    shape = (delta.shape[1], x.shape[1] // geometry.groups, *geometry.kernel_size)
    weight = x.new_zeros(shape, requires_grad=True)
    options = (geometry.stride, geometry.padding, geometry.dilation, geometry.groups)
    y = (torch.conv1d, torch.conv2d, torch.conv3d)[x.dim() - 3](x, weight, None, *options)
    return torch.autograd.grad(y, weight, delta)[0]


@pytest.mark.parametrize("samples", [1, 16, 37])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("of", [conv_weight.sliding_product, *FULL], ids=lambda f: f.__name__)
def test_each_order_is_the_same_sum(of, geometry, samples):
    x, delta = _pair(samples, 3, 4, geometry)
    torch.testing.assert_close(of(x, delta, geometry), _by_autograd(x, delta, geometry))


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_groups_are_apart(geometry):
    geometry = replace(geometry, groups=2)
    x, delta = _pair(3, 4, 6, geometry)
    found = conv_weight.conv_grad_weight(x, delta, geometry)
    torch.testing.assert_close(found, _by_autograd(x, delta, geometry))


@pytest.mark.parametrize("products", [(0, 1), (0, 2**18), (2**20, 1)])
@pytest.mark.parametrize("geometry", DEPTHWISE, ids=str)
def test_depthwise_is_the_same_sum(geometry, products, monkeypatch):
    monkeypatch.setattr(conv_weight, "FEW_PRODUCTS", products[0])
    monkeypatch.setattr(conv_weight, "PRODUCTS", products[1])  # of one sample, or of all at once
    x, delta = _pair(5, 3, 3, geometry)
    found = conv_weight.sum_over_places(x, delta, geometry)
    torch.testing.assert_close(found, _by_autograd(x, delta, geometry))


@pytest.mark.parametrize(
    ("order", "shape", "delta", "geometry"),
    [
        (
            "sliding_product_in_sixteens", (16, 8, 4, 4), (16, 8, 4, 4),
            Geometry((4, 4), (3, 3), (1, 1), (1, 1), (1, 1), 1),
        ),
        (
            "sum_over_samples", (2, 8, 4, 4), (2, 4, 4, 4),
            Geometry((4, 4), (1, 1), (1, 1), (0, 0), (1, 1), 1),
        ),
        (
            "sum_over_rows", (2, 8, 2, 2), (2, 4, 2, 2),
            Geometry((2, 2), (3, 3), (1, 1), (1, 1), (1, 1), 1),
        ),
        (
            "sum_over_places", (2, 8, 4, 4), (2, 8, 4, 4),
            Geometry((4, 4), (3, 3), (1, 1), (1, 1), (1, 1), 8),
        ),
        (
            "sliding_product", (2, 8, 4, 4), (2, 8, 4, 4),
            Geometry((4, 4), (3, 3), (1, 1), (1, 1), (1, 1), 2),
        ),
        (
            "sliding_product", (2, 8, 4, 4), (2, 16, 4, 4),
            Geometry((4, 4), (3, 3), (1, 1), (1, 1), (1, 1), 8),
        ),
    ],
)  # fmt: skip
def test_the_shape_says_which_order(order, shape, delta, geometry):
    x, delta = torch.zeros(shape), torch.zeros(delta)
    assert conv_weight.fastest_sum(x, delta, geometry).__name__ == order
    half = conv_weight.fastest_sum(x.half(), delta.half(), geometry)
    assert half is conv_weight.sliding_product
    none = conv_weight.fastest_sum(x[:0], delta[:0], geometry)
    assert none is conv_weight.sliding_product


@pytest.mark.parametrize("size", [(5, 4), (6, 7), (3,), (3, 4, 5)])
def test_steps_reach_few_places_of_the_input(size):
    axes = len(size)
    geometry = Geometry(size, (1,) * axes, (2,) * axes, (0,) * axes, (1,) * axes, 1)
    _, delta = _pair(2, 3, 4, geometry)
    weight = torch.randn(4, 3, *(1,) * axes, dtype=torch.float64, requires_grad=True)
    plain = conv.conv_grad_input(delta, weight, geometry)
    with torch.no_grad():
        by_steps = conv.conv_grad_input(delta, weight, geometry)
    assert plain.requires_grad
    torch.testing.assert_close(by_steps, plain)
