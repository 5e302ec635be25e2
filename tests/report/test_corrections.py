"""Every error in the report's printed equations, shown against the difference quotient (Eq. 21).

Each test writes the printed form out, measures how far it is from the derivative, and shows that
the corrected form, in the reference and in the layer, agrees with it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from manualnn import reference
from manualnn.checks import difference_quotient
from manualnn.layers.activations import relu, relu_grad_input
from manualnn.layers.batchnorm import running_update
from manualnn.layers.conv import conv_forward, conv_grad_input
from manualnn.layers.conv_weight import conv_grad_weight
from manualnn.layers.geometry import Geometry
from manualnn.layers.linear import linear_grad_bias, linear_grad_input, linear_grad_weight
from manualnn.layers.normalisation import norm_grad_input, sum_delta, sum_delta_xhat
from manualnn.layers.pooling import Plane, Window, max_pool_forward, max_pool_grad_input
from manualnn.losses.mse import mse_grad_input

EPS = 1e-5


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def derivative(loss: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    return difference_quotient(lambda t: loss(t.numpy()), torch.from_numpy(x)).numpy()


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(array)


def error(form: np.ndarray, expected: np.ndarray) -> float:
    """||form - expected|| / ||expected||."""
    return np.linalg.norm(form - expected) / np.linalg.norm(expected)


def assert_agrees(form: np.ndarray | torch.Tensor, expected: np.ndarray) -> None:
    assert form.shape == expected.shape
    assert error(np.asarray(form), expected) < 1e-8


# Feed-forward networks


def neurons(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """One layer of Eq. 7, with f = tanh."""
    return reference.elementwise(reference.tanh, reference.linear(x, weight, bias))


def slope(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """f'(Z) of that layer."""
    return reference.elementwise(reference.tanh_derivative, reference.linear(x, weight, bias))


def test_eq_13_relu_has_two_slopes_at_zero():
    zero = torch.zeros((), dtype=torch.float64)
    slopes = {
        kind: difference_quotient(relu, zero, h=1e-3, kind=kind).item()
        for kind in ("forward", "backward", "central")
    }
    assert slopes == {"forward": 1.0, "backward": 0.0, "central": 0.5}
    assert reference.relu_derivative(0.0) == slopes["backward"]  # Eq. 13 prints the forward one
    assert relu_grad_input(torch.ones(()), relu(zero)) == slopes["backward"]


def test_eq_14_to_15_print_relu_for_its_derivative():
    towards_zero = 10.0 ** -torch.arange(3, 12, dtype=torch.float64)
    assert torch.equal(relu(towards_zero), towards_zero)  # tends to 0, where Eq. 14 prints 1
    for x, limit in ((towards_zero, 1.0), (-towards_zero, 0.0)):
        slopes = difference_quotient(lambda x: relu(x).sum(), x, h=1e-12)
        torch.testing.assert_close(slopes, torch.full_like(x, limit), rtol=0, atol=1e-8)
        assert (relu_grad_input(torch.ones_like(x), relu(x)) == limit).all()
        assert [reference.relu_derivative(value) for value in x] == [limit] * len(x)


def test_eq_25_and_30_print_a_norm_for_a_vector():
    prediction, target = random(0, 4, 3), random(1, 4, 3)
    expected = derivative(lambda yhat: reference.squared_error(yhat, target), prediction)
    printed = 2 * np.linalg.norm(prediction - target)
    assert np.shape(printed) == ()
    assert error(printed, expected) == pytest.approx(3.9, rel=0.05)
    assert_agrees(reference.squared_error_grad(prediction, target), expected)
    by_layer = mse_grad_input(torch.tensor(1.0), tensor(prediction), tensor(target))
    assert_agrees(by_layer, expected)


def test_eq_26_to_28_are_schematic():
    x, weight, bias, delta = random(0, 4, 3), random(1, 3, 2), random(2, 2), random(3, 4, 2)
    f_prime = slope(x, weight, bias)
    printed = {"X": f_prime @ weight.T, "W": x.T @ f_prime, "b": f_prime}
    for factor in printed.values():  # the middle lines of Eq. 31-33: delta times Eq. 26-28
        with pytest.raises(ValueError, match="matmul"):
            delta @ factor

    def gradients(delta: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "X": derivative(lambda x: np.sum(delta * neurons(x, weight, bias)), x),
            "W": derivative(lambda weight: np.sum(delta * neurons(x, weight, bias)), weight),
            "b": derivative(lambda bias: np.sum(delta * neurons(x, weight, bias)), bias),
        }

    ones, expected = gradients(np.ones_like(delta)), gradients(delta)
    printed["b"] = f_prime.sum(axis=0)  # Eq. 28 has a row for each sample
    for name in printed:  # right for delta = 1, and for no other
        assert_agrees(printed[name], ones[name])
        assert error(printed[name], expected[name]) > 0.9
    by_z = delta * f_prime
    assert_agrees(linear_grad_input(tensor(by_z), tensor(weight.T)), expected["X"])
    assert_agrees(linear_grad_weight(tensor(x), tensor(by_z)).T, expected["W"])
    assert_agrees(linear_grad_bias(tensor(by_z)), expected["b"])


@pytest.mark.parametrize("widths", [(3, 4, 5), (4, 4, 4)])
def test_eq_31_prints_the_next_layers_weight(widths):
    x, delta = random(0, 3, widths[0]), random(1, 3, widths[2])
    first = random(2, widths[0], widths[1]), random(3, widths[1])
    second = random(4, widths[1], widths[2]), random(5, widths[2])
    hidden = neurons(x, *first)
    expected = derivative(lambda x: np.sum(delta * neurons(neurons(x, *first), *second)), x)

    delta_hidden = reference.linear_grad_input(delta * slope(hidden, *second), second[0])
    through_f = delta_hidden * slope(x, *first)
    if widths == (4, 4, 4):
        assert error(through_f @ second[0].T, expected) > 1
    else:
        with pytest.raises(ValueError, match="matmul"):
            through_f @ second[0].T
    assert_agrees(reference.linear_grad_input(through_f, first[0]), expected)
    assert_agrees(linear_grad_input(tensor(through_f), tensor(first[0].T)), expected)


def test_eq_33_forgets_the_sum_over_the_batch():
    x, weight, bias, delta = random(0, 4, 3), random(1, 3, 2), random(2, 2), random(3, 4, 2)
    expected = derivative(lambda bias: np.sum(delta * neurons(x, weight, bias)), bias)
    printed = delta * slope(x, weight, bias)
    assert printed.shape == (4, 2) != expected.shape
    assert_agrees(reference.linear_grad_bias(printed), expected)
    assert_agrees(linear_grad_bias(tensor(printed)), expected)


# Convolution, of square inputs and kernels; no bias, as in the report


def geometry(size: int, kernel: int, stride: int = 1) -> Geometry:
    return Geometry((size, size), (kernel, kernel), (stride, stride), (0, 0), (1, 1), 1)


def conv(x: np.ndarray, weight: np.ndarray, stride: int = 1, padding: int = 0) -> np.ndarray:
    return reference.conv(x, weight, np.zeros(len(weight)), stride, padding)


def grad_input_by_offset(
    delta: np.ndarray, weight: np.ndarray, size: tuple[int, int], stride: int
) -> np.ndarray:
    """Eq. 41 read from the output's side: delta[h', w'] lands at X[s h' + j, s w' + i]."""
    (_, _, H_out, W_out), (_, C, k, _), s = delta.shape, weight.shape, stride
    grad = np.zeros((len(delta), C, *size))
    for h, w in np.ndindex(H_out, W_out):
        window = grad[:, :, s * h : s * h + k, s * w : s * w + k]
        window += np.einsum("rk,kcji->rcji", delta[:, :, h, w], weight)
    return grad


def test_eq_39_forgets_the_stride():
    x, weight, stride = random(0, 1, 2, 7, 7), random(1, 3, 2, 3, 3), 2
    output = conv(x, weight, stride)
    printed = conv(x, weight)[:, :, : output.shape[2], : output.shape[3]]  # X[h' + j, w' + i]
    expected = torch.conv2d(torch.from_numpy(x), torch.from_numpy(weight), stride=stride).numpy()
    assert error(printed, expected) > 1
    assert_agrees(output, expected)
    by_layer = conv_forward(tensor(x), tensor(weight), None, geometry(7, 3, stride))
    assert_agrees(by_layer, expected)

    # By Eq. 37-38 the output (1, 1) rests on the window at (s, s), in the printed sum at (1, 1).
    sees = derivative(lambda x: conv(x, weight, stride)[0, 0, 1, 1], x)[0, 0] != 0
    assert np.argwhere(sees).min(axis=0).tolist() == [stride, stride]
    sees = derivative(lambda x: conv(x, weight)[0, 0, 1, 1], x)[0, 0] != 0
    assert np.argwhere(sees).min(axis=0).tolist() == [1, 1]


def test_eq_40_prints_the_condition_on_the_rows_twice():
    x, weight, delta = random(0, 2, 2, 5, 5), random(1, 3, 2, 3, 3), random(2, 2, 3, 3, 3)
    expected = derivative(lambda x: np.sum(delta * conv(x, weight)), x)
    printed = np.zeros_like(x)  # h' + j = h holds, w' and i stay free: all of them are summed
    for h_out, j in np.ndindex(3, 3):
        everywhere = np.einsum("rkv,kci->rc", delta[:, :, h_out], weight[:, :, j])
        printed[:, :, h_out + j] += everywhere[:, :, None]
    assert np.ptp(printed, axis=3).max() == 0  # one value for all columns
    assert error(printed, expected) > 1
    assert_agrees(reference.conv_grad_input(delta, weight, (5, 5)), expected)
    by_layer = conv_grad_input(tensor(delta), tensor(weight), geometry(5, 3))
    assert_agrees(by_layer, expected)


def test_eq_40_to_42_print_the_next_layers_weight():
    x, delta = random(0, 2, 2, 5, 5), random(1, 2, 2, 3, 3)
    weight, next_weight = random(2, 2, 2, 3, 3), random(3, 2, 2, 3, 3)
    expected = derivative(lambda x: np.sum(delta * conv(x, weight)), x)
    assert error(reference.conv_grad_input(delta, next_weight, (5, 5)), expected) > 1
    assert_agrees(reference.conv_grad_input(delta, weight, (5, 5)), expected)
    by_layer = conv_grad_input(tensor(delta), tensor(weight), geometry(5, 3))
    assert_agrees(by_layer, expected)


def test_eq_41_holds_for_stride_1_only():
    x, weight, delta = random(0, 2, 2, 5, 5), random(1, 3, 2, 3, 3), random(2, 2, 3, 2, 2)
    expected = derivative(lambda x: np.sum(delta * conv(x, weight, 2)), x)
    assert error(grad_input_by_offset(delta, weight, (5, 5), 1), expected) > 1
    assert_agrees(grad_input_by_offset(delta, weight, (5, 5), 2), expected)
    assert_agrees(reference.conv_grad_input(delta, weight, (5, 5), 2), expected)
    by_layer = conv_grad_input(tensor(delta), tensor(weight), geometry(5, 3, 2))
    assert_agrees(by_layer, expected)


def test_eq_42_needs_a_dilated_delta_for_a_stride_above_1():
    k, weight = 3, random(0, 3, 2, 3, 3)

    def rotated(delta: np.ndarray, padding: int) -> np.ndarray:
        return conv(delta, weight[:, :, ::-1, ::-1].swapaxes(0, 1), 1, padding)

    x, delta = random(1, 1, 2, 5, 5), random(2, 1, 3, 5, 5)
    expected = derivative(lambda x: np.sum(delta * conv(x, weight, 1, 1)), x)
    assert_agrees(rotated(delta, k - 1 - 1), expected)  # as printed: s = 1, p = 1

    x, delta = random(1, 1, 2, 6, 6), random(2, 1, 3, 2, 2)
    expected = derivative(lambda x: np.sum(delta * conv(x, weight, 2)), x)
    assert rotated(delta, k - 1).shape == (1, 2, 4, 4) != expected.shape
    dilated = np.zeros((1, 3, 4, 4))  # a place for every output of stride 1
    dilated[:, :, ::2, ::2] = delta
    assert_agrees(rotated(dilated, k - 1), expected)
    assert not expected[:, :, 5].any()  # the last row is never reached
    assert_agrees(reference.conv_grad_input(delta, weight, (6, 6), 2), expected)
    by_layer = conv_grad_input(tensor(delta), tensor(weight), geometry(6, 3, 2))
    assert_agrees(by_layer, expected)


def test_eq_42_pads_the_kernel_and_slides_delta_which_turns_the_result():
    x, weight, delta = random(0, 1, 2, 5, 5), random(1, 3, 2, 3, 3), random(2, 1, 3, 3, 3)
    expected = derivative(lambda x: np.sum(delta * conv(x, weight)), x)
    turned = weight[:, :, ::-1, ::-1].swapaxes(0, 1)  # (C, C', k, k)
    printed = conv(turned, delta, 1, 2).swapaxes(0, 1)
    assert error(printed, expected) > 1
    assert_agrees(printed[:, :, ::-1, ::-1], expected)
    assert_agrees(conv(delta, turned, 1, 2), expected)
    by_layer = conv_grad_input(tensor(delta), tensor(weight), geometry(5, 3))
    assert_agrees(by_layer, expected)


def test_eq_43_sums_over_the_kernels_and_divides_by_the_batch():
    x, weight, delta = random(0, 4, 2, 5, 5), random(1, 4, 2, 3, 3), random(2, 4, 4, 3, 3)
    expected = derivative(lambda weight: np.sum(delta * conv(x, weight)), weight)
    windows = sliding_window_view(x, (3, 3), (2, 3))  # (R, C, k, k, H', W')
    per_kernel = np.einsum("rcjiuv,rkuv->kcji", windows, delta)
    of_all_kernels = per_kernel.sum(axis=0)
    assert of_all_kernels.shape == (2, 3, 3)  # one gradient for all of the C' kernels
    assert error(of_all_kernels / 4, expected) == pytest.approx(0.87, rel=0.1)
    assert error(of_all_kernels, expected) > 1
    assert error(per_kernel / 4, expected) == pytest.approx(0.75)  # 1 - 1/R
    assert_agrees(per_kernel, expected)
    assert_agrees(reference.conv_grad_weight(x, delta, (3, 3)), expected)
    by_layer = conv_grad_weight(tensor(x), tensor(delta), geometry(5, 3))
    assert_agrees(by_layer, expected)


# Max-pooling


def test_eq_50_and_51_forget_the_sum_over_windows():
    x, delta = random(0, 2, 3, 4, 4), random(1, 2, 3, 3, 3)
    expected = derivative(lambda x: np.sum(delta * reference.max_pool(x, 2, 1)), x)
    printed = np.zeros_like(x)  # an input that won several windows keeps the delta of one
    for r, c, h_out, w_out in np.ndindex(delta.shape):
        window = x[r, c, h_out : h_out + 2, w_out : w_out + 2]
        j, i = np.unravel_index(window.argmax(), window.shape)
        printed[r, c, h_out + j, w_out + i] = delta[r, c, h_out, w_out]
    assert error(printed, expected) == pytest.approx(0.56, rel=0.1)
    assert_agrees(reference.max_pool_grad_input(delta, x, 2, 1), expected)
    _, places = max_pool_forward(tensor(x), Window((2, 2), (1, 1), (0, 0), (1, 1), False))
    assert_agrees(max_pool_grad_input(tensor(delta), places, Plane((4, 4))), expected)


# Batch normalisation


X, DELTA = 0.4 * random(1, 4, 3, 4, 4), random(2, 4, 3, 4, 4)
GAMMA, BETA = random(3, 3), random(4, 3)
N = 4 * 4 * 4


def channel_sum(values: np.ndarray) -> np.ndarray:
    return values.sum(axis=(0, 2, 3), keepdims=True)


MEAN = channel_sum(X) / N
SPREAD = channel_sum((X - MEAN) ** 2) / N + EPS  # the variance + eps
LAYER_INPUTS = tensor(DELTA), tensor(X - MEAN), tensor(SPREAD**-0.5)
SAMPLES = (0, 2, 3)


def batch_norm_loss(
    x: np.ndarray = X, gamma: np.ndarray = GAMMA, beta: np.ndarray = BETA
) -> np.floating:
    return np.sum(DELTA * reference.batch_norm(x, gamma, beta, EPS))


def eq_65_last_line(deviation: np.ndarray, exponent: float) -> np.ndarray:
    bracket = N * DELTA - channel_sum(DELTA)
    bracket -= deviation * SPREAD**exponent * channel_sum(DELTA * deviation)
    return GAMMA[:, None, None] / N * SPREAD**-0.5 * bracket


@pytest.fixture(scope="module")
def batch_norm_gradient() -> np.ndarray:
    return derivative(lambda x: batch_norm_loss(x=x), X)


def test_eq_57_takes_the_biased_variance():
    layer = torch.nn.BatchNorm2d(3, momentum=0.1, dtype=torch.float64)
    layer(torch.from_numpy(X))
    expected = layer.running_var.numpy() - 0.9  # the share of the batch; it began at 1
    _, variance = reference.batch_statistics(X)
    assert error(0.1 * variance, expected) == pytest.approx(1 / N)
    corrected = reference.running_average(np.ones(3), variance * N / (N - 1), 0.1) - 0.9
    assert_agrees(corrected, expected)
    unbiased = tensor(variance * N / (N - 1))
    assert_agrees(running_update(tensor(np.ones(3)), unbiased, 0.1) - 0.9, expected)


def test_eq_60_to_64_hold():
    x, delta = X[:, 0].ravel(), DELTA[:, 0].ravel()  # one channel: I[c', c] = 1
    deviation, spread = x - x.mean(), x.var() + EPS
    eq_63 = np.eye(N) - 1 / N
    eq_64 = 2 / N * deviation
    eq_61 = spread**-0.5 * eq_63 - np.outer(deviation, eq_64) * spread**-1.5 / 2
    eq_60 = delta @ (GAMMA[0] * eq_61)

    def statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return reference.batch_statistics(x.reshape(4, 1, 4, 4))

    def normalised(x: np.ndarray) -> np.ndarray:
        return reference.normalise(x.reshape(4, 1, 4, 4), *statistics(x), EPS).ravel()

    assert_agrees(eq_63[5], derivative(lambda x: x[5] - statistics(x)[0][0], x))
    assert_agrees(eq_64, derivative(lambda x: statistics(x)[1][0], x))
    assert_agrees(eq_61[5], derivative(lambda x: normalised(x)[5], x))
    assert_agrees(eq_60, derivative(lambda x: GAMMA[0] * np.dot(delta, normalised(x)), x))


def test_eq_65_takes_the_power_out_and_leaves_it_in(batch_norm_gradient):
    deviation, gamma = X - MEAN, GAMMA[:, None, None]
    line_before = DELTA * gamma * SPREAD**-0.5 - channel_sum(DELTA * gamma * SPREAD**-0.5) / N
    line_before -= channel_sum(DELTA * gamma * deviation) * deviation * SPREAD**-1.5 / N
    assert_agrees(line_before, batch_norm_gradient)
    printed = eq_65_last_line(deviation, -3 / 2)
    assert error(printed, batch_norm_gradient) == pytest.approx(0.34, rel=0.1)
    assert_agrees(eq_65_last_line(deviation, -1), batch_norm_gradient)
    assert_agrees(reference.batch_norm_grad_input(DELTA, X, GAMMA, EPS), batch_norm_gradient)
    sums = sum_delta(tensor(DELTA), SAMPLES), sum_delta_xhat(*LAYER_INPUTS, SAMPLES)
    total, along = (tensor(gamma) * each for each in sums)
    by_layer = norm_grad_input(*LAYER_INPUTS, tensor(gamma), total, along, N)
    assert_agrees(by_layer, batch_norm_gradient)


def test_eq_66_and_67_divide_by_the_batch():
    by_gamma = derivative(lambda gamma: batch_norm_loss(gamma=gamma), GAMMA)
    by_beta = derivative(lambda beta: batch_norm_loss(beta=beta), BETA)
    printed_66 = channel_sum(DELTA * (X - MEAN) * SPREAD**-0.5).ravel() / 4
    printed_67 = channel_sum(DELTA).ravel() / 4
    assert error(printed_66, by_gamma) == pytest.approx(0.75)  # 1 - 1/R
    assert error(printed_67, by_beta) == pytest.approx(0.75)
    assert_agrees(reference.batch_norm_grad_weight(DELTA, X, EPS), by_gamma)
    assert_agrees(reference.batch_norm_grad_bias(DELTA), by_beta)
    assert_agrees(sum_delta_xhat(*LAYER_INPUTS, SAMPLES).flatten(), by_gamma)
    assert_agrees(sum_delta(tensor(DELTA), SAMPLES).flatten(), by_beta)


def test_the_authors_program_subtracts_the_mean_from_delta(batch_norm_gradient):
    by_gamma = derivative(lambda gamma: batch_norm_loss(gamma=gamma), GAMMA)
    deviation = DELTA - MEAN  # where X - MEAN belongs
    program = eq_65_last_line(deviation, -1)
    assert error(program, batch_norm_gradient) == pytest.approx(7.75, rel=0.1)
    program_by_gamma = channel_sum(DELTA * deviation * SPREAD**-0.5).ravel()
    assert error(program_by_gamma, by_gamma) == pytest.approx(18.75, rel=0.1)
