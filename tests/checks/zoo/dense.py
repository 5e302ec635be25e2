"""Fully connected layers, products and look-up tables."""

import torch
from torch import nn
from torch.autograd import Function
from torch.nn import functional as F

from tests.checks.zoo.specimen import Layer, Plain, parameter, random


class LinearFunction(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight + bias

    @staticmethod
    def backward(ctx, delta):
        x, weight = ctx.saved_tensors
        return delta @ weight.T, x.T @ delta, delta.sum(0)


class Linear(nn.Module):
    OUT = 3

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight, self.bias = parameter(4, self.OUT), parameter(self.OUT)

    def forward(self, x):
        return self.function.apply(x, self.weight, self.bias)


linear = Layer("linear", Linear, LinearFunction, (5, 4))


@linear.bug("wrong-sign")
def the_input_gradient_is_negated(ctx, delta):
    x, weight = ctx.saved_tensors
    return -delta @ weight.T, x.T @ delta, delta.sum(0)


@linear.bug("constant-factor")
def the_weight_gradient_has_the_learning_rate_in_it(ctx, delta):
    x, weight = ctx.saved_tensors
    return delta @ weight.T, 0.1 * x.T @ delta, delta.sum(0)


@linear.bug("mean-for-sum")
def the_weight_gradient_is_averaged_over_the_batch(ctx, delta):
    x, weight = ctx.saved_tensors
    return delta @ weight.T, x.T @ delta / len(x), delta.sum(0)


@linear.bug("mean-for-sum")
def the_bias_gradient_is_averaged_over_the_batch(ctx, delta):
    x, weight = ctx.saved_tensors
    return delta @ weight.T, x.T @ delta, delta.mean(0)


@linear.bug("missing-sum")
def the_weight_gradient_is_of_the_last_row_alone(ctx, delta):
    x, weight = ctx.saved_tensors
    for row, d in zip(x, delta, strict=True):
        grad_weight = torch.outer(row, d)
    return delta @ weight.T, grad_weight, delta.sum(0)


@linear.bug("missing-sum")
def the_bias_gradient_is_of_the_first_row_alone(ctx, delta):
    x, weight = ctx.saved_tensors
    return delta @ weight.T, x.T @ delta, delta[0]


@linear.bug("extra-sum")
def the_bias_gradient_sums_the_outputs_too(ctx, delta):
    x, weight = ctx.saved_tensors
    return delta @ weight.T, x.T @ delta, delta.sum().expand(delta.shape[1])


@linear.bug("detached")
def the_saved_tensors_are_read_through_data(ctx, delta):
    x, weight = (saved.data for saved in ctx.saved_tensors)
    return delta @ weight.T, x.T @ delta, delta.sum(0)


@linear.bug("precision")
def the_weight_gradient_is_a_product_in_float32(ctx, delta):
    x, weight = ctx.saved_tensors
    return delta @ weight.T, (x.T.float() @ delta.float()).double(), delta.sum(0)


@linear.bug("keeps-tensors-on-ctx")
class TheInputIsKeptOnCtx(LinearFunction):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.x, ctx.weight = x, weight
        return x @ weight + bias

    @staticmethod
    def backward(ctx, delta):
        return delta @ ctx.weight.T, ctx.x.T @ delta, delta.sum(0)


@linear.bug("state-in-forward")
class TheSpectralNormIsRefinedAtEveryCall(Linear):
    def __init__(self, function):
        super().__init__(function)
        self.register_buffer("u", random(4))

    def forward(self, x):
        with torch.no_grad():
            v = F.normalize(self.weight.T @ self.u, dim=0)
            self.u = F.normalize(self.weight @ v, dim=0)
        return self.function.apply(x, self.weight / (self.u @ self.weight @ v), self.bias)


class SquareLinear(Linear):
    OUT = 4


square_linear = Layer("square linear", SquareLinear, LinearFunction, (5, 4))


@square_linear.bug("transposed")
def the_input_gradient_goes_through_the_weight_untransposed(ctx, delta):
    x, weight = ctx.saved_tensors
    return delta @ weight, x.T @ delta, delta.sum(0)


@square_linear.bug("transposed")
def the_weight_gradient_is_transposed(ctx, delta):
    x, weight = ctx.saved_tensors
    return delta @ weight.T, delta.T @ x, delta.sum(0)


@square_linear.bug("not-reduced", (4, 4))
def the_bias_gradient_sums_the_outputs_instead_of_the_batch(ctx, delta):
    x, weight = ctx.saved_tensors
    return delta @ weight.T, x.T @ delta, delta.sum(1)


class DenseFunction(Function):
    """Eq. 7 with the hyperbolic tangent: tanh(X W + b)."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        y = torch.tanh(x @ weight + bias)
        ctx.save_for_backward(x, weight, y)
        return y

    @staticmethod
    def backward(ctx, delta):
        x, weight, y = ctx.saved_tensors
        d = delta * (1 - y**2)
        return d @ weight.T, x.T @ d, d.sum(0)


dense = Layer("dense", Linear, DenseFunction, (5, 4))


@dense.bug("missing-factor")
def the_weight_gradient_forgets_the_activation(ctx, delta):
    """Eq. 27 as printed."""
    x, weight, y = ctx.saved_tensors
    d = delta * (1 - y**2)
    return d @ weight.T, x.T @ delta, d.sum(0)


@dense.bug("missing-factor")
def the_input_gradient_forgets_the_activation(ctx, delta):
    """Eq. 26 as printed."""
    x, weight, y = ctx.saved_tensors
    d = delta * (1 - y**2)
    return delta @ weight.T, x.T @ d, d.sum(0)


@dense.bug("missing-sum")
def the_bias_gradient_is_of_the_last_row_alone(ctx, delta):
    """Eq. 33 as printed, row after row."""
    x, weight, y = ctx.saved_tensors
    d = delta * (1 - y**2)
    for row in d:
        grad_bias = row
    return d @ weight.T, x.T @ d, grad_bias


@dense.bug("changes-cotangent")
def the_cotangent_is_multiplied_in_place(ctx, delta):
    x, weight, y = ctx.saved_tensors
    delta *= 1 - y**2
    return delta @ weight.T, x.T @ delta, delta.sum(0)


class TwoLayersFunction(Function):
    @staticmethod
    def forward(ctx, x, weight1, weight2):
        hidden = torch.tanh(x @ weight1)
        ctx.save_for_backward(x, weight1, weight2)
        return torch.tanh(hidden @ weight2)

    @staticmethod
    def backward(ctx, delta):
        x, weight1, weight2 = ctx.saved_tensors
        hidden, d2, d1 = deltas(delta, x, weight1, weight2)
        return d1 @ weight1.T, x.T @ d1, hidden.T @ d2


def deltas(delta, x, weight1, weight2):
    """The hidden layer, and dL/dZ of the second and of the first layer."""
    hidden = torch.tanh(x @ weight1)
    d2 = delta * (1 - torch.tanh(hidden @ weight2) ** 2)
    return hidden, d2, d2 @ weight2.T * (1 - hidden**2)


class TwoLayers(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight1, self.weight2 = parameter(4, 4), parameter(4, 4)

    def forward(self, x):
        return self.function.apply(x, self.weight1, self.weight2)


two_layers = Layer("two layers", TwoLayers, TwoLayersFunction, (5, 4))


@two_layers.bug("wrong-tensor")
def the_input_gradient_goes_through_the_next_weight(ctx, delta):
    """Eq. 31 as printed: W of layer l + 1."""
    x, weight1, weight2 = ctx.saved_tensors
    hidden, d2, d1 = deltas(delta, x, weight1, weight2)
    return d1 @ weight2.T, x.T @ d1, hidden.T @ d2


@two_layers.bug("wrong-order")
def the_weight_gradients_are_exchanged(ctx, delta):
    x, weight1, weight2 = ctx.saved_tensors
    hidden, d2, d1 = deltas(delta, x, weight1, weight2)
    return d1 @ weight1.T, hidden.T @ d2, x.T @ d1


class ProductFunction(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, delta):
        a, b = ctx.saved_tensors
        return delta * b, delta * a


product = Layer("product", Plain, ProductFunction, (5, 4), (5, 4))


@product.bug("wrong-order")
def the_gradients_of_both_factors_are_exchanged(ctx, delta):
    a, b = ctx.saved_tensors
    return delta * a, delta * b


@product.bug("detached")
def the_second_factor_is_detached(ctx, delta):
    a, b = ctx.saved_tensors
    return delta * b.detach(), delta * a


class EmbeddingFunction(Function):
    """Rows of a table; token 0 fills up the sequence and is all zeros."""

    @staticmethod
    def forward(ctx, tokens, table):
        ctx.save_for_backward(tokens)
        ctx.shape = table.shape
        return table[tokens] * (tokens != 0)[..., None]

    @staticmethod
    def backward(ctx, delta):
        (tokens,) = ctx.saved_tensors
        delta = delta * (tokens != 0)[..., None]
        return None, delta.new_zeros(ctx.shape).index_put((tokens,), delta, accumulate=True)


class Embedding(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.table = function, parameter(6, 3)

    def forward(self, tokens):
        return self.function.apply(tokens, self.table)


def sentences():
    return torch.tensor([[1, 5, 3, 0], [2, 5, 5, 1]])


embedding = Layer("embedding", Embedding, EmbeddingFunction, sentences)


@embedding.bug("overlap-overwritten")
def a_repeated_token_counts_once(ctx, delta):
    (tokens,) = ctx.saved_tensors
    delta = delta * (tokens != 0)[..., None]
    return None, delta.new_zeros(ctx.shape).index_put((tokens,), delta)


@embedding.bug("nonzero-where-zero")
def padding_has_a_gradient(ctx, delta):
    (tokens,) = ctx.saved_tensors
    return None, delta.new_zeros(ctx.shape).index_put((tokens,), delta, accumulate=True)
