"""Layers and bugs by somebody who had not seen how the doctor names causes."""

import torch
from torch import nn
from torch.autograd import Function
from torch.nn import functional as F

from tests.checks.zoo.specimen import Layer, Plain, Specimen, parameter


class CosineFunction(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))

    @staticmethod
    def backward(ctx, delta):
        a, b, norm_a, norm_b, cosine = cosines(ctx)
        delta = delta[:, None]
        grad_a = delta * (b / (norm_a * norm_b) - cosine * a / norm_a**2)
        grad_b = delta * (a / (norm_a * norm_b) - cosine * b / norm_b**2)
        return grad_a, grad_b


def cosines(ctx):
    a, b = ctx.saved_tensors
    norm_a, norm_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    return a, b, norm_a, norm_b, (a * b).sum(1, keepdim=True) / (norm_a * norm_b)


cosine_similarity = Layer("cosine_similarity", Plain, CosineFunction, (5, 7), (5, 7))


@cosine_similarity.bug("wrong-sign")
def the_term_of_the_norm_is_added(ctx, delta):
    a, b, norm_a, norm_b, cosine = cosines(ctx)
    delta = delta[:, None]
    grad_a = delta * (b / (norm_a * norm_b) + cosine * a / norm_a**2)
    grad_b = delta * (a / (norm_a * norm_b) - cosine * b / norm_b**2)
    return grad_a, grad_b


class QuadraticFormFunction(Function):
    """x^T A x for each row x; A is not symmetric."""

    @staticmethod
    def forward(ctx, x, matrix):
        ctx.save_for_backward(x, matrix)
        return (x @ matrix * x).sum(1)

    @staticmethod
    def backward(ctx, delta):
        x, matrix = ctx.saved_tensors
        delta = delta[:, None]
        return delta * (x @ matrix + x @ matrix.T), x.T @ (delta * x)


class QuadraticForm(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.matrix = function, parameter(4, 4)

    def forward(self, x):
        return self.function.apply(x, self.matrix)


quadratic_form = Layer("quadratic form", QuadraticForm, QuadraticFormFunction, (5, 4))


@quadratic_form.bug("other")
def the_first_x_is_taken_for_a_constant(ctx, delta):
    """The product rule with one of its two terms."""
    x, matrix = ctx.saved_tensors
    delta = delta[:, None]
    return delta * (x @ matrix), x.T @ (delta * x)


class LSTMCellFunction(Function):
    """From the four gates before their activations, and the cell, to the hidden state and cell."""

    @staticmethod
    def forward(ctx, gates, cell):
        ctx.save_for_backward(gates, cell)
        *_, o, new_cell = opened(gates, cell)
        return o * torch.tanh(new_cell), new_cell

    @staticmethod
    def backward(ctx, delta_hidden, delta_cell):
        gates, cell = ctx.saved_tensors
        i, f, g, o, new_cell = opened(gates, cell)
        t = torch.tanh(new_cell)
        delta = delta_cell + delta_hidden * o * (1 - t**2)
        grad_i, grad_f = delta * g * i * (1 - i), delta * cell * f * (1 - f)
        grad_g, grad_o = delta * i * (1 - g**2), delta_hidden * t * o * (1 - o)
        return torch.cat([grad_i, grad_f, grad_g, grad_o], 1), delta * f


def opened(gates, cell):
    i, f, g, o = gates.chunk(4, 1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    return i, f, g, o, f * cell + i * g


lstm_cell = Layer("lstm cell", Plain, LSTMCellFunction, (5, 12), (5, 3))


@lstm_cell.bug("wrong-tensor")
def the_forget_gate_meets_the_new_cell(ctx, delta_hidden, delta_cell):
    gates, cell = ctx.saved_tensors
    i, f, g, o, new_cell = opened(gates, cell)
    t = torch.tanh(new_cell)
    delta = delta_cell + delta_hidden * o * (1 - t**2)
    grad_i, grad_f = delta * g * i * (1 - i), delta * new_cell * f * (1 - f)
    grad_g, grad_o = delta * i * (1 - g**2), delta_hidden * t * o * (1 - o)
    return torch.cat([grad_i, grad_f, grad_g, grad_o], 1), delta * f


class DepthwiseConv2dFunction(Function):
    """One kernel for each channel; the pixels of the border are repeated all around."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return F.conv2d(repeated(x), weight, groups=len(weight))

    @staticmethod
    def backward(ctx, delta):
        x, weight = ctx.saved_tensors
        grad_padded = F.conv_transpose2d(delta, weight, groups=len(weight))
        return folded(folded(grad_padded, 2), 3), depthwise_weight_gradient(x, weight, delta)


def repeated(x):
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


def folded(grad, axis):
    """The gradient of the first and the last slice goes to their neighbours, which they repeat."""
    first, second, *inner, last, beyond = grad.unbind(axis)
    return torch.stack([first + second, *inner, last + beyond], axis)


def depthwise_weight_gradient(x, weight, delta):
    groups = len(weight)
    return nn.grad.conv2d_weight(repeated(x), weight.shape, delta, groups=groups)


class DepthwiseConv2d(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.weight = function, parameter(3, 1, 3, 3)

    def forward(self, x):
        return self.function.apply(x, self.weight)


depthwise_conv2d = Layer("depthwise conv2d", DepthwiseConv2d, DepthwiseConv2dFunction, (2, 3, 6, 5))


@depthwise_conv2d.bug("missing-sum")
def the_gradient_of_the_repeated_pixels_is_cut_off(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_padded = F.conv_transpose2d(delta, weight, groups=len(weight))
    return grad_padded[:, :, 1:-1, 1:-1], depthwise_weight_gradient(x, weight, delta)


class GroupNormFunction(Function):
    GROUPS, EPS = 2, 1e-3

    @staticmethod
    def forward(ctx, x, gamma, beta):
        ctx.save_for_backward(x, gamma)
        centred, variance = in_groups(x)
        normalised = (centred / torch.sqrt(variance + GroupNormFunction.EPS)).view_as(x)
        return normalised * gamma[:, None, None] + beta[:, None, None]

    @staticmethod
    def backward(ctx, delta):
        x, gamma = ctx.saved_tensors
        centred, variance = in_groups(x)
        deviation = torch.sqrt(variance + GroupNormFunction.EPS)
        return group_norm_gradients(centred / deviation, deviation, gamma, delta)


def in_groups(x):
    """What is left of x without the mean of its group, and the variance: images, groups, rest."""
    x = x.reshape(len(x), GroupNormFunction.GROUPS, -1)
    centred = x - x.mean(2, keepdim=True)
    return centred, (centred**2).mean(2, keepdim=True)


def group_norm_gradients(normalised, deviation, gamma, delta):
    d = (delta * gamma[:, None, None]).reshape(normalised.shape)
    d = d - d.mean(2, keepdim=True) - normalised * (d * normalised).mean(2, keepdim=True)
    grad_gamma = (delta * normalised.reshape(delta.shape)).sum((0, 2, 3))
    return (d / deviation).reshape(delta.shape), grad_gamma, delta.sum((0, 2, 3))


class GroupNorm(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.gamma, self.beta = parameter(4), parameter(4)

    def forward(self, x):
        return self.function.apply(x, self.gamma, self.beta)


group_norm = Layer("group_norm", GroupNorm, GroupNormFunction, (3, 4, 5, 2))


@group_norm.bug("other")
def epsilon_is_added_to_the_root(ctx, delta):
    x, gamma = ctx.saved_tensors
    centred, variance = in_groups(x)
    deviation = torch.sqrt(variance) + GroupNormFunction.EPS
    return group_norm_gradients(centred / deviation, deviation, gamma, delta)


class AttentionFunction(Function):
    """softmax(Q K^T / sqrt(d)) V."""

    @staticmethod
    def forward(ctx, query, key, value):
        ctx.save_for_backward(query, key, value)
        return attended(query, key) @ value

    @staticmethod
    def backward(ctx, delta):
        query, key, value = ctx.saved_tensors
        weights = attended(query, key)
        d = scores_gradient(weights, delta @ value.T) / query.shape[1] ** 0.5
        return d @ key, d.T @ query, weights.T @ delta


def attended(query, key):
    return torch.softmax(query @ key.T / query.shape[1] ** 0.5, 1)


def scores_gradient(weights, d):
    return weights * (d - (weights * d).sum(1, keepdim=True))


attention = Layer("attention", Plain, AttentionFunction, (5, 4), (6, 4), (6, 3))


@attention.bug("constant-factor")
def the_gradient_of_the_keys_is_not_divided_by_the_root_of_d(ctx, delta):
    query, key, value = ctx.saved_tensors
    weights = attended(query, key)
    d = scores_gradient(weights, delta @ value.T)
    return d @ key / query.shape[1] ** 0.5, d.T @ query, weights.T @ delta


class EmbeddingBagFunction(Function):
    """The mean of the rows of each bag; bags says in which bag each token lies."""

    @staticmethod
    def forward(ctx, tokens, bags, table):
        ctx.save_for_backward(tokens, bags)
        ctx.shape = table.shape
        lengths = torch.bincount(bags)
        total = table.new_zeros(len(lengths), table.shape[1]).index_add(0, bags, table[tokens])
        return total / lengths[:, None]

    @staticmethod
    def backward(ctx, delta):
        tokens, bags = ctx.saved_tensors
        delta = delta / torch.bincount(bags)[:, None]
        return None, None, delta.new_zeros(ctx.shape).index_add(0, tokens, delta[bags])


class EmbeddingBag(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.table = function, parameter(6, 3)

    def forward(self, tokens, bags):
        return self.function.apply(tokens, bags, self.table)


embedding_bag = Layer(
    "embedding bag",
    EmbeddingBag,
    EmbeddingBagFunction,
    lambda: torch.tensor([1, 5, 3, 2, 5, 5, 0]),
    lambda: torch.tensor([0, 0, 1, 2, 2, 2, 2]),
)


@embedding_bag.bug("sum-for-mean")
def delta_is_not_divided_by_the_length_of_the_bag(ctx, delta):
    tokens, bags = ctx.saved_tensors
    return None, None, delta.new_zeros(ctx.shape).index_add(0, tokens, delta[bags])


class MishFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.tanh(F.softplus(x))

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        t = torch.tanh(F.softplus(x))
        return delta * (t + x * (1 - t**2) * torch.sigmoid(x))


mish = Layer("mish", Plain, MishFunction, (5, 4))


@mish.bug("missing-factor")
def the_derivative_of_the_softplus_is_forgotten(ctx, delta):
    (x,) = ctx.saved_tensors
    t = torch.tanh(F.softplus(x))
    return delta * (t + x * (1 - t**2))


class CumulativeSumFunction(Function):
    @staticmethod
    def forward(ctx, x):
        return x.cumsum(1)

    @staticmethod
    def backward(ctx, delta):
        return delta.flip(1).cumsum(1).flip(1)


cumulative_sum = Layer("cumulative sum", Plain, CumulativeSumFunction, (5, 4))


@cumulative_sum.bug("transposed")
def delta_is_summed_from_the_beginning(ctx, delta):
    return delta.cumsum(1)


class TransposedConv2dFunction(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return F.conv_transpose2d(x, weight, stride=2)

    @staticmethod
    def backward(ctx, delta):
        x, weight = ctx.saved_tensors
        grad_weight = nn.grad.conv2d_weight(delta, weight.shape, x, stride=2)
        return F.conv2d(delta, weight, stride=2), grad_weight


class TransposedConv2d(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.weight = function, parameter(3, 2, 3, 3)

    def forward(self, x):
        return self.function.apply(x, self.weight)


transposed_conv2d = Layer(
    "transposed conv2d", TransposedConv2d, TransposedConv2dFunction, (2, 3, 4, 3)
)


@transposed_conv2d.bug("kernel-not-rotated")
def the_kernel_is_rotated_as_for_a_convolution(ctx, delta):
    """It is the plain convolution that needs the rotation, not this one."""
    x, weight = ctx.saved_tensors
    grad_weight = nn.grad.conv2d_weight(delta, weight.shape, x, stride=2)
    return F.conv2d(delta, weight.flip(2, 3), stride=2), grad_weight


class WeightNormFunction(Function):
    """x W, where each column of W is a direction v / |v| and a length g."""

    @staticmethod
    def forward(ctx, x, v, g):
        ctx.save_for_backward(x, v, g)
        return x @ (g * v / v.norm(dim=0))

    @staticmethod
    def backward(ctx, delta):
        x, v, g = ctx.saved_tensors
        norm = v.norm(dim=0)
        grad_weight = x.T @ delta
        grad_g = (grad_weight * v / norm).sum(0)
        return delta @ (g * v / norm).T, g / norm * (grad_weight - grad_g * v / norm), grad_g


class WeightNorm(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.v, self.g = parameter(4, 3), parameter(3)

    def forward(self, x):
        return self.function.apply(x, self.v, self.g)


weight_norm = Layer("weight norm", WeightNorm, WeightNormFunction, (5, 4))


@weight_norm.bug("variance-constant")
def the_length_of_v_is_taken_for_a_constant(ctx, delta):
    x, v, g = ctx.saved_tensors
    norm = v.norm(dim=0)
    grad_weight = x.T @ delta
    grad_g = (grad_weight * v / norm).sum(0)
    return delta @ (g * v / norm).T, g / norm * grad_weight, grad_g


class LogSumExpFunction(Function):
    """A smooth maximum of each row."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.logsumexp(1)

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        return delta[:, None] * torch.softmax(x, 1)


log_sum_exp = Layer("log-sum-exp", Plain, LogSumExpFunction, (5, 4))


@log_sum_exp.bug("other")
def the_softmax_is_taken_along_the_columns(ctx, delta):
    (x,) = ctx.saved_tensors
    return delta[:, None] * torch.softmax(x, 0)


_LAYERS = [layer for layer in list(vars().values()) if isinstance(layer, Layer)]

FRESH: list[Specimen] = [bug for layer in _LAYERS for bug in layer.bugs]
FRESH_HEALTHY: list[Specimen] = [layer.healthy for layer in _LAYERS]
