"""Losses, one number for a batch."""

import torch
from torch import nn
from torch.autograd import Function
from torch.nn import functional as F

from tests.checks.zoo.specimen import Layer, Plain, random

BEND = 0.7
IGNORED = -100
POSITIVE = 3


class SquaredErrorFunction(Function):
    """Eq. 16: the sum of all squares."""

    @staticmethod
    def forward(ctx, prediction, target):
        ctx.save_for_backward(prediction, target)
        return (prediction - target).square().sum()

    @staticmethod
    def backward(ctx, delta):
        prediction, target = ctx.saved_tensors
        grad = 2 * delta * (prediction - target)
        return grad, -grad


squared_error = Layer("squared_error", Plain, SquaredErrorFunction, (5, 4), (5, 4))


@squared_error.bug("extra-sum")
def the_difference_became_its_norm(ctx, delta):
    """Eq. 25 as printed: 2 ||yhat - y||, one number for all."""
    prediction, target = ctx.saved_tensors
    grad = 2 * delta * (prediction - target)
    return 2 * delta * (prediction - target).norm().expand_as(prediction), -grad


@squared_error.bug("constant-factor")
def the_2_is_forgotten(ctx, delta):
    prediction, target = ctx.saved_tensors
    grad = delta * (prediction - target)
    return grad, -grad


@squared_error.bug("mean-for-sum")
def the_gradient_is_that_of_the_mean(ctx, delta):
    prediction, target = ctx.saved_tensors
    grad = 2 * delta * (prediction - target) / prediction.numel()
    return grad, -grad


@squared_error.bug("wrong-sign")
def the_gradient_of_the_target_is_that_of_the_prediction(ctx, delta):
    prediction, target = ctx.saved_tensors
    grad = 2 * delta * (prediction - target)
    return grad, grad


@squared_error.bug("missing-factor")
def the_cotangent_is_taken_for_1(ctx, delta):
    prediction, target = ctx.saved_tensors
    grad = 2 * (prediction - target)
    return grad, -grad


class MSEFunction(Function):
    @staticmethod
    def forward(ctx, prediction, target):
        ctx.save_for_backward(prediction, target)
        return (prediction - target).square().mean()

    @staticmethod
    def backward(ctx, delta):
        prediction, target = ctx.saved_tensors
        grad = 2 * delta * (prediction - target) / prediction.numel()
        return grad, -grad


mse = Layer("mse", Plain, MSEFunction, (5, 4), (5, 4))


@mse.bug("sum-for-mean")
def the_gradient_is_that_of_the_sum(ctx, delta):
    prediction, target = ctx.saved_tensors
    grad = 2 * delta * (prediction - target)
    return grad, -grad


@mse.bug("constant-factor")
def only_the_batch_is_averaged(ctx, delta):
    prediction, target = ctx.saved_tensors
    grad = 2 * delta * (prediction - target) / len(prediction)
    return grad, -grad


class L1Function(Function):
    @staticmethod
    def forward(ctx, prediction, target):
        ctx.save_for_backward(prediction, target)
        return (prediction - target).abs().mean()

    @staticmethod
    def backward(ctx, delta):
        prediction, target = ctx.saved_tensors
        grad = delta * (prediction - target).sign() / prediction.numel()
        return grad, -grad


l1 = Layer("l1", Plain, L1Function, (5, 4), (5, 4))


@l1.bug("nonfinite", lambda: torch.eye(5, 4).double(), lambda: torch.ones(5, 4).double())
def a_perfect_prediction_is_divided_by_zero(ctx, delta):
    prediction, target = ctx.saved_tensors
    error = prediction - target
    grad = delta * error / error.abs() / prediction.numel()
    return grad, -grad


class HuberFunction(Function):
    """error^2 / 2 up to BEND, from there on a line of slope BEND."""

    @staticmethod
    def forward(ctx, prediction, target):
        ctx.save_for_backward(prediction, target)
        error = (prediction - target).abs()
        return torch.where(error < BEND, error**2 / 2, BEND * (error - BEND / 2)).mean()

    @staticmethod
    def backward(ctx, delta):
        prediction, target = ctx.saved_tensors
        error = prediction - target
        grad = delta * torch.where(error.abs() < BEND, error, BEND * error.sign())
        return grad / error.numel(), -grad / error.numel()


huber = Layer("huber", Plain, HuberFunction, (5, 4), (5, 4))


@huber.bug("missing-factor")
def the_slope_of_the_line_is_forgotten(ctx, delta):
    prediction, target = ctx.saved_tensors
    error = prediction - target
    grad = delta * torch.where(error.abs() < BEND, error, error.sign())
    return grad / error.numel(), -grad / error.numel()


@huber.bug("mask-inverted")
def line_and_parabola_are_exchanged(ctx, delta):
    prediction, target = ctx.saved_tensors
    error = prediction - target
    grad = delta * torch.where(error.abs() < BEND, BEND * error.sign(), error)
    return grad / error.numel(), -grad / error.numel()


class CrossEntropyFunction(Function):
    """The mean over the targets that are not IGNORED."""

    @staticmethod
    def forward(ctx, logits, target):
        ctx.save_for_backward(logits, target)
        kept = target != IGNORED
        chosen = F.log_softmax(logits, -1).gather(1, target.clamp(min=0)[:, None])[:, 0]
        return -(chosen * kept).sum() / kept.sum()

    @staticmethod
    def backward(ctx, delta):
        logits, target = ctx.saved_tensors
        kept = target != IGNORED
        grad = excess(torch.softmax(logits, -1), target) * kept[:, None]
        return delta * grad / kept.sum(), None


def excess(p, target):
    """The softmax minus the one-hot target."""
    return p - F.one_hot(target.clamp(min=0), p.shape[1])


def classes():
    return torch.tensor([2, 0, 3, IGNORED, 0])


cross_entropy = Layer("cross_entropy", Plain, CrossEntropyFunction, (5, 4), classes)


@cross_entropy.bug("wrong-sign")
def target_minus_softmax(ctx, delta):
    logits, target = ctx.saved_tensors
    kept = target != IGNORED
    grad = -excess(torch.softmax(logits, -1), target) * kept[:, None]
    return delta * grad / kept.sum(), None


@cross_entropy.bug("sum-for-mean")
def the_mean_is_forgotten(ctx, delta):
    logits, target = ctx.saved_tensors
    kept = target != IGNORED
    return delta * excess(torch.softmax(logits, -1), target) * kept[:, None], None


@cross_entropy.bug("constant-factor")
def the_ignored_are_counted_in_the_mean(ctx, delta):
    logits, target = ctx.saved_tensors
    kept = target != IGNORED
    grad = excess(torch.softmax(logits, -1), target) * kept[:, None]
    return delta * grad / len(target), None


@cross_entropy.bug("nonzero-where-zero")
def the_ignored_have_a_gradient(ctx, delta):
    logits, target = ctx.saved_tensors
    kept = target != IGNORED
    return delta * excess(torch.softmax(logits, -1), target) / kept.sum(), None


@cross_entropy.bug("missing-factor")
def the_cotangent_is_ignored(ctx, delta):
    logits, target = ctx.saved_tensors
    kept = target != IGNORED
    return excess(torch.softmax(logits, -1), target) * kept[:, None] / kept.sum(), None


@cross_entropy.bug("nonfinite", lambda: 1000 * random(5, 4), classes)
def the_softmax_overflows(ctx, delta):
    logits, target = ctx.saved_tensors
    kept = target != IGNORED
    p = torch.exp(logits) / torch.exp(logits).sum(-1, keepdim=True)
    return delta * excess(p, target) * kept[:, None] / kept.sum(), None


@cross_entropy.bug("detached")
class TheSoftmaxIsThatSavedByForward(CrossEntropyFunction):
    @staticmethod
    def forward(ctx, logits, target):
        ctx.save_for_backward(torch.softmax(logits, -1), target)
        return F.cross_entropy(logits, target, ignore_index=IGNORED)

    @staticmethod
    def backward(ctx, delta):
        p, target = ctx.saved_tensors
        kept = target != IGNORED
        return delta * excess(p, target) * kept[:, None] / kept.sum(), None


class WeightedCrossEntropyFunction(Function):
    """Each target counts with the weight of its class."""

    @staticmethod
    def forward(ctx, logits, target, weight):
        ctx.save_for_backward(logits, target, weight)
        return F.cross_entropy(logits, target, weight)

    @staticmethod
    def backward(ctx, delta):
        logits, target, weight = ctx.saved_tensors
        w = weight[target]
        grad = w[:, None] * excess(torch.softmax(logits, -1), target)
        return delta * grad / w.sum(), None, None


class WeightedCrossEntropy(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.register_buffer("weight", torch.rand(4).double() + 0.5)

    def forward(self, logits, target):
        return self.function.apply(logits, target, self.weight)


def all_classes():
    return torch.tensor([2, 0, 3, 1, 0])


weighted_cross_entropy = Layer(
    "weighted_cross_entropy",
    WeightedCrossEntropy,
    WeightedCrossEntropyFunction,
    (5, 4),
    all_classes,
)


@weighted_cross_entropy.bug("missing-factor")
def the_weights_are_forgotten(ctx, delta):
    logits, target, weight = ctx.saved_tensors
    grad = excess(torch.softmax(logits, -1), target)
    return delta * grad / weight[target].sum(), None, None


@weighted_cross_entropy.bug("constant-factor")
def the_mean_is_not_weighted(ctx, delta):
    logits, target, weight = ctx.saved_tensors
    grad = weight[target][:, None] * excess(torch.softmax(logits, -1), target)
    return delta * grad / len(target), None, None


class BCEWithLogitsFunction(Function):
    """The positive targets count POSITIVE times."""

    @staticmethod
    def forward(ctx, logits, target):
        ctx.save_for_backward(logits, target)
        weight = torch.where(target == 1, POSITIVE, 1)
        return (weight * F.softplus(torch.where(target == 1, -logits, logits))).mean()

    @staticmethod
    def backward(ctx, delta):
        logits, target = ctx.saved_tensors
        weight = torch.where(target == 1, POSITIVE, 1)
        return delta * weight * (torch.sigmoid(logits) - target) / target.numel(), None


def zeros_and_ones():
    return (random(5, 4) > 0).long()


bce_with_logits = Layer("bce_with_logits", Plain, BCEWithLogitsFunction, (5, 4), zeros_and_ones)


@bce_with_logits.bug("missing-factor")
def the_weight_of_the_positive_is_forgotten(ctx, delta):
    logits, target = ctx.saved_tensors
    return delta * (torch.sigmoid(logits) - target) / target.numel(), None


@bce_with_logits.bug("mask-inverted")
def the_negative_are_weighted(ctx, delta):
    logits, target = ctx.saved_tensors
    weight = torch.where(target == 0, POSITIVE, 1)
    return delta * weight * (torch.sigmoid(logits) - target) / target.numel(), None


@bce_with_logits.bug("precision")
def the_probabilities_are_float32(ctx, delta):
    logits, target = ctx.saved_tensors
    weight = torch.where(target == 1, POSITIVE, 1)
    p = torch.sigmoid(logits.float())
    return delta * weight * (p - target) / target.numel(), None


class HingeFunction(Function):
    """max(0, 1 - y score), y = -1 or 1."""

    @staticmethod
    def forward(ctx, score, y):
        ctx.save_for_backward(score, y)
        return (1 - y * score).clamp(min=0).mean()

    @staticmethod
    def backward(ctx, delta):
        score, y = ctx.saved_tensors
        return -delta * y * (y * score < 1) / score.numel(), None


def signs():
    return 2 * zeros_and_ones() - 1


hinge = Layer("hinge", Plain, HingeFunction, (5, 4), signs)


@hinge.bug("mask-inverted")
def those_beyond_the_margin_pay(ctx, delta):
    score, y = ctx.saved_tensors
    return -delta * y * (y * score > 1) / score.numel(), None


@hinge.bug("missing-factor")
def the_sign_of_the_target_is_forgotten(ctx, delta):
    score, y = ctx.saved_tensors
    return -delta * (y * score < 1) / score.numel(), None


@hinge.bug("sum-for-mean")
def the_gradient_is_not_averaged(ctx, delta):
    score, y = ctx.saved_tensors
    return -delta * y * (y * score < 1), None


class TripletFunction(Function):
    """max(0, ||a - p||^2 - ||a - n||^2 + 1)."""

    @staticmethod
    def forward(ctx, anchor, positive, negative):
        ctx.save_for_backward(anchor, positive, negative)
        return excess_distance(anchor, positive, negative).clamp(min=0).mean()

    @staticmethod
    def backward(ctx, delta):
        anchor, positive, negative = ctx.saved_tensors
        active = excess_distance(anchor, positive, negative) > 0
        d = 2 * delta * active[:, None] / len(anchor)
        return d * (negative - positive), d * (positive - anchor), d * (anchor - negative)


def excess_distance(anchor, positive, negative):
    return (anchor - positive).square().sum(-1) - (anchor - negative).square().sum(-1) + 1


triplet = Layer("triplet", Plain, TripletFunction, (5, 4), (5, 4), (5, 4))


@triplet.bug("wrong-order")
def positive_and_negative_are_exchanged(ctx, delta):
    anchor, positive, negative = ctx.saved_tensors
    active = excess_distance(anchor, positive, negative) > 0
    d = 2 * delta * active[:, None] / len(anchor)
    return d * (negative - positive), d * (anchor - negative), d * (positive - anchor)


@triplet.bug("nonzero-where-zero")
def triplets_beyond_the_margin_pay(ctx, delta):
    anchor, positive, negative = ctx.saved_tensors
    d = 2 * delta / len(anchor)
    return d * (negative - positive), d * (positive - anchor), d * (anchor - negative)
