"""Average pooling: its table of settings, and what is its own."""

import itertools
import math

import pytest
import torch

import manualnn
from manualnn.layers import average_pooling
from manualnn.layers.average_pooling import AdaptiveAvgPoolAdjointFunction, AvgPoolAdjointFunction
from tests.case import Case
from tests.dense import assert_adjoint


def _case(axes, shape, kernel_size=2, memory_format=torch.contiguous_format, **options):
    arguments = {"kernel_size": kernel_size} | options
    return Case(f"AvgPool{axes}d", arguments, (shape,), memory_format=memory_format)


def _adaptive(axes, shape, output_size, memory_format=torch.contiguous_format):
    arguments = {"output_size": output_size}
    return Case(f"AdaptiveAvgPool{axes}d", arguments, (shape,), memory_format=memory_format)


SLIDING = [
    _case(1, (2, 2, 6)),
    _case(1, (2, 7), 3, stride=1, padding=1),
    _case(1, (2, 2, 8), 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
    _case(2, (2, 3, 4, 6)),
    _case(2, (2, 3, 4, 6), memory_format=torch.channels_last),
    _case(2, (2, 2, 5, 5), 3, stride=1),
    _case(2, (2, 2, 5, 6), 3, stride=2),
    _case(2, (2, 2, 5, 6), 3, stride=2, padding=1),
    _case(2, (2, 2, 5, 6), (3, 2), stride=(1, 2), padding=(1, 0), count_include_pad=False),
    _case(2, (2, 2, 5, 6), 3, stride=2, ceil_mode=True),
    _case(2, (1, 2, 6, 6), 3, stride=2, padding=1, ceil_mode=True),
    _case(2, (2, 5, 5), 2, stride=3, ceil_mode=True),
    _case(2, (1, 2, 6, 3), 3, padding=1),
    _case(2, (1, 2, 4, 5), 3, stride=2, padding=1, divisor_override=7),
    _case(2, (1, 1, 4, 4), 2, divisor_override=-3, count_include_pad=False),
    _case(2, (0, 2, 4, 4)),
    _case(3, (1, 2, 4, 4, 2)),
    _case(3, (2, 3, 4, 4), 2, stride=1, padding=1, count_include_pad=False),
    _case(3, (1, 2, 5, 4, 5), (3, 2, 2), stride=2, padding=(1, 0, 1), ceil_mode=True),
    _case(3, (1, 1, 2, 4, 2), (1, 3, 2), stride=(2, 1, 1), divisor_override=2),
]
ADAPTIVE = [
    _adaptive(1, (2, 2, 6), 3),
    _adaptive(1, (2, 7), 3),
    _adaptive(1, (1, 2, 3), 5),
    _adaptive(2, (2, 3, 4, 6), (2, 3)),
    _adaptive(2, (2, 3, 4, 6), (2, 3), memory_format=torch.channels_last),
    _adaptive(2, (2, 3, 4, 6), 1),
    _adaptive(2, (2, 2, 5, 7), (3, 5)),
    _adaptive(2, (2, 5, 4), (None, 3)),
    _adaptive(2, (1, 2, 3, 2), (7, 1)),
    _adaptive(2, (0, 2, 4, 4), 3),
    _adaptive(3, (2, 5, 2, 3), (3, None, 2)),
    _adaptive(3, (1, 2, 4, 3, 2), 1),
]
CASES = SLIDING + ADAPTIVE


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_gradient_is_the_dense_transpose(case):
    module, (x,) = case.modules()[0], case.tensors()
    assert_adjoint(module, x)


def _sliding(size, outputs, kernel, stride, padding, count_include_pad):
    """The places of X in every window along an axis, and what the window's sum is divided by."""
    for start in range(-padding, outputs * stride - padding, stride):
        window = range(start, min(start + kernel, size + padding))
        places = [place for place in window if 0 <= place < size]
        yield places, len(window) if count_include_pad else len(places)


def _equal(size, parts):
    """The places of X in every part of an axis, and their number."""
    for part in range(parts):
        places = range(part * size // parts, -(-(part + 1) * size // parts))
        yield places, len(places)


def _windows(module, size, outputs, axis):
    if hasattr(module, "output_size"):
        return [*_equal(size, outputs)]
    options = (module.kernel_size, module.stride, module.padding)
    options = (each if isinstance(each, int) else each[axis] for each in options)
    return [*_sliding(size, outputs, *options, module.count_include_pad)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_neuron_of_a_window_has_the_same_share(case):
    """The mean and its gradient, window by window and neuron by neuron."""
    module, (x,) = case.modules()[0], case.tensors()
    y = module(x)
    delta = torch.randn_like(y)
    axes = range(-int(case.name[-2]), 0)
    windows = [_windows(module, x.shape[axis], y.shape[axis], axis) for axis in axes]
    mean, grad = torch.zeros_like(y), torch.zeros_like(x)
    for output in itertools.product(*(range(y.shape[axis]) for axis in axes)):
        window = [along[i] for along, i in zip(windows, output, strict=True)]
        places, counts = zip(*window, strict=True)
        divisor = getattr(module, "divisor_override", None) or math.prod(counts)
        for place in itertools.product(*places):
            mean[(..., *output)] += x.detach()[(..., *place)] / divisor
            grad[(..., *place)] += delta[(..., *output)] / divisor
    torch.testing.assert_close(y, mean)
    torch.testing.assert_close(torch.autograd.grad(y, x, delta)[0], grad)


def test_the_gradient_has_the_layout_of_the_cotangent():
    x = torch.randn(2, 3, 6, 6, requires_grad=True)
    layers = manualnn.AvgPool2d(2), manualnn.AvgPool2d(3, 1, 1), manualnn.AdaptiveAvgPool2d(3)
    for layer in layers:
        for memory_format in (torch.contiguous_format, torch.channels_last):
            y = layer(x)
            delta = torch.randn_like(y).contiguous(memory_format=memory_format)
            (grad,) = torch.autograd.grad(y, x, delta)
            assert grad.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("output_size", [1, 2, (1, 3)])
def test_equal_parts_of_one_length_need_no_table(output_size, monkeypatch):
    monkeypatch.delattr(average_pooling, "taps_grad_input")
    x = torch.randn(2, 3, 4, 6, requires_grad=True)
    manualnn.AdaptiveAvgPool2d(output_size)(x).sum().backward()
    count = manualnn.AdaptiveAvgPool2d(output_size)(x)[0, 0].numel() / 24
    torch.testing.assert_close(x.grad, torch.full_like(x, count))


@pytest.mark.parametrize("name", ["AdaptiveAvgPool2d", "AdaptiveMaxPool2d"])
def test_no_parts_have_no_gradient(name):
    """torch makes this output too, and refuses to go back."""
    x = torch.randn(1, 2, 4, 4, requires_grad=True)
    y = getattr(manualnn, name)((2, 0))(x)
    assert y.shape == (1, 2, 2, 0)
    y.sum().backward()
    assert x.grad.count_nonzero() == 0


def test_a_global_mean_runs_no_loop():
    """However large the plane is, its gradient is one division and one copy for each axis."""
    counts = []
    for size in (8, 64):
        x = torch.ones(1, 1, size, size, requires_grad=True)
        y = manualnn.functional.adaptive_avg_pool2d(x, 1)
        with torch.profiler.profile() as profile:
            y.backward()
        counts.append(len(profile.events()))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("case", "adjoint"),
    [(SLIDING[0], AvgPoolAdjointFunction), (ADAPTIVE[0], AdaptiveAvgPoolAdjointFunction)],
    ids=str,
)
def test_the_gradient_is_the_adjoint_function(case, adjoint):
    (x,) = case.tensors()
    y = case.modules()[0](x)
    (grad,) = torch.autograd.grad(y, x, torch.ones_like(y).requires_grad_(), create_graph=True)
    assert grad.grad_fn.name() == f"{adjoint.__name__}Backward"


def test_the_stride_is_the_kernel_size_by_default():
    x = torch.randn(2, 6, 6)
    for pool in (manualnn.functional.avg_pool2d, torch.nn.functional.avg_pool2d):
        assert pool(x, (2, 3)).shape == (2, 3, 2)
