"""The report's sums in plain NumPy, index by index: slow on purpose, to be read beside the report.

In each function the loop over `np.ndindex` runs through the free indices on the equation's left
side, and `sum(... for ...)` is its sum. All that is fast in this package is compared with this.

Shapes, the same everywhere, as the report has them:

    R        batch                      H x W     height and width of the input
    C        channels in                H' x W'   height and width of the output
    C'       channels out (kernels)     k         kernel (kH x kW where it need not be square)
    s, p     stride, zero padding       n         R H W, the values of one channel

X is a layer's input, Y its output (X^(l+1) in the report) and delta = dL/dY (`grad_output`,
Eq. 29). A primed index (h') counts in the output. All sums are in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Size = tuple[int, int]


def _expect_shape(name: str, array: Array, expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}, but {expected} fits the other arguments")


# Element by element: activations


def elementwise(function: Callable[[float], float], input: Array) -> Array:
    """Eq. 1-4 and 44: Y[r,c,h,w] = f(X[r,c,h,w]). Its gradient is dL/dX = delta f'(X), Eq. 45."""
    output = np.zeros(input.shape)
    for index, x in np.ndenumerate(input):
        output[index] = function(x)
    return output


def sigmoid(x: float) -> float:
    """Eq. 8: sigma(x) = 1 / (1 + e^-x), extended by e^x for x < 0, where e^-x would overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def sigmoid_derivative(x: float) -> float:
    """Eq. 11: sigma'(x) = sigma(x) (1 - sigma(x)); 1 - sigma(x) is sigma(-x), with all digits."""
    return sigmoid(x) * sigmoid(-x)


def tanh(x: float) -> float:
    """Eq. 9: (e^x - e^-x) / (e^x + e^-x), reduced by e^|x|, which would overflow."""
    return math.copysign(-math.expm1(-2 * abs(x)) / (1 + math.exp(-2 * abs(x))), x)


def tanh_derivative(x: float) -> float:
    """Eq. 12: tanh'(x) = 1 - tanh(x)^2."""
    return 1 - tanh(x) ** 2


def relu(x: float) -> float:
    """Eq. 10: ReLU(x) = 0 for x < 0, x for x >= 0."""
    return 0.0 if x < 0 else x


def relu_derivative(x: float) -> float:
    """Eq. 13: ReLU'(x) = 0 for x <= 0, 1 for x > 0.

    Corrected: Eq. 13 prints 1 at x = 0, where its text allows 0 or 1; 0 is chosen, as PyTorch does.
    Eq. 14 and 15 print the limits of ReLU where those of ReLU' are meant.
    """
    return 0.0 if x <= 0 else 1.0


# Feed-forward layers


def linear(input: Array, weight: Array, bias: Array) -> Array:
    """The product Z = XW + b inside Y = f(Z), Eq. 6 and 7. torch.nn.Linear stores W transposed.

        Z[r, o] = sum_i X[r, i] W[i, o] + b[o]
    Shapes: input (R, in), weight (in, out), bias (out,) -> (R, out).
    """
    (R, width), (_, width_out) = input.shape, weight.shape
    _expect_shape("weight", weight, (width, width_out))
    _expect_shape("bias", bias, (width_out,))
    output = np.zeros((R, width_out))
    for r, o in np.ndindex(output.shape):
        output[r, o] = sum(input[r, i] * weight[i, o] for i in range(width)) + bias[o]
    return output


def linear_grad_input(grad_output: Array, weight: Array) -> Array:
    """Eq. 31: dL/dX = (delta * f'(Z)) W^T, with dL/dZ = delta * f'(Z) as `grad_output`.

        dL/dX[r, i] = sum_o dL/dZ[r, o] W[i, o]
    Shapes: grad_output (R, out), weight (in, out) -> (R, in).

    Corrected: the report prints the next layer's weight W^(l+1); it is this layer's, W^(l).
    """
    (R, _), (width, width_out) = grad_output.shape, weight.shape
    _expect_shape("grad_output", grad_output, (R, width_out))
    grad_input = np.zeros((R, width))
    for r, i in np.ndindex(grad_input.shape):
        grad_input[r, i] = sum(grad_output[r, o] * weight[i, o] for o in range(width_out))
    return grad_input


def linear_grad_weight(input: Array, grad_output: Array) -> Array:
    """Eq. 32: dL/dW = X^T (delta * f'(Z)), with dL/dZ = delta * f'(Z) as `grad_output`.

        dL/dW[i, o] = sum_r X[r, i] dL/dZ[r, o]
    Shapes: input (R, in), grad_output (R, out) -> (in, out).
    """
    (R, width), (_, width_out) = input.shape, grad_output.shape
    _expect_shape("grad_output", grad_output, (R, width_out))
    grad_weight = np.zeros((width, width_out))
    for i, o in np.ndindex(grad_weight.shape):
        grad_weight[i, o] = sum(input[r, i] * grad_output[r, o] for r in range(R))
    return grad_weight


def linear_grad_bias(grad_output: Array) -> Array:
    """Eq. 33: dL/db, with dL/dZ = delta * f'(Z) as `grad_output`.

        dL/db[o] = sum_r dL/dZ[r, o]
    Shapes: grad_output (R, out) -> (out,).

    Corrected: as printed the sum over the rows r of a batch is missing.
    """
    R, width_out = grad_output.shape
    return np.array([sum(grad_output[r, o] for r in range(R)) for o in range(width_out)], float)


def squared_error(prediction: Array, target: Array) -> float:
    """Eq. 16: L = ||yhat - y||^2, the sum over all elements (PyTorch's reduction="sum")."""
    _expect_shape("target", target, prediction.shape)
    return sum((y_hat - y) ** 2 for y_hat, y in zip(prediction.flat, target.flat, strict=True))


def squared_error_grad(prediction: Array, target: Array) -> Array:
    """Eq. 25 and 30: dL/dyhat = 2 (yhat - y), the delta of the last layer.

    Corrected: the report prints the norm, 2 ||yhat - y||, one number for all elements.
    """
    _expect_shape("target", target, prediction.shape)
    return 2 * (prediction - target)


def sgd_step(parameter: Array, gradient: Array, learning_rate: float) -> Array:
    """Eq. 20: theta - alpha dL/dtheta, the new theta; alpha > 0 is the learning rate."""
    _expect_shape("gradient", gradient, parameter.shape)
    return parameter - learning_rate * gradient


# Convolution


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """H' = (H - k + 2p) / s + 1, rounded down: Eq. 34 and 35, with p = 0 Eq. 46 and 47."""
    if stride < 1 or padding < 0 or not 1 <= kernel <= size + 2 * padding:
        raise ValueError(
            f"kernel {kernel}, stride {stride} and padding {padding} do not fit size {size}: needed"
            f" are stride >= 1, padding >= 0 and 1 <= kernel <= {size + 2 * padding}"
        )
    return (size - kernel + 2 * padding) // stride + 1


def _pad(input: Array, padding: int) -> Array:
    return np.pad(input, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def conv(input: Array, weight: Array, bias: Array, stride: int = 1, padding: int = 0) -> Array:
    """Convolution, Eq. 37-39; X is zero-padded by p on each side (the report's figure 7).

        Y[r, c', h', w'] = sum_c sum_j sum_i X[r, c, s h' + j, s w' + i] W[c', c, j, i] + b[c']
    Shapes: input (R, C, H, W), weight (C', C, kH, kW), bias (C',) -> (R, C', H', W'), Eq. 34-36.

    Corrected: as printed the sum forgets the stride, X[r, c, h' + j, w' + i]. It has no b.
    """
    (R, C, H, W), (C_out, _, kH, kW) = input.shape, weight.shape
    _expect_shape("weight", weight, (C_out, C, kH, kW))
    _expect_shape("bias", bias, (C_out,))
    size = output_size(H, kH, stride, padding), output_size(W, kW, stride, padding)
    X, s = _pad(input, padding), stride
    output = np.zeros((R, C_out, *size))
    for r, c_out, h_out, w_out in np.ndindex(output.shape):
        output[r, c_out, h_out, w_out] = bias[c_out] + sum(
            X[r, c, s * h_out + j, s * w_out + i] * weight[c_out, c, j, i]
            for c, j, i in np.ndindex(C, kH, kW)
        )
    return output


def conv_grad_input(
    grad_output: Array, weight: Array, input_size: Size, stride: int = 1, padding: int = 0
) -> Array:
    """Eq. 40 and 41: every output that saw X[r, c, h, w] sends its delta back through its weight.

        dL/dX[r, c, h, w] = sum_c' sum_h' sum_w' W[c', c, j, i] delta[r, c', h', w'],
        j = h + p - s h' and i = w + p - s w', over the h', w' that give 0 <= j < kH, 0 <= i < kW
    Shapes: grad_output (R, C', H', W'), weight (C', C, kH, kW), input_size (H, W) -> (R, C, H, W).

    Corrected: the report has stride 1 only (j = h - h'), prints the condition on the rows twice
    instead of that on the columns, and the next layer's weight W^(l+1) for this layer's, W^(l).
    """
    (R, C_out, H_out, W_out), (_, C, kH, kW), (H, W) = grad_output.shape, weight.shape, input_size
    size = output_size(H, kH, stride, padding), output_size(W, kW, stride, padding)
    _expect_shape("weight", weight, (C_out, C, kH, kW))
    _expect_shape("grad_output", grad_output, (R, C_out, *size))
    s, p = stride, padding
    grad_input = np.zeros((R, C, H, W))
    for r, c, h, w in np.ndindex(grad_input.shape):
        grad_input[r, c, h, w] = sum(
            weight[c_out, c, h + p - s * h_out, w + p - s * w_out]
            * grad_output[r, c_out, h_out, w_out]
            for c_out, h_out, w_out in np.ndindex(C_out, H_out, W_out)
            if 0 <= h + p - s * h_out < kH and 0 <= w + p - s * w_out < kW
        )
    return grad_input


def conv_grad_weight(
    input: Array, grad_output: Array, kernel: Size, stride: int = 1, padding: int = 0
) -> Array:
    """Eq. 43: each weight gathers, from every place where it was used, the input times delta.

        dL/dW[c', c, j, i] = sum_r sum_h' sum_w' delta[r, c', h', w'] X[r, c, s h' + j, s w' + i]
    Shapes: input (R, C, H, W), grad_output (R, C', H', W'), kernel (kH, kW) -> (C', C, kH, kW).

    Corrected: the report also sums over c', though each kernel has its own gradient, divides by R,
    though delta carries the mean already where the loss is one, and forgets the stride.
    """
    (R, C, H, W), (_, C_out, H_out, W_out), (kH, kW) = input.shape, grad_output.shape, kernel
    size = output_size(H, kH, stride, padding), output_size(W, kW, stride, padding)
    _expect_shape("grad_output", grad_output, (R, C_out, *size))
    X, s = _pad(input, padding), stride
    grad_weight = np.zeros((C_out, C, kH, kW))
    for c_out, c, j, i in np.ndindex(grad_weight.shape):
        grad_weight[c_out, c, j, i] = sum(
            grad_output[r, c_out, h_out, w_out] * X[r, c, s * h_out + j, s * w_out + i]
            for r, h_out, w_out in np.ndindex(R, H_out, W_out)
        )
    return grad_weight


def conv_grad_bias(grad_output: Array) -> Array:
    """dL/db[c'] = sum_r sum_h' sum_w' delta[r, c', h', w'], which is not in the report.

    Shapes: grad_output (R, C', H', W') -> (C',).
    """
    R, C, H, W = grad_output.shape
    places = [*np.ndindex(R, H, W)]
    return np.array([sum(grad_output[r, c, h, w] for r, h, w in places) for c in range(C)], float)


# Max-pooling


def _window(output: Size, input_size: Size, kernel: int, stride: int, padding: int) -> list[Size]:
    """Where in X the window of output (h', w') lies, row by row; the padding takes no part."""
    (h_out, w_out), (H, W), s, p = output, input_size, stride, padding
    window = [(s * h_out + j - p, s * w_out + i - p) for j, i in np.ndindex(kernel, kernel)]
    return [(h, w) for h, w in window if 0 <= h < H and 0 <= w < W]


def max_pool(input: Array, kernel: int, stride: int, padding: int = 0) -> Array:
    """Max-pooling, Eq. 46-49; the report has no padding.

        Y[r, c, h', w'] = max over 0 <= j, i < k of X[r, c, s h' + j, s w' + i]
    Shapes: input (R, C, H, W) -> (R, C, H', W'), Eq. 46-48.
    """
    if 2 * padding > kernel:
        raise ValueError(f"padding {padding} is more than half of kernel {kernel}")
    R, C, H, W = input.shape
    size = output_size(H, kernel, stride, padding), output_size(W, kernel, stride, padding)
    output = np.zeros((R, C, *size))
    for r, c, h_out, w_out in np.ndindex(output.shape):
        window = _window((h_out, w_out), (H, W), kernel, stride, padding)
        output[r, c, h_out, w_out] = max(input[r, c, h, w] for h, w in window)
    return output


def max_pool_grad_input(
    grad_output: Array, input: Array, kernel: int, stride: int, padding: int = 0
) -> Array:
    """Eq. 50 and 51: an input receives the delta of every window of which it is the maximum.

        dL/dX[r, c, h, w] = sum_h' sum_w' delta[r, c, h', w'] over the windows (h', w') that it won
    Shapes: grad_output (R, C, H', W'), input (R, C, H, W) -> (R, C, H, W).

    Corrected: as printed the sum over the windows is missing, though the text below asks for it.
    Of equal values the first in row-major order wins, as in PyTorch.
    """
    _expect_shape("grad_output", grad_output, max_pool(input, kernel, stride, padding).shape)
    grad_input = np.zeros(input.shape)
    for r, c, h_out, w_out in np.ndindex(grad_output.shape):
        window = _window((h_out, w_out), input.shape[2:], kernel, stride, padding)
        h, w = max(window, key=lambda position: input[(r, c, *position)])
        grad_input[r, c, h, w] += grad_output[r, c, h_out, w_out]
    return grad_input


# Batch normalisation; gamma is `weight` and beta is `bias`, as in PyTorch


def batch_statistics(input: Array) -> tuple[Array, Array]:
    """The mean and the (biased) variance of each channel, Eq. 52 and 53.

        mu[c] = 1/n sum_r sum_h sum_w X[r, c, h, w]
        var[c] = 1/n sum_r sum_h sum_w (X[r, c, h, w] - mu[c])^2
    Shapes: input (R, C, H, W) -> (C,), (C,).
    """
    R, C, H, W = input.shape
    places, n = [*np.ndindex(R, H, W)], R * H * W
    mean, variance = np.zeros(C), np.zeros(C)
    for c in range(C):
        mean[c] = sum(input[r, c, h, w] for r, h, w in places) / n
        variance[c] = sum((input[r, c, h, w] - mean[c]) ** 2 for r, h, w in places) / n
    return mean, variance


def running_average(running: Array, batch: Array, momentum: float) -> Array:
    """Eq. 56 and 57: alpha batch + (1 - alpha) running, with alpha the momentum.

    Corrected: PyTorch's running variance takes the unbiased n/(n-1) var; pass that as `batch`.
    """
    return momentum * batch + (1 - momentum) * running


def normalise(input: Array, mean: Array, variance: Array, eps: float) -> Array:
    """Eq. 54: Xhat[r, c, h, w] = (X[r, c, h, w] - mu[c]) (var[c] + eps)^(-1/2).

    Shapes: input (R, C, H, W), mean (C,), variance (C,) -> (R, C, H, W).
    """
    output = np.zeros(input.shape)
    for r, c, h, w in np.ndindex(input.shape):
        output[r, c, h, w] = (input[r, c, h, w] - mean[c]) * (variance[c] + eps) ** -0.5
    return output


def batch_norm(input: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Eq. 55, with the batch's statistics: Y[r, c, h, w] = gamma[c] Xhat[r, c, h, w] + beta[c].

    Shapes: input (R, C, H, W), weight (C,), bias (C,) -> (R, C, H, W).
    """
    normalised = normalise(input, *batch_statistics(input), eps)
    output = np.zeros(input.shape)
    for r, c, h, w in np.ndindex(input.shape):
        output[r, c, h, w] = weight[c] * normalised[r, c, h, w] + bias[c]
    return output


def batch_norm_grad_input(grad_output: Array, input: Array, weight: Array, eps: float) -> Array:
    """Eq. 65 (from 60, 61, 63, 64): every sum is over all r, h, w of channel c, d = delta.

        dL/dX = gamma/n (var+eps)^(-1/2) (n d - sum d - (X - mu) (var+eps)^(-1) sum d (X - mu))
    Shapes: grad_output (R, C, H, W), input the same, weight (C,) -> (R, C, H, W).

    Corrected: the last line prints (var+eps)^(-3/2) inside; with -1/2 taken outside, -1 is left.
    """
    _expect_shape("grad_output", grad_output, input.shape)
    (R, C, H, W), (mean, variance) = input.shape, batch_statistics(input)
    places, n = [*np.ndindex(R, H, W)], R * H * W
    grad_input = np.zeros(input.shape)
    for c in range(C):
        d, deviation, scale = grad_output[:, c], input[:, c] - mean[c], variance[c] + eps
        sum_d = sum(d[place] for place in places)
        sum_d_deviation = sum(d[place] * deviation[place] for place in places)
        for r, h, w in places:
            grad_input[r, c, h, w] = (weight[c] / n * scale**-0.5) * (
                n * d[r, h, w] - sum_d - deviation[r, h, w] * scale**-1 * sum_d_deviation
            )
    return grad_input


def batch_norm_grad_weight(grad_output: Array, input: Array, eps: float) -> Array:
    """Eq. 66: dL/dgamma[c] = sum_r sum_h sum_w delta[r, c, h, w] Xhat[r, c, h, w].

    Shapes: grad_output (R, C, H, W), input the same -> (C,).

    Corrected: the report divides by R, though delta carries the mean where the loss is one.
    """
    _expect_shape("grad_output", grad_output, input.shape)
    (R, C, H, W), normalised = input.shape, normalise(input, *batch_statistics(input), eps)
    product, places = grad_output * normalised, [*np.ndindex(R, H, W)]
    return np.array([sum(product[r, c, h, w] for r, h, w in places) for c in range(C)], float)


def batch_norm_grad_bias(grad_output: Array) -> Array:
    """Eq. 67: dL/dbeta[c] = sum_r sum_h sum_w delta[r, c, h, w], the sum of `conv_grad_bias`.

    Corrected: the report divides by R, as in Eq. 66.
    """
    return conv_grad_bias(grad_output)
