"""Unit length: torch's values and gradients, and where eps takes over."""

import pytest
import torch
from torch.func import grad, hessian, jacfwd, vmap
from torch.nn import functional as F

from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, prove
from manualnn.functional import normalize


def _input(shape=(4, 3), dtype=torch.float64):
    torch.manual_seed(0)
    return torch.randn(shape, dtype=torch.float64).to(dtype).requires_grad_()


def _results(function, x, **options):
    y = function(x, **options)
    torch.manual_seed(1)
    cotangent = torch.randn(y.shape, dtype=torch.float64).to(y.dtype)
    return [y, *torch.autograd.grad(y, x, cotangent)]


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((4, 3), {}),
        ((4, 3), {"dim": 0}),
        ((2, 3, 4, 5), {"dim": 1}),
        ((2, 3, 4), {"dim": -1, "eps": 2.0}),
        ((5,), {"dim": 0}),
        ((0, 3), {}),
    ],
)
def test_equals_torch(shape, options):
    results = [
        _results(function, _input(shape), **options) for function in (normalize, F.normalize)
    ]
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("options", [{}, {"dim": 0}, {"eps": 1.5}])
def test_derivatives(options):
    prove(lambda x: normalize(x, **options), [_input()])


def test_a_vector_of_zeros_stays_and_has_a_gradient_at_two_orders():
    x = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    y = normalize(x, eps=0.5)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    torch.testing.assert_close(first, torch.full_like(x, 2.0))
    (second,) = torch.autograd.grad(first.pow(2).sum(), x)
    assert y.abs().max() == 0 and second.abs().max() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("autocast", [False, True])
def test_dtypes_are_those_of_torch_and_digits_at_least_as_many(dtype, autocast):
    truth = _results(F.normalize, _input(dtype=dtype).detach().double().requires_grad_())
    results = []
    for function in (normalize, F.normalize):
        with torch.autocast("cpu", enabled=autocast):
            results.append(_results(function, _input(dtype=dtype)))
    for ours, theirs, t in zip(*results, truth, strict=True):
        assert ours.dtype == theirs.dtype
        error, twin_error = ((v.double() - t).abs().max() for v in (ours, theirs))
        assert error <= max(twin_error, 4 * torch.finfo(dtype).eps)


def test_long_half_precision_vectors_do_not_overflow():
    x = torch.full((1, 4), 3e4, dtype=torch.float16)
    torch.testing.assert_close(normalize(x), torch.full_like(x, 0.5))


@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
def test_backward_runs_no_gradient_kernel_and_the_graph_is_our_own(create_graph):
    x = _input()
    y = normalize(x)
    operations = backward_operations(y, [x], create_graph=create_graph)
    assert not [name for name in operations if "backward" in name]
    assert foreign_nodes(y, Function) == set()


def test_transforms():
    x = _input().detach()

    def loss(row):
        return normalize(row, dim=0).pow(3).sum()

    torch.testing.assert_close(vmap(grad(loss))(x)[1], grad(loss)(x[1]))
    torch.testing.assert_close(hessian(loss)(x[0]), jacfwd(jacfwd(loss))(x[0]))


def test_compiles_into_one_graph():
    torch._dynamo.reset()
    compiled = torch.compile(normalize, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(*[_results(f, _input()) for f in (normalize, compiled)])


@pytest.mark.parametrize(
    ("input", "options", "error", "message"),
    [
        (torch.ones(2, 3), {"p": 1.0}, NotImplementedError, "p = 1.0"),
        (torch.ones(2, 3), {"out": torch.ones(2, 3)}, NotImplementedError, "out"),
        (torch.ones(2, 3, dtype=torch.long), {}, NotImplementedError, "int64"),
        (torch.ones(2, 3), {"dim": 2}, IndexError, "2"),
    ],
)
def test_refuses_what_is_not_derived(input, options, error, message):
    with pytest.raises(error, match=message):
        normalize(input, **options)
