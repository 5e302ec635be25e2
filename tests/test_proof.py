"""Every formula is the derivative: central differences at two orders, in both modes."""

from functools import partial

import pytest
import torch

import manualnn
from manualnn.checks import prove
from manualnn.layers.padding import pad
from tests.case import function_of
from tests.tables import CASES


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivatives_by_input_and_parameters(case):
    prove(case.modules()[0], case.tensors())


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_derivatives_of_the_weighted_squared_error(reduction):
    tensors = [torch.rand(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    prove(
        lambda x, y, v: manualnn.functional.mse_loss(x, y, reduction=reduction, weight=v), tensors
    )


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 3, 2)])
def test_derivative_by_the_class_weights_of_probabilities(shape):
    x, q = torch.randn(shape, dtype=torch.float64), torch.rand(shape, dtype=torch.float64)
    w = torch.rand(3, dtype=torch.float64)
    prove(
        lambda x, q, w: manualnn.functional.cross_entropy(x, q, w, label_smoothing=0.1),
        [t.requires_grad_() for t in (x, q, w)],
    )


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_derivatives_of_padding(mode):
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    prove(lambda x: pad(x, (3, 1, 0, 2), mode), [x])


def test_batch_statistics_carry_their_own_cotangents():
    """mu and var are outputs of normalisation's Function, to be differentiated like any other."""
    from manualnn.autograd import apply
    from manualnn.layers.normalisation import Axes, NormalisationFunction

    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    w, b = (torch.randn(1, 2, 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    norm = partial(apply, NormalisationFunction)
    for statistics in ((0, 2), (2,), (1, 2)):
        options = Axes(statistics, affine=(1,)), 0.1
        prove(lambda *a, o=options: norm(*a, *o)[1], [x, w, b])
        prove(lambda *a, o=options: norm(*a, *o)[2], [x, w, b])


def _small_cnn(namespace):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        namespace.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"),
        namespace.BatchNorm2d(2),
        namespace.Tanh(),
        namespace.MaxPool2d(2, stride=1),
        namespace.Conv2d(2, 2, 2, stride=2, padding=1),
        namespace.ReLU(inplace=True),
        namespace.Flatten(),
        namespace.Linear(8, 3),
        namespace.LogSoftmax(1),
    ).double()


def _penalised_gradients(net, loss, x, target):
    """Gradients of loss + |d loss / d x|^2, which run through every layer's second order."""
    value = loss(net(x), target)
    (grad_x,) = torch.autograd.grad(value, x, create_graph=True)
    return torch.autograd.grad(value + grad_x.square().sum(), [x, *net.parameters()])


def test_gradient_penalty_through_mixed_layers():
    x = torch.randn(3, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 2, 1])
    ours = _penalised_gradients(_small_cnn(manualnn), manualnn.CrossEntropyLoss(), x, target)
    theirs = _penalised_gradients(_small_cnn(torch.nn), torch.nn.CrossEntropyLoss(), x, target)
    for actual, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)


def test_second_order_of_a_whole_net():
    net = _small_cnn(manualnn).eval()
    function, parameters = function_of(net)
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradgradcheck(function, [x, *parameters], fast_mode=True)
