"""Convolutions as sums over the elements of the kernel, Eq. 39, 41 and 43."""

from itertools import product
from typing import NamedTuple

import torch
from torch import nn
from torch.autograd import Function
from torch.nn import functional as F

from tests.checks.zoo.specimen import Layer, parameter


class Geometry(NamedTuple):
    stride: int = 1
    padding: int = 0
    dilation: int = 1


def taps(rows, columns, kernel, stride=1, dilation=1):
    """Each element (j, i) of a kernel, and the pixels that it meets."""

    def met(offset, count):
        return slice(dilation * offset, dilation * offset + stride * (count - 1) + 1, stride)

    for j, i in product(range(kernel), repeat=2):
        yield j, i, (..., met(j, rows), met(i, columns))


def padded_grad_input(delta, weight, shape, geometry):
    """dL/dX with its padding: sums W[c',c,j,i] delta[r,c',h',w'] at (s h' + j, s w' + i)."""
    stride, padding, dilation = geometry
    height, width = shape[2] + 2 * padding, shape[3] + 2 * padding
    grad = delta.new_zeros(len(delta), weight.shape[1], height, width)
    for j, i, tap in taps(*delta.shape[2:], weight.shape[2], stride, dilation):
        grad[tap] += torch.einsum("rohw,oc->rchw", delta, weight[:, :, j, i])
    return grad


def cut(grad, shape, padding):
    return grad[:, :, padding : padding + shape[2], padding : padding + shape[3]]


def conv_grad_input(delta, weight, shape, geometry):
    return cut(padded_grad_input(delta, weight, shape, geometry), shape, geometry.padding)


def conv_grad_weight(delta, x, kernel, geometry, sides=(1, 1, 1, 1)):
    """dL/dW[c',c,j,i], the sum of delta[r,c',h',w'] X[r,c,s h' + j,s w' + i] over r, h', w'."""
    stride, padding, dilation = geometry
    x = F.pad(x, [padding * side for side in sides])
    grad = [
        torch.einsum("rohw,rchw->oc", delta, x[tap])
        for _, _, tap in taps(*delta.shape[2:], kernel, stride, dilation)
    ]
    return torch.stack(grad, -1).unflatten(-1, (kernel, kernel))


class Conv2dFunction(Function):
    @staticmethod
    def forward(ctx, x, weight, bias, geometry):
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        return F.conv2d(x, weight, bias, *geometry)

    @staticmethod
    def backward(ctx, delta):
        x, weight = ctx.saved_tensors
        grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
        grad_weight = conv_grad_weight(delta, x, 3, ctx.geometry)
        return grad_x, grad_weight, delta.sum((0, 2, 3)), None


class Conv2d(nn.Module):
    SHAPE = (4, 3, 3, 3)
    GEOMETRY = Geometry(padding=1)

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight, self.bias = parameter(*self.SHAPE), parameter(self.SHAPE[0])

    def forward(self, x):
        return self.function.apply(x, self.weight, self.bias, self.GEOMETRY)


conv2d = Layer("conv2d", Conv2d, Conv2dFunction, (2, 3, 6, 5))


@conv2d.bug("kernel-not-rotated")
def the_kernel_is_not_rotated(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = F.conv2d(delta, weight.transpose(0, 1), padding=2 - ctx.geometry.padding)
    return grad_x, conv_grad_weight(delta, x, 3, ctx.geometry), delta.sum((0, 2, 3)), None


@conv2d.bug("kernel-not-rotated")
def the_weight_gradient_is_rotated(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
    grad_weight = conv_grad_weight(delta, x, 3, ctx.geometry).flip(2, 3)
    return grad_x, grad_weight, delta.sum((0, 2, 3)), None


@conv2d.bug("shifted-by-one")
def the_padding_is_cut_off_at_the_far_side(ctx, delta):
    x, weight = ctx.saved_tensors
    padding = ctx.geometry.padding
    grad_x = cut(padded_grad_input(delta, weight, x.shape, ctx.geometry), x.shape, padding - 1)
    return grad_x, conv_grad_weight(delta, x, 3, ctx.geometry), delta.sum((0, 2, 3)), None


@conv2d.bug("shifted-by-one")
def the_weight_gradient_has_all_padding_on_the_left(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
    grad_weight = conv_grad_weight(delta, x, 3, ctx.geometry, sides=(2, 0, 1, 1))
    return grad_x, grad_weight, delta.sum((0, 2, 3)), None


@conv2d.bug("mean-for-sum")
def the_weight_gradient_is_averaged_over_the_batch(ctx, delta):
    """Eq. 43 as printed: 1/R."""
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
    grad_weight = conv_grad_weight(delta, x, 3, ctx.geometry) / len(x)
    return grad_x, grad_weight, delta.sum((0, 2, 3)), None


@conv2d.bug("extra-sum")
def the_weight_gradient_sums_the_output_channels(ctx, delta):
    """Eq. 43 as printed: the sum over c'."""
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
    grad_weight = conv_grad_weight(delta.sum(1, keepdim=True), x, 3, ctx.geometry)
    return grad_x, grad_weight.expand_as(weight), delta.sum((0, 2, 3)), None


@conv2d.bug("missing-sum")
def the_weight_gradient_is_of_the_last_image_alone(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
    for image, d in zip(x.split(1), delta.split(1), strict=True):
        grad_weight = conv_grad_weight(d, image, 3, ctx.geometry)
    return grad_x, grad_weight, delta.sum((0, 2, 3)), None


@conv2d.bug("missing-sum")
def the_bias_gradient_is_of_the_corner_pixel_alone(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
    return grad_x, conv_grad_weight(delta, x, 3, ctx.geometry), delta.sum(0)[:, 0, 0], None


@conv2d.bug("mean-for-sum")
def the_bias_gradient_is_averaged_over_the_pixels(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
    grad_weight = conv_grad_weight(delta, x, 3, ctx.geometry)
    return grad_x, grad_weight, delta.mean((2, 3)).sum(0), None


@conv2d.bug("constant-factor")
def the_input_gradient_is_divided_by_the_elements_of_the_kernel(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry) / weight[0, 0].numel()
    return grad_x, conv_grad_weight(delta, x, 3, ctx.geometry), delta.sum((0, 2, 3)), None


@conv2d.bug("precision")
def the_input_gradient_is_summed_in_float32(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta.float(), weight.float(), x.shape, ctx.geometry).to(x)
    return grad_x, conv_grad_weight(delta, x, 3, ctx.geometry), delta.sum((0, 2, 3)), None


@conv2d.bug("assumes-contiguous")
def the_bias_gradient_views_the_pixels_as_one_axis(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
    grad_bias = delta.view(*delta.shape[:2], -1).sum((0, 2))
    return grad_x, conv_grad_weight(delta, x, 3, ctx.geometry), grad_bias, None


class SquareConv2d(Conv2d):
    SHAPE = (3, 3, 3, 3)


square_conv2d = Layer("square conv2d", SquareConv2d, Conv2dFunction, (2, 3, 6, 5))


@square_conv2d.bug("transposed")
def channels_in_and_out_are_exchanged(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight.transpose(0, 1), x.shape, ctx.geometry)
    return grad_x, conv_grad_weight(delta, x, 3, ctx.geometry), delta.sum((0, 2, 3)), None


class StridedConv2d(Conv2d):
    GEOMETRY = Geometry(stride=2, padding=1)


strided_conv2d = Layer("strided conv2d", StridedConv2d, Conv2dFunction, (2, 3, 7, 5))


@strided_conv2d.bug("stride-ignored")
def the_input_gradient_is_that_of_stride_1(ctx, delta):
    """Eq. 41 as printed: j = h - h'."""
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry._replace(stride=1))
    return grad_x, conv_grad_weight(delta, x, 3, ctx.geometry), delta.sum((0, 2, 3)), None


@strided_conv2d.bug("stride-ignored")
def the_weight_gradient_is_that_of_stride_1(ctx, delta):
    """Eq. 39 as printed: X at h' + j."""
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
    grad_weight = conv_grad_weight(delta, x, 3, ctx.geometry._replace(stride=1))
    return grad_x, grad_weight, delta.sum((0, 2, 3)), None


@strided_conv2d.bug("overlap-overwritten")
def the_last_window_over_a_pixel_overwrites_the_others(ctx, delta):
    x, weight = ctx.saved_tensors
    stride, padding, _ = ctx.geometry
    grad_x = delta.new_zeros(*x.shape[:2], x.shape[2] + 2 * padding, x.shape[3] + 2 * padding)
    for j, i, tap in taps(*delta.shape[2:], 3, stride):
        grad_x[tap] = torch.einsum("rohw,oc->rchw", delta, weight[:, :, j, i])
    grad_x = cut(grad_x, x.shape, padding)
    return grad_x, conv_grad_weight(delta, x, 3, ctx.geometry), delta.sum((0, 2, 3)), None


class DilatedConv2d(Conv2d):
    GEOMETRY = Geometry(padding=2, dilation=2)


dilated_conv2d = Layer("dilated conv2d", DilatedConv2d, Conv2dFunction, (2, 3, 6, 5))


@dilated_conv2d.bug("dilation-ignored")
def the_input_gradient_is_that_of_a_dense_kernel(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry._replace(dilation=1))
    return grad_x, conv_grad_weight(delta, x, 3, ctx.geometry), delta.sum((0, 2, 3)), None


@dilated_conv2d.bug("dilation-ignored")
def the_weight_gradient_is_that_of_a_dense_kernel(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = conv_grad_input(delta, weight, x.shape, ctx.geometry)
    grad_weight = conv_grad_weight(delta, x, 3, ctx.geometry._replace(dilation=1))
    return grad_x, grad_weight, delta.sum((0, 2, 3)), None


class GroupedConv2dFunction(Function):
    @staticmethod
    def forward(ctx, x, weight, bias, geometry):
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        return F.conv2d(x, weight, bias, *geometry, groups=2)

    @staticmethod
    def backward(ctx, delta):
        x, weight = ctx.saved_tensors
        deltas = delta.chunk(2, 1)
        grad_x = grouped_grad_input(deltas, weight.chunk(2), x.shape, ctx.geometry)
        grad_weight = grouped_grad_weight(deltas, x.chunk(2, 1), ctx.geometry)
        return grad_x, grad_weight, delta.sum((0, 2, 3)), None


def grouped_grad_input(deltas, weights, shape, geometry):
    groups = zip(deltas, weights, strict=True)
    return torch.cat([conv_grad_input(d, w, shape, geometry) for d, w in groups], 1)


def grouped_grad_weight(deltas, xs, geometry):
    groups = zip(deltas, xs, strict=True)
    return torch.cat([conv_grad_weight(d, x, 3, geometry) for d, x in groups])


class GroupedConv2d(Conv2d):
    SHAPE = (6, 2, 3, 3)


grouped_conv2d = Layer("grouped conv2d", GroupedConv2d, GroupedConv2dFunction, (2, 4, 6, 5))


@grouped_conv2d.bug("groups-mixed")
def the_channels_of_delta_are_dealt_to_the_groups_in_turn(ctx, delta):
    x, weight = ctx.saved_tensors
    in_turn = [delta[:, group::2] for group in range(2)]
    grad_x = grouped_grad_input(in_turn, weight.chunk(2), x.shape, ctx.geometry)
    grad_weight = grouped_grad_weight(delta.chunk(2, 1), x.chunk(2, 1), ctx.geometry)
    return grad_x, grad_weight, delta.sum((0, 2, 3)), None


@grouped_conv2d.bug("groups-mixed")
def every_kernel_meets_the_first_group_of_the_input(ctx, delta):
    x, weight = ctx.saved_tensors
    grad_x = grouped_grad_input(delta.chunk(2, 1), weight.chunk(2), x.shape, ctx.geometry)
    grad_weight = conv_grad_weight(delta, x[:, : weight.shape[1]], 3, ctx.geometry)
    return grad_x, grad_weight, delta.sum((0, 2, 3)), None


class CausalConv1dFunction(Function):
    """y[t] sees x[t - 1] and x[t]."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return F.conv1d(F.pad(x, (1, 0)), weight)

    @staticmethod
    def backward(ctx, delta):
        x, weight = ctx.saved_tensors
        past, now = weight.unbind(-1)
        grad_x = now.T @ delta + past.T @ F.pad(delta[..., 1:], (0, 1))
        return grad_x, causal_grad_weight(delta, x)


def causal_grad_weight(delta, x):
    sees = F.pad(x[..., :-1], (1, 0)), x
    return torch.stack([torch.einsum("rot,rct->oc", delta, seen) for seen in sees], -1)


class CausalConv1d(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.weight = function, parameter(4, 3, 2)

    def forward(self, x):
        return self.function.apply(x, self.weight)


causal_conv1d = Layer("causal conv1d", CausalConv1d, CausalConv1dFunction, (5, 3, 7))


@causal_conv1d.bug("shifted-by-one")
def delta_is_read_one_step_late(ctx, delta):
    x, weight = ctx.saved_tensors
    past, now = weight.unbind(-1)
    grad_x = now.T @ F.pad(delta[..., :-1], (1, 0)) + past.T @ delta
    return grad_x, causal_grad_weight(delta, x)


@causal_conv1d.bug("kernel-not-rotated")
def the_past_is_taken_for_the_present(ctx, delta):
    x, weight = ctx.saved_tensors
    now, past = weight.unbind(-1)
    grad_x = now.T @ delta + past.T @ F.pad(delta[..., 1:], (0, 1))
    return grad_x, causal_grad_weight(delta, x)
