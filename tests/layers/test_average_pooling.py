"""Average pooling: its table of settings, and what is its own."""

import itertools

import pytest
import torch

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
    _case(2, (2, 2, 5, 6), 3, stride=2, padding=1),
    _case(2, (2, 2, 5, 6), (3, 2), stride=(1, 2), padding=(1, 0), count_include_pad=False),
    _case(2, (2, 2, 5, 6), 3, stride=2, ceil_mode=True),
    _case(2, (1, 2, 6, 6), 3, stride=2, padding=1, ceil_mode=True),
    _case(2, (2, 5, 5), 2, stride=3, ceil_mode=True),
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
    _adaptive(2, (2, 3, 4, 6), 1),
    _adaptive(2, (2, 3, 4, 6), (2, 3), memory_format=torch.channels_last),
    _adaptive(2, (2, 2, 5, 7), (3, 5)),
    _adaptive(2, (2, 5, 4), (None, 3)),
    _adaptive(2, (1, 2, 3, 2), (7, 1)),
    _adaptive(2, (0, 2, 4, 4), 3),
    _adaptive(2, (1, 2, 4, 4), (2, 0)),
    _adaptive(3, (1, 2, 4, 3, 2), 1),
    _adaptive(3, (2, 5, 2, 3), (3, None, 2)),
]
CASES = SLIDING + ADAPTIVE


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_gradient_is_the_dense_transpose(case):
    module, (x,) = case.modules()[0], case.tensors()
    assert_adjoint(module, x)


def _spread(axes, x, windows, divisors):
    """The gradient of <delta, Y> by literal loops: every neuron of a window gets an equal share.

    ``windows`` has a list of (start, stop) for every axis, ``divisors`` what each is divided by.
    """
    size = [len(w) for w in windows]
    delta = torch.randn(*x.shape[:-axes], *size, dtype=x.dtype)
    grad = torch.zeros_like(x)
    for output in itertools.product(*map(range, size)):
        window = [range(*w[i]) for w, i in zip(windows, output, strict=True)]
        divisor = 1
        for each, i in zip(divisors, output, strict=True):
            divisor *= each[i]
        for place in itertools.product(*window):
            grad[(..., *place)] += delta[(..., *output)] / divisor
    return delta, grad


@pytest.mark.parametrize("case", SLIDING, ids=str)
def test_every_neuron_of_a_window_has_the_same_share(case):
    module, (x,) = case.modules()[1], case.tensors()
    axes = int(case.name[-2])
    y, windows, divisors = module(x), [], []
    for axis in range(-axes, 0):
        k, s, p = (
            v if isinstance(v, int) else v[axis]
            for v in (module.kernel_size, module.stride, module.padding)
        )
        size, w, n = x.shape[axis], [], []
        for i in range(y.shape[axis]):
            start, stop = s * i - p, s * i - p + k
            w.append((max(start, 0), min(stop, size)))
            n.append(min(stop, size + p) - start if module.count_include_pad else w[i][1] - w[i][0])
        windows.append(w)
        divisors.append(n)
    override = case.options.get("divisor_override")
    if override is not None:
        divisors = [[1] * len(n) for n in divisors]
        divisors[0] = [override] * len(divisors[0])
    delta, expected = _spread(axes, x, windows, divisors)
    y = case.modules()[0](x)
    torch.testing.assert_close(torch.autograd.grad(y, x, delta)[0], expected)


@pytest.mark.parametrize("case", ADAPTIVE, ids=str)
def test_every_neuron_of_a_part_has_the_same_share(case):
    (x,), y = case.tensors(), case.modules()[0](case.tensors()[0])
    axes, windows = int(case.name[-2]), []
    for axis in range(-axes, 0):
        h, n = x.shape[axis], y.shape[axis]
        windows.append([(i * h // n, ((i + 1) * h + n - 1) // n) for i in range(n)])
    divisors = [[stop - start for start, stop in each] for each in windows]
    delta, expected = _spread(axes, x, windows, divisors)
    y = case.modules()[0](x)
    torch.testing.assert_close(torch.autograd.grad(y, x, delta)[0], expected)


def test_the_graph_has_the_maps_and_their_adjoints_names():
    for case, adjoint in (
        (SLIDING[0], AvgPoolAdjointFunction),
        (ADAPTIVE[0], AdaptiveAvgPoolAdjointFunction),
    ):
        (x,) = case.tensors()
        y = case.modules()[0](x)
        (grad,) = torch.autograd.grad(y, x, torch.ones_like(y).requires_grad_(), create_graph=True)
        assert grad.grad_fn.name() == f"{adjoint.__name__}Backward"
