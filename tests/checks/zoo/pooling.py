"""Pooling and its opposite, upsampling; Eq. 49 to 51."""

import torch
from torch.autograd import Function

from tests.checks.zoo.convolution import taps
from tests.checks.zoo.specimen import Layer, Plain

KERNEL, STRIDE = 3, 2


class MaxPool2dFunction(Function):
    @staticmethod
    def forward(ctx, x):
        y, winner = windows(x).max(-1)
        ctx.save_for_backward(pixel(winner, x.shape[3], STRIDE))
        ctx.shape = x.shape
        return y

    @staticmethod
    def backward(ctx, delta):
        (index,) = ctx.saved_tensors
        return scatter(delta, index, ctx.shape)


def windows(x):
    """(R, C, H', W', k * k), the windows overlap."""
    return x.unfold(2, KERNEL, STRIDE).unfold(3, KERNEL, STRIDE).flatten(-2)


def pixel(winner, width, stride):
    """Where in the image, row after row, the winner of each window lies."""
    rows, columns = (stride * torch.arange(count) for count in winner.shape[2:])
    return (rows[:, None] + winner // KERNEL) * width + columns + winner % KERNEL


def scatter(delta, index, shape):
    grad = delta.new_zeros(shape).flatten(2)
    return grad.scatter_add(2, index.flatten(2), delta.flatten(2)).view(shape)


def integers(*shape):
    return lambda: torch.randint(-2, 3, shape).double()


max_pool2d = Layer("max_pool2d", Plain, MaxPool2dFunction, (2, 3, 7, 5))


@max_pool2d.bug("overlap-overwritten")
def a_pixel_that_wins_twice_is_paid_once(ctx, delta):
    """Eq. 51 as printed."""
    (index,) = ctx.saved_tensors
    grad = delta.new_zeros(ctx.shape).flatten(2)
    return grad.scatter(2, index.flatten(2), delta.flatten(2)).view(ctx.shape)


@max_pool2d.bug("shifted-by-one")
def pixels_are_counted_from_one(ctx, delta):
    (index,) = ctx.saved_tensors
    return scatter(delta, (index - 1).clamp(min=0), ctx.shape)


@max_pool2d.bug("constant-factor")
def the_winner_gets_the_share_of_an_average(ctx, delta):
    (index,) = ctx.saved_tensors
    return scatter(delta, index, ctx.shape) / KERNEL**2


@max_pool2d.bug("stride-ignored")
class TheStrideOfTheWindowsIsForgotten(MaxPool2dFunction):
    @staticmethod
    def forward(ctx, x):
        y, winner = windows(x).max(-1)
        ctx.save_for_backward(pixel(winner, x.shape[3], stride=1))
        ctx.shape = x.shape
        return y


@max_pool2d.bug("ties-shared", integers(2, 3, 7, 5))
class EveryTiedPixelGetsAllOfDelta(MaxPool2dFunction):
    @staticmethod
    def forward(ctx, x):
        y = windows(x).amax(-1)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, delta):
        x, y = ctx.saved_tensors
        grad = torch.zeros_like(x)
        for _, _, tap in taps(*delta.shape[2:], KERNEL, STRIDE):
            grad[tap] += delta * (x[tap] == y)
        return grad


class AveragePool2dFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return windows(x).mean(-1)

    @staticmethod
    def backward(ctx, delta):
        grad = delta.new_zeros(ctx.shape)
        for _, _, tap in taps(*delta.shape[2:], KERNEL, STRIDE):
            grad[tap] += delta / KERNEL**2
        return grad


average_pool2d = Layer("average_pool2d", Plain, AveragePool2dFunction, (2, 3, 7, 5))


@average_pool2d.bug("constant-factor")
def the_average_is_taken_for_a_sum(ctx, delta):
    grad = delta.new_zeros(ctx.shape)
    for _, _, tap in taps(*delta.shape[2:], KERNEL, STRIDE):
        grad[tap] += delta
    return grad


@average_pool2d.bug("overlap-overwritten")
def a_pixel_keeps_the_share_of_its_last_window(ctx, delta):
    grad = delta.new_zeros(ctx.shape)
    for _, _, tap in taps(*delta.shape[2:], KERNEL, STRIDE):
        grad[tap] = delta / KERNEL**2
    return grad


@average_pool2d.bug("stride-ignored")
def windows_are_taken_to_lie_one_pixel_apart(ctx, delta):
    grad = delta.new_zeros(ctx.shape)
    for _, _, tap in taps(*delta.shape[2:], KERNEL):
        grad[tap] += delta / KERNEL**2
    return grad


class GlobalMaxFunction(Function):
    """ReLU and the maximum over all pixels, as at the end of a detector's branch."""

    @staticmethod
    def forward(ctx, x):
        x = x.clamp(min=0)
        y, index = x.flatten(2).max(-1, keepdim=True)
        ctx.save_for_backward(x, y, index)
        return y[..., 0]

    @staticmethod
    def backward(ctx, delta):
        x, y, index = ctx.saved_tensors
        delta = delta[..., None] * (y > 0)
        return torch.zeros_like(x).flatten(2).scatter(2, index, delta).view_as(x)


global_max = Layer("global_max", Plain, GlobalMaxFunction, (4, 3, 5, 2))


@global_max.bug("ties-shared", integers(4, 3, 5, 2))
def every_tied_pixel_gets_all_of_delta(ctx, delta):
    x, y, _ = ctx.saved_tensors
    return delta[..., None, None] * ((x == y[..., None]) & (x > 0))


class GlobalAverageFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.mean((2, 3))

    @staticmethod
    def backward(ctx, delta):
        pixels = ctx.shape[2] * ctx.shape[3]
        return delta[..., None, None].expand(ctx.shape) / pixels


global_average = Layer("global_average", Plain, GlobalAverageFunction, (4, 3, 5, 2))


@global_average.bug("constant-factor")
def delta_is_not_divided_by_the_pixels(ctx, delta):
    return delta[..., None, None].expand(ctx.shape)


class UpsampleFunction(Function):
    """Every pixel becomes a block of 2 x 2."""

    @staticmethod
    def forward(ctx, x):
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    @staticmethod
    def backward(ctx, delta):
        return blocks(delta).sum((3, 5))


def blocks(delta):
    return delta.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))


upsample = Layer("upsample", Plain, UpsampleFunction, (2, 3, 5, 4))


@upsample.bug("missing-sum")
def one_pixel_of_each_block_counts(ctx, delta):
    return delta[..., ::2, ::2]


@upsample.bug("mean-for-sum")
def blocks_are_averaged(ctx, delta):
    return blocks(delta).mean((3, 5))


@upsample.bug("shifted-by-one")
def blocks_begin_one_pixel_late(ctx, delta):
    return blocks(delta.roll(-1, 3)).sum((3, 5))


@upsample.bug("assumes-contiguous")
def blocks_are_found_by_their_address(ctx, delta):
    images, channels, height, width = delta.shape
    shape = images * channels, height // 2, 2, width // 2, 2
    strides = height * width, 2 * width, width, 2, 1
    return delta.as_strided(shape, strides).sum((2, 4)).unflatten(0, (images, channels))
