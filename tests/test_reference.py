"""The reference equals torch and what autograd makes of it, and the layers' formulas equal both."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from manualnn import reference
from manualnn.layers.activations import (
    relu,
    relu_grad_input,
    sigmoid,
    sigmoid_grad_input,
    tanh,
    tanh_grad_input,
)
from manualnn.layers.batchnorm import running_update
from manualnn.layers.conv import (
    conv_forward,
    conv_grad_bias,
    conv_grad_input,
)
from manualnn.layers.conv_weight import conv_grad_weight
from manualnn.layers.geometry import Geometry
from manualnn.layers.linear import linear, linear_grad_bias, linear_grad_input, linear_grad_weight
from manualnn.layers.normalisation import (
    inverse_std,
    mean_over,
    norm_forward,
    norm_grad_input,
    sum_delta,
    sum_delta_xhat,
)
from manualnn.layers.pooling import Plane, Window, max_pool_forward, max_pool_grad_input
from manualnn.losses.mse import mse_grad_input, mse_loss
from manualnn.optim.sgd import sgd_update

LINEAR = [(1, 1, 1), (1, 4, 3), (5, 3, 4), (0, 3, 2)]  # R, in, out

CONV = [  # R, C, C', (H, W), (kH, kW), stride, padding
    (1, 1, 1, (3, 3), (1, 1), 1, 0),
    (2, 3, 4, (5, 6), (3, 2), 1, 0),
    (2, 2, 3, (4, 5), (3, 3), 1, 1),
    (3, 2, 2, (7, 6), (3, 3), 2, 0),  # the last column is never reached
    (2, 2, 3, (7, 5), (3, 2), 3, 2),
    (1, 2, 2, (5, 5), (2, 2), 3, 1),  # stride past the kernel
]

POOL = [  # (R, C, H, W), kernel, stride, padding
    ((2, 3, 4, 6), 2, 2, 0),
    ((1, 1, 1, 1), 1, 1, 0),
    ((2, 2, 5, 5), 3, 1, 0),  # overlapping windows
    ((1, 2, 6, 5), 3, 2, 1),
    ((2, 1, 7, 7), 2, 3, 1),
]

BATCH_NORM = [((4, 3, 2, 3), 1e-5), ((2, 1, 3, 3), 0.5), ((6, 2, 1, 1), 1e-3)]  # shape, eps

ACTIVATIONS = {
    "sigmoid": (reference.sigmoid, reference.sigmoid_derivative, torch.sigmoid),
    "tanh": (reference.tanh, reference.tanh_derivative, torch.tanh),
    "relu": (reference.relu, reference.relu_derivative, torch.relu),
}


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def autograd(function, grad_output, *arrays):
    """torch's output of `function` at the arrays, and each array's gradient under `grad_output`."""
    tensors = [torch.from_numpy(array).requires_grad_() for array in arrays]
    output = function(*tensors)
    gradients = torch.autograd.grad(output, tensors, torch.from_numpy(grad_output))
    return output.detach().numpy(), *(gradient.numpy() for gradient in gradients)


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-12, strict=True)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    function, derivative, torch_function = ACTIVATIONS[name]
    x = np.array(
        [-math.inf, -800.0, -40.0, -1.5, -1e-9, -0.0, 0.0, 0.3, 2.0, 40.0, 800.0, math.inf]
    )
    delta = random(0, *x.shape)
    output, grad_input = autograd(torch_function, delta, x)
    assert_close(reference.elementwise(function, x), output)
    assert_close(delta * reference.elementwise(derivative, x), grad_input)


def test_activation_formulas():
    x = np.linspace(-3, 3, 13)  # with a 0
    delta = random(0, 13)
    X, dY = torch.from_numpy(x), torch.from_numpy(delta)

    assert_close(sigmoid(X), reference.elementwise(reference.sigmoid, x))
    expected = delta * reference.elementwise(reference.sigmoid_derivative, x)
    assert_close(sigmoid_grad_input(dY, sigmoid(X)), expected)

    assert_close(tanh(X), reference.elementwise(reference.tanh, x))
    expected = delta * reference.elementwise(reference.tanh_derivative, x)
    assert_close(tanh_grad_input(dY, tanh(X)), expected)

    assert_close(relu(X), reference.elementwise(reference.relu, x))
    expected = delta * reference.elementwise(reference.relu_derivative, x)
    assert_close(relu_grad_input(dY, relu(X)), expected)


@pytest.mark.parametrize("shape", [(), (3,), (2, 1, 3)])
def test_elementwise_keeps_the_shape(shape):
    x = random(0, *shape)
    assert_close(reference.elementwise(math.exp, x), np.exp(x, out=np.zeros(shape)))


@pytest.mark.parametrize(("R", "width", "width_out"), LINEAR)
def test_linear(R, width, width_out):
    x, weight, bias = random(0, R, width), random(1, width, width_out), random(2, width_out)
    delta = random(3, R, width_out)
    output, grad_input, grad_weight, grad_bias = autograd(
        lambda x, weight, bias: F.linear(x, weight.T, bias), delta, x, weight, bias
    )
    assert_close(reference.linear(x, weight, bias), output)
    assert_close(reference.linear_grad_input(delta, weight), grad_input)
    assert_close(reference.linear_grad_weight(x, delta), grad_weight)
    assert_close(reference.linear_grad_bias(delta), grad_bias)


@pytest.mark.parametrize(("R", "width", "width_out"), LINEAR)
def test_linear_formulas(R, width, width_out):
    x, weight, bias = random(0, R, width), random(1, width, width_out), random(2, width_out)
    delta = random(3, R, width_out)
    X, W, b, dY = map(torch.from_numpy, (x, weight.T.copy(), bias, delta))
    assert_close(linear(X, W, b), reference.linear(x, weight, bias))
    assert_close(linear_grad_input(dY, W), reference.linear_grad_input(delta, weight))
    assert_close(linear_grad_weight(X, dY), reference.linear_grad_weight(x, delta).T)
    assert_close(linear_grad_bias(dY), reference.linear_grad_bias(delta))


def test_squared_error():
    prediction, target = random(0, 4, 3), random(1, 4, 3)
    loss, grad, _ = autograd(
        lambda a, b: F.mse_loss(a, b, reduction="sum"), np.array(1.0), prediction, target
    )
    assert reference.squared_error(prediction, target) == pytest.approx(loss.item(), rel=1e-14)
    assert_close(reference.squared_error_grad(prediction, target), grad)


def test_squared_error_formulas():
    prediction, target = random(0, 4, 3), random(1, 4, 3)
    P, T, one = map(torch.from_numpy, (prediction, target, np.ones(())))
    loss = mse_loss(P, T, reduction="sum").item()
    assert loss == pytest.approx(reference.squared_error(prediction, target), rel=1e-14)
    grad = mse_grad_input(one, P, T)
    assert_close(grad, reference.squared_error_grad(prediction, target))


def test_sgd_step():
    theta, gradient = random(0, 3, 2), random(1, 3, 2)
    parameter = torch.nn.Parameter(torch.from_numpy(theta.copy()))
    parameter.grad = torch.from_numpy(gradient)
    torch.optim.SGD([parameter], lr=0.1).step()
    assert_close(reference.sgd_step(theta, gradient, 0.1), parameter.detach().numpy())
    updated, _ = sgd_update(torch.from_numpy(theta), parameter.grad, None, lr=0.1)
    assert_close(updated, reference.sgd_step(theta, gradient, 0.1))


@pytest.mark.parametrize(("R", "C", "C_out", "size", "kernel", "stride", "padding"), CONV)
def test_conv(R, C, C_out, size, kernel, stride, padding):
    x, weight, bias = random(0, R, C, *size), random(1, C_out, C, *kernel), random(2, C_out)
    delta = random(3, *F.conv2d(*map(torch.from_numpy, (x, weight)), None, stride, padding).shape)
    output, grad_input, grad_weight, grad_bias = autograd(
        lambda x, weight, bias: F.conv2d(x, weight, bias, stride, padding), delta, x, weight, bias
    )
    assert_close(reference.conv(x, weight, bias, stride, padding), output)
    assert_close(reference.conv_grad_input(delta, weight, size, stride, padding), grad_input)
    assert_close(reference.conv_grad_weight(x, delta, kernel, stride, padding), grad_weight)
    assert_close(reference.conv_grad_bias(delta), grad_bias)


@pytest.mark.parametrize(("R", "C", "C_out", "size", "kernel", "stride", "padding"), CONV)
def test_conv_formulas(R, C, C_out, size, kernel, stride, padding):
    x, weight, bias = random(0, R, C, *size), random(1, C_out, C, *kernel), random(2, C_out)
    output = reference.conv(x, weight, bias, stride, padding)
    delta = random(3, *output.shape)
    X, W, b, dY = map(torch.from_numpy, (x, weight, bias, delta))
    how = (stride, padding)
    geometry = Geometry(size, kernel, (stride, stride), (padding, padding), (1, 1), 1)
    assert_close(conv_forward(X, W, b, geometry), output)
    assert_close(
        conv_grad_input(dY, W, geometry), reference.conv_grad_input(delta, weight, size, *how)
    )
    assert_close(
        conv_grad_weight(X, dY, geometry), reference.conv_grad_weight(x, delta, kernel, *how)
    )
    assert_close(conv_grad_bias(dY), reference.conv_grad_bias(delta))


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), POOL)
@pytest.mark.parametrize("ties", [False, True])
def test_max_pool(shape, kernel, stride, padding, ties):
    x = random(0, *shape)
    x = np.sign(x) if ties else x
    delta = random(1, *F.max_pool2d(torch.from_numpy(x), kernel, stride, padding).shape)
    output, grad_input = autograd(lambda x: F.max_pool2d(x, kernel, stride, padding), delta, x)
    assert_close(reference.max_pool(x, kernel, stride, padding), output)
    assert_close(reference.max_pool_grad_input(delta, x, kernel, stride, padding), grad_input)


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), POOL)
@pytest.mark.parametrize("ties", [False, True])
def test_max_pool_formulas(shape, kernel, stride, padding, ties):
    x = random(0, *shape)
    x = np.sign(x) if ties else x
    expected = reference.max_pool(x, kernel, stride, padding)
    delta = random(1, *expected.shape)
    window = Window((kernel,) * 2, (stride,) * 2, (padding,) * 2, (1, 1), False)
    output, places = max_pool_forward(torch.from_numpy(x), window)
    assert_close(output, expected)
    grad_input = max_pool_grad_input(torch.from_numpy(delta), places, Plane(shape[2:]))
    assert_close(grad_input, reference.max_pool_grad_input(delta, x, kernel, stride, padding))


def test_max_pool_never_chooses_the_padding():
    x, delta = np.full((1, 1, 2, 2), -math.inf), np.ones((1, 1, 2, 2))
    _, expected = autograd(lambda x: F.max_pool2d(x, 2, 2, 1), delta, x)
    assert_close(reference.max_pool_grad_input(delta, x, 2, 2, 1), expected)


@pytest.mark.parametrize(("shape", "eps"), BATCH_NORM)
def test_batch_norm(shape, eps):
    x, weight, bias = 3 * random(0, *shape) + 2, random(1, shape[1]), random(2, shape[1])
    delta = random(3, *shape)
    output, grad_input, grad_weight, grad_bias = autograd(
        lambda x, weight, bias: F.batch_norm(x, None, None, weight, bias, True, 0.1, eps),
        *(delta, x, weight, bias),
    )
    assert_close(reference.batch_norm(x, weight, bias, eps), output)
    assert_close(reference.batch_norm_grad_input(delta, x, weight, eps), grad_input)
    assert_close(reference.batch_norm_grad_weight(delta, x, eps), grad_weight)
    assert_close(reference.batch_norm_grad_bias(delta), grad_bias)


@pytest.mark.parametrize(("shape", "eps"), BATCH_NORM)
def test_batch_norm_formulas(shape, eps):
    x, weight, bias = 3 * random(0, *shape) + 2, random(1, shape[1]), random(2, shape[1])
    delta = random(3, *shape)
    X, gamma, beta, dY = map(torch.from_numpy, (x, weight, bias, delta))
    gamma, beta = gamma[:, None, None], beta[:, None, None]
    over = (0, 2, 3)
    mean = mean_over(X, over)
    centred = X - mean
    var = mean_over(centred * centred, over)
    istd = inverse_std(var, eps)
    grad_weight, grad_bias = sum_delta_xhat(dY, centred, istd, over), sum_delta(dY, over)
    sums = gamma * grad_bias, gamma * grad_weight
    grad_input = norm_grad_input(dY, centred, istd, gamma, *sums, dY.numel() // shape[1])
    for actual, expected in zip((mean, var), reference.batch_statistics(x), strict=True):
        assert_close(actual.flatten(), expected)
    output = norm_forward(centred, istd, gamma, beta)
    assert_close(output, reference.batch_norm(x, weight, bias, eps))
    assert_close(grad_weight.flatten(), reference.batch_norm_grad_weight(delta, x, eps))
    assert_close(grad_bias.flatten(), reference.batch_norm_grad_bias(delta))
    assert_close(grad_input, reference.batch_norm_grad_input(delta, x, weight, eps))


def test_batch_norm_with_running_statistics():
    x, n = random(0, 2, 3, 2, 2), 8
    layer = torch.nn.BatchNorm2d(3, momentum=0.3, affine=False, dtype=torch.float64)
    layer(torch.from_numpy(x))
    mean, variance = reference.batch_statistics(x)
    running_mean = reference.running_average(np.zeros(3), mean, 0.3)
    running_var = reference.running_average(np.ones(3), n / (n - 1) * variance, 0.3)
    assert_close(running_mean, layer.running_mean.numpy())
    assert_close(running_var, layer.running_var.numpy())
    assert_close(running_update(torch.zeros(3).double(), torch.from_numpy(mean), 0.3), running_mean)
    expected = layer.eval()(torch.from_numpy(x)).numpy()
    assert_close(reference.normalise(x, running_mean, running_var, layer.eps), expected)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [*itertools.product((3, 4, 7), (1, 2, 3), (1, 2, 3), (0, 1))],
)
def test_output_size(size, kernel, stride, padding):
    expected = torch.conv1d(
        torch.zeros(1, 1, size), torch.zeros(1, 1, kernel), None, stride, padding
    )
    assert reference.output_size(size, kernel, stride, padding) == expected.shape[2]


ZEROS = np.zeros


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reference.output_size(4, 5), "kernel 5.*size 4.*1 <= kernel <= 4"),
        (lambda: reference.output_size(4, 0), "kernel 0"),
        (lambda: reference.output_size(4, 2, 0), "stride 0.*stride >= 1"),
        (lambda: reference.output_size(4, 2, 1, -1), "padding -1.*padding >= 0"),
        (
            lambda: reference.linear(ZEROS((2, 3)), ZEROS((4, 2)), ZEROS(2)),
            r"weight.*\(4, 2\).*\(3, 2\)",
        ),
        (lambda: reference.linear(ZEROS((2, 3)), ZEROS((3, 2)), ZEROS(1)), r"bias.*\(1,\).*\(2,\)"),
        (lambda: reference.linear_grad_input(ZEROS((2, 3)), ZEROS((3, 2))), r"\(2, 3\).*\(2, 2\)"),
        (lambda: reference.linear_grad_weight(ZEROS((2, 3)), ZEROS((1, 3))), r"\(1, 3\).*\(2, 3\)"),
        (lambda: reference.squared_error(ZEROS(2), ZEROS(3)), r"target.*\(3,\).*\(2,\)"),
        (lambda: reference.squared_error_grad(ZEROS(2), ZEROS(1)), r"target.*\(1,\).*\(2,\)"),
        (lambda: reference.sgd_step(ZEROS(2), ZEROS(1), 0.1), r"gradient.*\(1,\).*\(2,\)"),
        (
            lambda: reference.conv(ZEROS((1, 2, 3, 3)), ZEROS((4, 1, 2, 2)), ZEROS(4)),
            r"weight.*\(4, 1, 2, 2\).*\(4, 2, 2, 2\)",
        ),
        (
            lambda: reference.conv(ZEROS((1, 2, 3, 3)), ZEROS((4, 2, 2, 2)), ZEROS(3)),
            r"bias.*\(3,\).*\(4,\)",
        ),
        (
            lambda: reference.conv_grad_input(ZEROS((1, 4, 2, 2)), ZEROS((4, 2, 2, 2)), (4, 4)),
            r"grad_output.*\(1, 4, 2, 2\).*\(1, 4, 3, 3\)",
        ),
        (
            lambda: reference.conv_grad_input(ZEROS((1, 4, 2, 2)), ZEROS((3, 2, 2, 2)), (3, 3)),
            r"weight.*\(3, 2, 2, 2\).*\(4, 2, 2, 2\)",
        ),
        (
            lambda: reference.conv_grad_weight(ZEROS((1, 2, 4, 4)), ZEROS((1, 4, 2, 2)), (2, 2)),
            r"grad_output.*\(1, 4, 2, 2\).*\(1, 4, 3, 3\)",
        ),
        (lambda: reference.max_pool(ZEROS((1, 1, 4, 4)), 2, 2, 2), "padding 2.*half of kernel 2"),
        (
            lambda: reference.max_pool_grad_input(ZEROS((1, 1, 3, 3)), ZEROS((1, 1, 4, 4)), 2, 2),
            r"grad_output.*\(1, 1, 3, 3\).*\(1, 1, 2, 2\)",
        ),
        (
            lambda: reference.batch_norm_grad_input(
                ZEROS((2, 2, 1, 1)), ZEROS((3, 2, 1, 1)), ZEROS(2), 0.1
            ),
            r"grad_output.*\(2, 2, 1, 1\).*\(3, 2, 1, 1\)",
        ),
        (
            lambda: reference.batch_norm_grad_weight(ZEROS((2, 2, 1, 1)), ZEROS((3, 2, 1, 1)), 0.1),
            r"grad_output.*\(2, 2, 1, 1\).*\(3, 2, 1, 1\)",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
