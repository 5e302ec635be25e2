"""Resizing: its table of settings, and what is its own."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, prove
from manualnn.functional import interpolate
from manualnn.layers.resize import ResizeAdjointFunction
from tests.case import Case
from tests.dense import assert_adjoint

LINE, PLANE, WIDE, VOLUME = (2, 2, 5), (1, 2, 3, 4), (2, 4, 2, 3), (1, 2, 2, 3, 2)


def _case(mode, shape, size=None, memory_format=torch.contiguous_format, **options):
    options = ({} if size is None else {"size": size}) | options | {"mode": mode}
    return Case("Upsample", options, (shape,), memory_format=memory_format)


CASES = [
    _case("nearest", LINE, scale_factor=2),
    _case("nearest", LINE, 3),
    _case("nearest", WIDE, scale_factor=2),
    _case("nearest", WIDE, scale_factor=2, memory_format=torch.channels_last),
    _case("nearest", PLANE, (5, 3)),
    _case("nearest", PLANE, scale_factor=(1.6, 0.55)),
    _case("nearest", PLANE, scale_factor=(2.3, 1.6), recompute_scale_factor=True),
    _case("nearest", VOLUME, scale_factor=(1, 2, 1.5)),
    _case("nearest-exact", LINE, 7),
    _case("nearest-exact", WIDE, (5, 2), memory_format=torch.channels_last),
    _case("nearest-exact", PLANE, scale_factor=(1.4, 0.7)),
    _case("nearest-exact", VOLUME, scale_factor=1.6),
    _case("linear", LINE, scale_factor=2),
    _case("linear", LINE, 7, align_corners=True),
    _case("linear", LINE, 1, align_corners=True),
    _case("linear", LINE, scale_factor=1.7),
    _case("linear", LINE, scale_factor=1.7, recompute_scale_factor=True),
    _case("bilinear", PLANE, scale_factor=2),
    _case("bilinear", WIDE, scale_factor=2, memory_format=torch.channels_last),
    _case("bilinear", PLANE, (5, 3), align_corners=True),
    _case("bilinear", PLANE, (3, 6)),
    _case("bilinear", PLANE, scale_factor=(1.6, 0.55)),
    _case("bilinear", (1, 2, 1, 4), (3, 2)),
    _case("bilinear", (0, 2, 3, 4), 5),
    _case("bicubic", PLANE, scale_factor=2),
    _case("bicubic", PLANE, (5, 3), align_corners=True),
    _case("bicubic", PLANE, (3, 4)),
    _case("bicubic", (1, 2, 1, 4), (1, 4), align_corners=True),
    _case("bicubic", PLANE, (3, 6)),
    _case("bicubic", PLANE, scale_factor=(1.6, 0.55)),
    _case("trilinear", VOLUME, scale_factor=2),
    _case("trilinear", VOLUME, (3, 2, 2), align_corners=True),
    _case("trilinear", VOLUME, scale_factor=(1.6, 1, 2.5)),
    _case("area", LINE, 3),
    _case("area", PLANE, scale_factor=(0.7, 1.6)),
    _case("area", VOLUME, (1, 2, 3)),
    Case("UpsamplingNearest2d", {"scale_factor": 2}, (PLANE,)),
    Case("UpsamplingNearest2d", {"size": (2, 7)}, (PLANE,)),
    Case("UpsamplingBilinear2d", {"scale_factor": (2, 1.5)}, (PLANE,)),
    Case("UpsamplingBilinear2d", {"size": 5}, (PLANE,)),
]
ANTIALIASED = [
    {"size": 3, "mode": "bilinear"},
    {"size": (2, 9), "mode": "bilinear", "align_corners": True},
    {"scale_factor": (0.45, 1.7), "mode": "bilinear"},
    {"scale_factor": (0.45, 1.7), "mode": "bilinear", "recompute_scale_factor": True},
    {"size": (2, 3), "mode": "bicubic"},
    {"size": (1, 7), "mode": "bicubic", "align_corners": True},
    {"scale_factor": (0.45, 1.7), "mode": "bicubic"},
]
TO_A_COLUMN = [
    {"size": (7, 1), "mode": "bicubic", "align_corners": True},
    {"scale_factor": (0.5, 0.2), "mode": "bilinear"},
]


def _input(*shape, dtype=torch.float64):
    torch.manual_seed(2)
    return torch.randn(shape, dtype=torch.float64).to(dtype).requires_grad_()


def _antialiased(options):
    return partial(interpolate, antialias=True, **options), _input(2, 2, 6, 5)


# What every weight is, by literal loops.


def _linear(t):
    return max(0.0, 1 - abs(t))


def _cubic(t, a):
    t = abs(t)
    if t < 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def _weights(mode, i, x, size, outputs, step, antialias):
    """How much output i takes from every place, some of them outside; x is its centre."""
    places = range(-3, size + 3)
    if antialias:
        kernel, reach = (_linear, 1) if mode == "bilinear" else (partial(_cubic, a=-0.5), 2)
        q = max(step, 1)
        weights = {j: kernel((j - x) / q) for j in range(size) if abs(j - x) < q * reach}
        total = sum(weights.values())
        return {j: w / total for j, w in weights.items()}
    if mode == "area":
        part = range(i * size // outputs, math.ceil((i + 1) * size / outputs))
        return {j: 1 / len(part) for j in part}
    if mode == "nearest":
        return {math.floor(i * step): 1}
    if mode == "nearest-exact":
        return {math.floor((i + 0.5) * step): 1}
    if mode == "bicubic":
        return {j: _cubic(j - x, -0.75) for j in places}
    return {j: _linear(j - max(x, 0)) for j in places}


def _matrix(size, outputs, scale, mode, align_corners=None, antialias=False):
    """Y = A X along one axis: (H', H)."""
    matrix = torch.zeros(outputs, size, dtype=torch.float64)
    step = 1 / scale if scale else size / outputs
    if align_corners:
        step = (size - 1) / (outputs - 1) if outputs > 1 else 0
    for i in range(outputs):
        x = step * i if align_corners and not antialias else step * (i + 0.5) - 0.5
        for j, weight in _weights(mode, i, x, size, outputs, step, antialias).items():
            matrix[i, min(max(j, 0), size - 1)] += weight
    return matrix


def _assert_is_the_dense_product(function, x, options):
    y = function(x)
    delta = torch.randn_like(y)
    (grad,) = torch.autograd.grad(y, x, delta)
    scales = options.get("scale_factor")
    if options.get("recompute_scale_factor") or not isinstance(scales, tuple):
        scales = [None if options.get("recompute_scale_factor") else scales] * (x.dim() - 2)
    product, adjoint = x.detach(), delta
    for axis, scale in enumerate(scales, start=2):
        matrix = _matrix(
            x.shape[axis],
            y.shape[axis],
            scale,
            options["mode"],
            options.get("align_corners"),
            options.get("antialias", False),
        )
        product = torch.einsum("ij,...j->...i", matrix, product.movedim(axis, -1))
        product = product.movedim(-1, axis)
        adjoint = torch.einsum("ij,...i->...j", matrix, adjoint.movedim(axis, -1))
        adjoint = adjoint.movedim(-1, axis)
    torch.testing.assert_close(y.detach(), product)
    torch.testing.assert_close(grad, adjoint)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_is_the_product_with_a_dense_matrix(case):
    module, (x,) = case.modules()[0], case.tensors()
    options = {"mode": module.mode, "align_corners": module.align_corners} | case.options
    _assert_is_the_dense_product(module, x, options)
    assert_adjoint(module, x)


@pytest.mark.parametrize("options", ANTIALIASED + TO_A_COLUMN, ids=str)
def test_antialiased_is_the_product_with_a_dense_matrix(options):
    function, x = _antialiased(options)
    _assert_is_the_dense_product(function, x, options | {"antialias": True})
    assert_adjoint(function, x)


# Antialiasing, which no module has.


@pytest.mark.parametrize("options", ANTIALIASED, ids=str)
def test_antialiased_equals_its_twin(options):
    truth = None
    for dtype in (torch.float64, torch.float32):
        found = []
        for function in (interpolate, nn.functional.interpolate):
            x = _input(2, 2, 6, 5, dtype=dtype)
            y = function(x, antialias=True, **options)
            delta = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).reshape(y.shape)
            found.append((y, *torch.autograd.grad(y, x, delta.to(dtype))))
        truth = found[1] if truth is None else truth
        for ours, theirs, exact in zip(*found, truth, strict=True):
            assert ours.dtype == theirs.dtype == dtype
            error, twin_error = ((v - exact).abs().max().item() for v in (ours, theirs))
            assert error <= max(2 * twin_error, 8 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
@pytest.mark.parametrize("options", ANTIALIASED, ids=str)
def test_antialiased_spreads_bad_numbers_as_its_twin(options, bad):
    found = []
    for function in (interpolate, nn.functional.interpolate):
        x = _input(2, 2, 6, 5)
        y = function(x, antialias=True, **options)
        delta = torch.ones_like(y)
        delta.view(-1)[:2] = bad
        found.append(torch.autograd.grad(y, x, delta)[0])
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("options", ANTIALIASED + TO_A_COLUMN, ids=str)
def test_antialiased_is_proved_and_pure(options):
    function, x = _antialiased(options)
    prove(function, [x])
    assert foreign_nodes(function(x), Function) == set()
    for create_graph in (False, True):
        operations = backward_operations(function(x), [x], create_graph=create_graph)
        assert not {name for name in operations if "backward" in name}


@pytest.mark.parametrize("options", TO_A_COLUMN, ids=str)
def test_antialiased_to_a_column_is_right_where_torch_repeats_the_first_row(options):
    _, x = _antialiased(options)
    y = nn.functional.interpolate(x, antialias=True, **options)
    if y.allclose(y.narrow(2, 0, 1).expand_as(y)):
        assert not interpolate(x, antialias=True, **options).allclose(y)
    torch.relu_(interpolate(x, antialias=True, **options)).sum().backward()


def test_lanczos_is_proved_where_torch_has_it():
    x = _input(1, 2, 7, 5)
    function = partial(interpolate, size=(4, 6), mode="lanczos", antialias=True)
    try:
        expected = torch.autograd.grad(
            nn.functional.interpolate(x, (4, 6), mode="lanczos", antialias=True).sum(), x
        )
    except NotImplementedError:  # torch 2.13
        with pytest.raises(NotImplementedError, match="lanczos"):
            function(x)
    else:
        torch.testing.assert_close(torch.autograd.grad(function(x).sum(), x), expected)
        prove(function, [x])


# Where torch's own gradient is not that of its forward pass.

MISMATCHED = [
    ((1, 1, 5), {"scale_factor": 1.05}),
    ((1, 1, 3, 4, 2), {"scale_factor": 2.3}),
    ((1, 1, 2, 64), {"scale_factor": (1.0, 2.3)}),
    ((1, 1, 3, 7), {"scale_factor": 1.05, "mode": "bicubic"}),
]


@pytest.mark.parametrize(("shape", "options"), MISMATCHED, ids=str)
def test_the_gradient_is_that_of_the_forward_pass_where_torch_has_another(shape, options):
    x = _input(*shape)
    assert_adjoint(partial(interpolate, **options), x)
    with pytest.raises(AssertionError):
        assert_adjoint(partial(nn.functional.interpolate, **options), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("scale_factor", [2.01, 2.3, 41.0])
def test_the_gradient_does_not_depend_on_the_memory_format(scale_factor, dtype):
    found = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        x = _input(1, 4, 2, 64, dtype=dtype).detach().contiguous(memory_format=memory_format)
        x.requires_grad_()
        y = interpolate(x, scale_factor=(1.0, scale_factor))
        delta = torch.arange(y.numel(), dtype=dtype).reshape(y.shape)
        found.append([y, *torch.autograd.grad(y, x, delta)])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
@pytest.mark.parametrize(("mode", "size"), [("bicubic", (3, 4)), ("bilinear", (3, 6))])
def test_what_keeps_its_size_spreads_no_bad_numbers(mode, size, bad):
    found = []
    for function in (interpolate, nn.functional.interpolate):
        x = _input(1, 1, 3, 4)
        y = function(x, size, mode=mode)
        delta = torch.ones_like(y)
        delta.view(-1)[1] = bad
        found.append(torch.autograd.grad(y, x, delta)[0])
    torch.testing.assert_close(*found, equal_nan=True)
    assert found[0].narrow(2, 1, 2).isfinite().all()


def test_resizing_keeps_nothing_and_names_its_adjoint():
    x = _input(1, 2, 3, 4)
    with torch.autograd.graph.saved_tensors_hooks(pytest.fail, lambda tensor: tensor):
        y = interpolate(x, scale_factor=2)
        (grad,) = torch.autograd.grad(y, x, torch.ones_like(y).requires_grad_(), create_graph=True)
    assert grad.grad_fn.name() == f"{ResizeAdjointFunction.__name__}Backward"
