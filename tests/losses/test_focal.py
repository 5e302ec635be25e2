"""Focal loss: values and gradients of torchvision's, of the formula, and where neither has any."""

from math import exp, log1p

import pytest
import torch
from torch.func import grad, hessian, jacfwd, vmap
from torchvision.ops import sigmoid_focal_loss as of_torchvision

from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, prove
from manualnn.losses.focal import sigmoid_focal_loss
from tests.losses.literal import assert_literal, assert_same_under_transforms

SETTINGS = pytest.mark.parametrize(
    ("alpha", "gamma"), [(0.25, 2), (0.25, 2.5), (-1, 2), (0.9, 0.5), (0.0, 1), (1.0, 0)]
)


def _tensors(hard, shape=(4, 3), dtype=torch.float64):
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64).mul(3).to(dtype).requires_grad_()
    y = torch.rand(shape, dtype=torch.float64).to(dtype)
    return [x, y.round() if hard else y.requires_grad_()]


def _results(function, tensors, **options):
    loss = function(*tensors, **options)
    torch.manual_seed(1)
    cotangent = torch.randn(loss.shape, dtype=torch.float64).to(loss.dtype)
    variables = [t for t in tensors if t.requires_grad]
    return [loss, *torch.autograd.grad(loss, variables, cotangent)]


@SETTINGS
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("hard", [True, False])
def test_equals_torchvision(alpha, gamma, reduction, hard):
    options = {"alpha": alpha, "gamma": gamma, "reduction": reduction}
    results = [
        _results(function, _tensors(hard), **options)
        for function in (sigmoid_focal_loss, of_torchvision)
    ]
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("autocast", [False, True])
def test_dtypes_are_those_of_torchvision_and_digits_at_least_as_many(dtype, autocast):
    truth = _results(of_torchvision, _tensors(True))
    results = []
    for function in (sigmoid_focal_loss, of_torchvision):
        with torch.autocast("cpu", enabled=autocast):
            results.append(_results(function, _tensors(True, dtype=dtype)))
    for ours, theirs, t in zip(*results, truth, strict=True):
        assert ours.dtype == theirs.dtype
        error, twin_error = ((v.double() - t).abs().max() for v in (ours, theirs))
        assert error <= max(2 * twin_error, 8 * torch.finfo(dtype).eps * t.abs().max())


@SETTINGS
def test_the_formula_in_plain_numbers(alpha, gamma):
    x = torch.linspace(-4, 4, 12, dtype=torch.float64)
    y = torch.tensor([0.0, 1.0, 0.3], dtype=torch.float64).repeat(4)

    def focal(x, y):
        p = 1 / (1 + exp(-x))
        q = p * (1 - y) + (1 - p) * y
        a = 1 if alpha < 0 else alpha * y + (1 - alpha) * (1 - y)
        return a * q**gamma * (y * log1p(exp(-x)) + (1 - y) * log1p(exp(x)))

    assert_literal(sigmoid_focal_loss, focal, x, y, alpha=alpha, gamma=gamma)


@SETTINGS
@pytest.mark.parametrize("hard", [True, False])
def test_derivatives(alpha, gamma, hard):
    for reduction in ("none", "mean"):
        prove(lambda x, y, r=reduction: sigmoid_focal_loss(x, y, alpha, gamma, r), _tensors(hard))


def test_a_sure_network_keeps_its_digits():
    """torchvision's 1 - p is 0 beyond x = 37; the loss of x = 40 is about 80 exp(-120) or less."""
    x = torch.tensor([-40.0, 40.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.0, 1.0], dtype=torch.float64)
    loss = sigmoid_focal_loss(x, y, alpha=-1)
    expected = torch.full((2,), -120.0, dtype=torch.float64).exp()
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    torch.testing.assert_close(slope, 3 * expected * torch.tensor([1.0, -1.0]), rtol=1e-12, atol=0)
    assert of_torchvision(x, y, alpha=-1)[1] == 0


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_no_input_is_too_large_for_a_gradient(gamma, dtype):
    x = torch.tensor([-1e4, -1e3, 1e3, 1e4], dtype=dtype, requires_grad=True)
    for y in (torch.zeros(4, dtype=dtype), torch.ones(4, dtype=dtype)):
        loss = sigmoid_focal_loss(x, y, alpha=-1, gamma=gamma, reduction="sum")
        (slope,) = torch.autograd.grad(loss, x, create_graph=True)
        sure = torch.where(y == 1, x > 0, x < 0)
        torch.testing.assert_close(slope, torch.where(sure, 0, 1 - 2 * y))
        assert torch.autograd.grad(slope.sum(), x)[0].abs().max() == 0


@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
def test_backward_runs_no_gradient_kernel_and_the_graph_is_our_own(create_graph):
    x, y = _tensors(False)
    loss = sigmoid_focal_loss(x, y, reduction="mean")
    operations = backward_operations(loss, [x, y], create_graph=create_graph)
    assert not [name for name in operations if "backward" in name]
    assert foreign_nodes(loss, Function) == set()


def test_transforms():
    x, y = (t.detach() for t in _tensors(False))
    assert_same_under_transforms(sigmoid_focal_loss, x, y)

    def loss(x):
        return sigmoid_focal_loss(x, y[0], gamma=2.5, reduction="sum")

    torch.testing.assert_close(hessian(loss)(x[0]), jacfwd(jacfwd(loss))(x[0]))
    torch.testing.assert_close(vmap(grad(loss))(x)[0], grad(loss)(x[0]))


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_compiles_into_one_graph(reduction):
    torch._dynamo.reset()
    compiled = torch.compile(sigmoid_focal_loss, fullgraph=True, backend="aot_eager")
    results = [
        _results(function, _tensors(False), gamma=1.5, reduction=reduction)
        for function in (sigmoid_focal_loss, compiled)
    ]
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(
    ("a", "b"), [(torch.float32, torch.float64), (torch.float64, torch.float32)]
)
def test_dtypes_are_promoted_as_in_torchvision(a, b):
    x, y = torch.ones(3, dtype=a), torch.ones(3, dtype=b)
    torch.testing.assert_close(sigmoid_focal_loss(x, y), of_torchvision(x, y))


@pytest.mark.parametrize(
    ("inputs", "targets", "options", "error", "message"),
    [
        (torch.ones(2), torch.ones(2), {"alpha": 2}, ValueError, r"alpha .* 2"),
        (torch.ones(2), torch.ones(2), {"alpha": float("nan")}, ValueError, r"alpha .* nan"),
        (torch.ones(2), torch.ones(2), {"reduction": "max"}, ValueError, "'max'"),
        (torch.ones(2, 3), torch.ones(3), {}, ValueError, r"3.*2, 3"),
        (torch.ones(2), torch.tensor([0, 1]), {}, RuntimeError, "Long|int64"),
        (torch.ones(2), torch.tensor([True, False]), {}, NotImplementedError, "bool"),
        (torch.tensor([0, 1]), torch.ones(2), {}, NotImplementedError, "Long|int64"),
    ],
)
def test_refuses_what_torchvision_refuses(inputs, targets, options, error, message):
    with pytest.raises(error):
        of_torchvision(inputs, targets, **options)
    with pytest.raises(error, match=message):
        sigmoid_focal_loss(inputs, targets, **options)
