"""Activation functions, element by element and along an axis; Eq. 44."""

import math

import torch
from torch import nn
from torch.autograd import Function

from tests.checks.zoo.specimen import Layer, Plain, parameter, random

SLOPE = 0.1


class ReLUFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        return delta * (x > 0)


relu = Layer("relu", Plain, ReLUFunction, (5, 4))


@relu.bug("mask-inverted")
def the_negative_half_passes(ctx, delta):
    (x,) = ctx.saved_tensors
    return delta * (x < 0)


@relu.bug("nonzero-where-zero")
def everything_passes(ctx, delta):
    return delta.clone()


@relu.bug("changes-cotangent")
def the_cotangent_is_masked_in_place(ctx, delta):
    (x,) = ctx.saved_tensors
    delta[x <= 0] = 0
    return delta


@relu.bug("changes-input")
class TheInputIsClampedInPlace(ReLUFunction):
    @staticmethod
    def forward(ctx, x):
        y = x.clamp_(min=0)
        ctx.save_for_backward(y)
        return y


class LeakyReLUFunction(Function):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, delta, ctx.slope * delta), None


class LeakyReLU(Plain):
    def forward(self, x):
        return self.function.apply(x, SLOPE)


leaky_relu = Layer("leaky_relu", LeakyReLU, LeakyReLUFunction, (5, 4))


@leaky_relu.bug("mask-inverted")
def the_halves_are_exchanged(ctx, delta):
    (x,) = ctx.saved_tensors
    return torch.where(x > 0, ctx.slope * delta, delta), None


@leaky_relu.bug("missing-factor")
def the_slope_is_forgotten(ctx, delta):
    return delta.clone(), None


@leaky_relu.bug("state-in-forward")
class TheSlopeIsAnnealedAtEveryCall(LeakyReLU):
    def __init__(self, function):
        super().__init__(function)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.function.apply(x, SLOPE / self.calls)


class PReLUFunction(Function):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x, slope)
        return torch.where(x > 0, x, slope[:, None, None] * x)

    @staticmethod
    def backward(ctx, delta):
        x, slope = ctx.saved_tensors
        grad_x = torch.where(x > 0, delta, slope[:, None, None] * delta)
        return grad_x, (delta * x.clamp(max=0)).sum((0, 2, 3))


class PReLU(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.slope = function, parameter(3)

    def forward(self, x):
        return self.function.apply(x, self.slope)


prelu = Layer("prelu", PReLU, PReLUFunction, (4, 3, 5, 2))


@prelu.bug("extra-sum")
def the_gradient_of_the_slope_sums_the_channels_too(ctx, delta):
    x, slope = ctx.saved_tensors
    grad_x = torch.where(x > 0, delta, slope[:, None, None] * delta)
    return grad_x, (delta * x.clamp(max=0)).sum().expand_as(slope)


@prelu.bug("missing-sum")
def the_gradient_of_the_slope_is_of_one_image_alone(ctx, delta):
    x, slope = ctx.saved_tensors
    grad_x = torch.where(x > 0, delta, slope[:, None, None] * delta)
    return grad_x, (delta * x.clamp(max=0))[0].sum((1, 2))


@prelu.bug("mean-for-sum")
def the_gradient_of_the_slope_is_a_mean(ctx, delta):
    x, slope = ctx.saved_tensors
    grad_x = torch.where(x > 0, delta, slope[:, None, None] * delta)
    return grad_x, (delta * x.clamp(max=0)).mean((0, 2, 3))


@prelu.bug("not-reduced")
def the_gradient_of_the_slope_has_the_shape_of_the_input(ctx, delta):
    x, slope = ctx.saved_tensors
    grad_x = torch.where(x > 0, delta, slope[:, None, None] * delta)
    return grad_x, delta * x.clamp(max=0)


@prelu.bug("not-reduced", (4, 3, 5, 3))
def the_gradient_of_the_slope_is_reduced_to_the_columns(ctx, delta):
    """As wide as there are channels, autograd itself sums what broadcasts to (3,)."""
    x, slope = ctx.saved_tensors
    grad_x = torch.where(x > 0, delta, slope[:, None, None] * delta)
    return grad_x, delta * x.clamp(max=0)


class SigmoidFunction(Function):
    @staticmethod
    def forward(ctx, x):
        y = 1 / (1 + torch.exp(-x))
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, delta):
        _, y = ctx.saved_tensors
        return delta * y * (1 - y)


sigmoid = Layer("sigmoid", Plain, SigmoidFunction, (5, 4))


@sigmoid.bug("at-output")
def the_formula_for_y_is_given_x(ctx, delta):
    x, _ = ctx.saved_tensors
    return delta * x * (1 - x)


@sigmoid.bug("precision")
def the_derivative_is_taken_in_float32(ctx, delta):
    _, y = ctx.saved_tensors
    y = y.float()
    return (delta.float() * y * (1 - y)).double()


@sigmoid.bug("keeps-tensors-on-ctx")
class TheOutputIsKeptOnCtx(SigmoidFunction):
    @staticmethod
    def forward(ctx, x):
        ctx.y = 1 / (1 + torch.exp(-x))
        return ctx.y

    @staticmethod
    def backward(ctx, delta):
        return delta * ctx.y * (1 - ctx.y)


class TanhFunction(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, delta):
        _, y = ctx.saved_tensors
        return delta * (1 - y**2)


tanh = Layer("tanh", Plain, TanhFunction, (5, 4))


@tanh.bug("at-output")
def the_formula_for_the_output_is_given_the_input(ctx, delta):
    x, _ = ctx.saved_tensors
    return delta * (1 - x**2)


@tanh.bug("detached")
def the_derivative_is_computed_without_a_graph(ctx, delta):
    _, y = ctx.saved_tensors
    with torch.no_grad():
        slope = 1 - y**2
    return delta * slope


class SoftplusFunction(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, delta):
        x, _ = ctx.saved_tensors
        return delta * torch.sigmoid(x)


softplus = Layer("softplus", Plain, SoftplusFunction, (5, 4))


@softplus.bug("at-output")
def the_sigmoid_is_taken_of_y(ctx, delta):
    _, y = ctx.saved_tensors
    return delta * torch.sigmoid(y)


def hundreds():
    return 1000 * random(5, 4)


@softplus.bug("nonfinite", hundreds)
def the_exponential_overflows(ctx, delta):
    x, _ = ctx.saved_tensors
    return delta * torch.exp(x) / (1 + torch.exp(x))


class SiLUFunction(Function):
    @staticmethod
    def forward(ctx, x):
        y = x * torch.sigmoid(x)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, delta):
        x, _ = ctx.saved_tensors
        return delta * silu_slope(x)


def silu_slope(x):
    s = torch.sigmoid(x)
    return s + x * s * (1 - s)


silu = Layer("silu", Plain, SiLUFunction, (5, 4))


@silu.bug("at-output")
def the_derivative_is_taken_at_y(ctx, delta):
    _, y = ctx.saved_tensors
    return delta * silu_slope(y)


@silu.bug("detached")
class TheSigmoidIsThatSavedByForward(SiLUFunction):
    @staticmethod
    def forward(ctx, x):
        s = torch.sigmoid(x)
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx, delta):
        x, s = ctx.saved_tensors
        return delta * (s + x * s * (1 - s))


class GELUFunction(Function):
    """x Phi(x)."""

    @staticmethod
    def forward(ctx, x):
        y = x * normal(x)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, delta):
        x, _ = ctx.saved_tensors
        return delta * gelu_slope(x)


def normal(x):
    return (1 + torch.erf(x / math.sqrt(2))) / 2


def gelu_slope(x):
    return normal(x) + x * torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


gelu = Layer("gelu", Plain, GELUFunction, (5, 4))


@gelu.bug("at-output")
def the_derivative_is_taken_at_the_output(ctx, delta):
    _, y = ctx.saved_tensors
    return delta * gelu_slope(y)


class GaussianFunction(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.exp(-(x**2))
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, delta):
        x, y = ctx.saved_tensors
        return -2 * delta * x * y


gaussian = Layer("gaussian", Plain, GaussianFunction, (5, 4))


@gaussian.bug("wrong-sign")
def the_minus_is_lost(ctx, delta):
    x, y = ctx.saved_tensors
    return 2 * delta * x * y


@gaussian.bug("constant-factor")
def the_2_is_lost(ctx, delta):
    x, y = ctx.saved_tensors
    return -delta * x * y


@gaussian.bug("missing-factor")
def the_inner_derivative_is_forgotten(ctx, delta):
    _, y = ctx.saved_tensors
    return delta * y


class AbsFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.abs()

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        return delta * x.sign()


absolute = Layer("abs", Plain, AbsFunction, (5, 4))


def with_zeros():
    return random(5, 4).clamp(min=0)


@absolute.bug("nonfinite", with_zeros)
def zero_is_divided_by_zero(ctx, delta):
    (x,) = ctx.saved_tensors
    return delta * x / x.abs()


class ClampFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        return delta * (x.abs() < 1)


clamp = Layer("clamp", Plain, ClampFunction, (5, 4))


@clamp.bug("nonzero-where-zero")
def what_is_out_of_range_passes_too(ctx, delta):
    return delta.clone()


@clamp.bug("mask-inverted")
def only_what_is_out_of_range_passes(ctx, delta):
    (x,) = ctx.saved_tensors
    return delta * (x.abs() > 1)


class MaskFunction(Function):
    @staticmethod
    def forward(ctx, x, mask):
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx, delta):
        (mask,) = ctx.saved_tensors
        return delta * mask, None


class Mask(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.register_buffer("mask", random(5, 4) > 0)

    def forward(self, x):
        return self.function.apply(x, self.mask)


masked = Layer("mask", Mask, MaskFunction, (5, 4))


@masked.bug("mask-inverted")
def what_was_dropped_is_kept(ctx, delta):
    (mask,) = ctx.saved_tensors
    return delta * ~mask, None


@masked.bug("nonzero-where-zero")
def what_was_dropped_has_a_gradient(ctx, delta):
    return delta.clone(), None


class GateFunction(Function):
    """a sigmoid(b)."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * torch.sigmoid(b)

    @staticmethod
    def backward(ctx, delta):
        a, b = ctx.saved_tensors
        s = torch.sigmoid(b)
        return delta * s, delta * a * s * (1 - s)


gate = Layer("gate", Plain, GateFunction, (5, 4), (5, 4))


@gate.bug("wrong-order")
def the_gradients_of_the_value_and_of_the_gate_are_exchanged(ctx, delta):
    a, b = ctx.saved_tensors
    s = torch.sigmoid(b)
    return delta * a * s * (1 - s), delta * s


@gate.bug("missing-factor")
def the_gradient_of_the_gate_forgets_the_value(ctx, delta):
    _, b = ctx.saved_tensors
    s = torch.sigmoid(b)
    return delta * s, delta * s * (1 - s)


class SoftmaxFunction(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.softmax(x, -1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, delta):
        (y,) = ctx.saved_tensors
        return y * (delta - (delta * y).sum(-1, keepdim=True))


softmax = Layer("softmax", Plain, SoftmaxFunction, (5, 4))


@softmax.bug("missing-sum")
def the_jacobian_is_its_diagonal(ctx, delta):
    (y,) = ctx.saved_tensors
    return delta * y * (1 - y)


@softmax.bug("extra-sum")
def the_sum_runs_over_the_batch_too(ctx, delta):
    (y,) = ctx.saved_tensors
    return y * (delta - (delta * y).sum())


@softmax.bug("detached")
def the_saved_output_is_detached(ctx, delta):
    (y,) = ctx.saved_tensors
    y = y.detach()
    return y * (delta - (delta * y).sum(-1, keepdim=True))


class LogSoftmaxFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x - x.logsumexp(-1, keepdim=True)

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        return delta - torch.softmax(x, -1) * delta.sum(-1, keepdim=True)


log_softmax = Layer("log_softmax", Plain, LogSoftmaxFunction, (5, 4))


@log_softmax.bug("nonfinite", hundreds)
def the_softmax_overflows(ctx, delta):
    (x,) = ctx.saved_tensors
    p = torch.exp(x) / torch.exp(x).sum(-1, keepdim=True)
    return delta - p * delta.sum(-1, keepdim=True)
