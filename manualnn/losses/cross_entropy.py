"""Cross-entropy of a softmax: how surprised the network is by the right class.

The author's networks end in it; the report leaves it out. For a sample n with numbers x_c, one per
class, probabilities p = softmax(x), and a target mass m_c for each class::

    l_n = - sum_c m_c log p_c,      log p_c = x_c - log sum_j exp(x_j)

Every kind of target is such a mass, with class weights w and label smoothing e over C classes::

    class index y:          m_c = w_c ((1 - e) [c = y] + e / C), and 0 where y is to be ignored
    class probabilities q:  m_c = w_c ((1 - e) q_c     + e / C)

With s = dL/dl_n from the reduction, l_n is a plain sum of products, and log p carries on to x by
the backward pass of log-softmax (softmax.py)::

    dL/dlog p_c = - s m_c,  so  dL/dx_j = s (p_j sum_c m_c - m_j)
    dL/dm_c = - s log p_c,  so  dL/dq_c = - s w_c (1 - e) log p_c
                                dL/dw_c = - sum_n s ((1 - e) q_c + e / C) log p_c

For plain class indices dL/dx is the well-known softmax minus one-hot, s (p - [j = y]).
The mean divides by the sum of the weights w_y of the targets that count (class indices), or by the
number of targets (probabilities). log p is computed by the package's own log-softmax, so that
higher orders are by hand too. Source of the smoothing: Szegedy et al. 2016, arXiv 1512.00567.

Shapes: x (N, C, ...), class indices (N, ...), class probabilities (N, C, ...); all without N for
one sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_float32, is_unwatched, led_nowhere
from manualnn.backend import formula
from manualnn.layers.softmax import (
    log_softmax,
    log_softmax_grad_input,
    log_softmax_tangent,
)
from manualnn.losses.reduction import named_reduction, reduce, reduce_grad


@dataclass(frozen=True)
class Options:
    """What is not a tensor: see :func:`cross_entropy`."""

    ignore_index: int
    reduction: str
    label_smoothing: float


def smoothed(distribution: Tensor, smoothing: float, axis: int) -> Tensor:
    """(1 - e) q + e / C, with q and the result (N, C, ...)."""
    return (1 - smoothing) * distribution + smoothing / distribution.shape[axis]


def target_mass(
    scale: Tensor, input: Tensor, target: Tensor, weight: Tensor | None, options: Options
) -> Tensor:
    """s m_c, with a scale s for each sample: (N, 1, ...) -> (N, C, ...).

    The scale comes first, so that an infinite one leaves the classes without mass at 0.
    """
    axis, smoothing = class_axis(input), options.label_smoothing
    weights = 1.0 if weight is None else over_classes(weight, input)
    if target.is_floating_point():
        return weights * (scale * smoothed(target, smoothing, axis))
    counts, classes = counted_classes(target.unsqueeze(axis), options.ignore_index)
    scale = torch.where(counts, scale, 0)
    mass = torch.zeros_like(input).scatter(axis, classes, (1 - smoothing) * scale)
    if smoothing > 0:
        mass = mass + scale * (smoothing / input.shape[axis])
    return weights * mass


@formula
def grad_input_by_index(
    scale: Tensor, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
) -> Tensor:
    """s w_y (p_c - [c = y]), the gradient for class indices without smoothing: (N, C, ...).

    The mass of a sample is all in one class, so that it is taken from p there, in place.
    """
    axis = class_axis(input)
    counts, classes = counted_classes(target.unsqueeze(axis), ignore_index)
    mass = torch.where(counts, scale, 0)  # (N, 1, ...)
    if weight is not None:
        mass = mass * weight[classes]
    return input.softmax(axis).mul_(mass).scatter_add_(axis, classes, -mass)


def mean_count(
    input: Tensor, target: Tensor, weight: Tensor | None, options: Options
) -> Tensor | int:
    """What the mean divides by: the sum of w_y that count, or the number of distributions."""
    if target.is_floating_point():
        return input.numel() // input.shape[class_axis(input)]
    counts, classes = counted_classes(target, options.ignore_index)
    return (counts if weight is None else torch.where(counts, weight[classes], 0)).sum()


def counted_classes(target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Which class indices count; and all of them, with 0 in place of those that do not."""
    target = target.long()
    counts = target != ignore_index
    return counts, torch.where(counts, target, 0)


def class_axis(input: Tensor) -> int:
    """Where the classes are: in (C), axis 0; in (N, C, ...), axis 1."""
    return 0 if input.dim() == 1 else 1


def over_classes(weight: Tensor, input: Tensor) -> Tensor:
    """(C) -> (C, 1, ...), to be broadcast over the input's class axis."""
    return weight.reshape(-1, *(1,) * (input.dim() - 1 - class_axis(input)))


class CrossEntropyFunction(Function):
    """- sum_c m_c log p_c, reduced."""

    @staticmethod
    def forward(input: Tensor, target: Tensor, weight: Tensor | None, options: Options) -> Tensor:
        return nn.functional.cross_entropy(
            input,
            target,
            weight,
            ignore_index=options.ignore_index,
            reduction=options.reduction,
            label_smoothing=options.label_smoothing,
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, target, weight, ctx.options = inputs
        ctx.save_for_backward(input, target, weight)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        input, target, weight = ctx.saved_tensors
        needs_input, needs_target, needs_weight, _ = ctx.needs_input_grad
        options, axis = ctx.options, class_axis(input)
        count = mean_count(input, target, weight, options)
        samples = input.shape[:axis] + input.shape[axis + 1 :]
        grad_loss = reduce_grad(grad_output, options.reduction, count)
        grad_loss = grad_loss.expand(samples).unsqueeze(axis)  # (N, 1, ...)
        is_by_index = not (target.is_floating_point() or options.label_smoothing)
        if is_by_index and is_unwatched():
            ignored = options.ignore_index
            return grad_input_by_index(grad_loss, input, target, weight, ignored), None, None, None
        log_p = log_softmax(input, axis)
        grad_input = grad_target = grad_weight = None
        if needs_input:
            grad_log_p = -target_mass(grad_loss, input, target, weight, options)
            grad_input = log_softmax_grad_input(grad_log_p, log_p, axis)
        if needs_target:
            weights = 1.0 if weight is None else over_classes(weight, input)
            grad_target = -grad_loss * weights * (1 - options.label_smoothing) * log_p
        if needs_weight:
            distribution = smoothed(target, options.label_smoothing, axis)
            by_sample = -grad_loss * distribution * log_p
            grad_weight = by_sample.transpose(0, axis).unsqueeze(-1).flatten(1).sum(1)
        return grad_input, grad_target, grad_weight, None

    @staticmethod
    def jvp(
        ctx: Any, d_input: Tensor, d_target: Tensor | None, d_weight: Tensor | None, _: None
    ) -> Tensor:
        input, target, weight = ctx.saved_tensors
        options, axis = ctx.options, class_axis(input)
        log_p = log_softmax(input, axis)
        one = torch.ones_like(log_p.narrow(axis, 0, 1))
        mass = target_mass(one, input, target, weight, options)
        d_losses = -(mass * log_softmax_tangent(d_input, log_p, axis)).sum(axis)
        if target.is_floating_point():
            weights = 1.0 if weight is None else over_classes(weight, input)
            d_mass = weights * (1 - options.label_smoothing) * d_target
            if d_weight is not None:
                distribution = smoothed(target, options.label_smoothing, axis)
                d_mass = d_mass + over_classes(d_weight, input) * distribution
            d_losses = d_losses - (d_mass * log_p).sum(axis)
        return reduce(d_losses, options.reduction, mean_count(input, target, weight, options))


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """:func:`torch.nn.functional.cross_entropy`, derived by hand.

    Args:
        input: x, (N, C, ...), or (C) for one sample; any real numbers.
        target: class indices from 0 to C - 1, (N, ...); or class probabilities, (N, C, ...).
        weight: of each class, (C).
        size_average: deprecated, see ``reduction``.
        ignore_index: the class index that does not count.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" or "sum".
        label_smoothing: e, from 0 to 1.

    Returns:
        The loss: () or, for "none", (N, ...).

    Raises:
        ValueError: if the reduction is unknown, or the batch sizes differ.
        IndexError: if a class index is out of range.
        RuntimeError: if shapes or dtypes do not fit, ``ignore_index`` is used with probabilities,
            or a gradient is asked for the class weights of class indices.
    """
    options = Options(
        ignore_index, named_reduction(size_average, reduce, reduction), label_smoothing
    )
    if target.is_floating_point():
        input, target, weight = autocast_float32(input, target, weight)
    else:
        input, weight = autocast_float32(input, weight)
    _check(input, target, weight, options)
    try:
        return apply(CrossEntropyFunction, input, target, weight, options)
    except IndexError as error:
        classes = input.shape[class_axis(input)]
        raise IndexError(
            f"{error} With {classes} classes, a target is from 0 to {classes - 1}, or "
            f"{ignore_index} to be ignored"
        ) from None


def _check(input: Tensor, target: Tensor, weight: Tensor | None, options: Options) -> None:
    if input.dim() == 0:
        raise RuntimeError("expected an input (N, C, ...), or (C) for one sample, but got a number")
    if not input.is_floating_point():
        raise NotImplementedError(f"expected floating-point numbers, but got {input.dtype}")
    axis, is_indices = class_axis(input), not target.is_floating_point()
    classes, samples = input.shape[axis], input.shape[:axis] + input.shape[axis + 1 :]
    if target.shape != (samples if is_indices else input.shape):
        mismatch = RuntimeError if target.shape[:1] == input.shape[:1] else ValueError
        raise mismatch(
            f"an input {tuple(input.shape)} needs a target of class indices {tuple(samples)} or of "
            f"class probabilities {tuple(input.shape)}, but got {tuple(target.shape)} of "
            f"{target.dtype}"
        )
    if not is_indices and options.ignore_index >= 0:
        raise RuntimeError(
            f"ignore_index={options.ignore_index} is for class indices, but the target has "
            "class probabilities"
        )
    if not 0 <= options.label_smoothing <= 1:
        raise RuntimeError(
            f"label_smoothing must be from 0 to 1, but got {options.label_smoothing}"
        )
    if weight is None:
        return
    if weight.shape != (classes,):
        raise RuntimeError(f"expected {classes} class weights, but got {tuple(weight.shape)}")
    if is_indices and weight.dtype != input.dtype:
        raise RuntimeError(f"weight should be {input.dtype} as the input is, but is {weight.dtype}")
    if is_indices and weight.requires_grad:
        raise RuntimeError(
            "with class indices the class weights are constants, but weight requires a gradient; "
            "pass weight.detach(), or class probabilities as the target"
        )


class CrossEntropyLoss(nn.CrossEntropyLoss):
    """:class:`torch.nn.CrossEntropyLoss` derived by hand: softmax and cross-entropy in one.

    Same arguments, buffers and errors as its twin; see :func:`cross_entropy` for the shapes.

    >>> loss = CrossEntropyLoss(label_smoothing=0.1)
    >>> loss(torch.zeros(2, 10), torch.tensor([3, 7]))
    tensor(2.3026)
    """

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """- sum_c m_c log p_c, reduced."""
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
