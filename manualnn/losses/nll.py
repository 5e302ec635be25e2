"""Negative log-likelihood: how unlikely the network took the right class to be.

Forward, for a sample n with logarithms of probabilities x_c, one per class, of which y is right,
and class weights w::

    l_n = - w_y x_y = - sum_c m_c x_c,        m_c = w_c [c = y], and 0 where y is to be ignored

This is cross-entropy (cross_entropy.py) after its log-softmax, with the same target mass m. It is
linear in x, so that with s = dL/dl_n from the reduction::

    dL/dx_c = - s m_c

The mean divides by the sum of the weights w_y of the targets that count.

Shapes: x (N, C, ...), class indices (N, ...); both without N for one sample.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_float32, led_nowhere
from manualnn.losses.cross_entropy import Options, class_axis, mean_count, target_mass
from manualnn.losses.elementwise import require_constant
from manualnn.losses.reduction import named_reduction, reduce, reduce_grad


class NLLFunction(Function):
    """- sum_c m_c x_c, reduced."""

    @staticmethod
    def forward(input: Tensor, target: Tensor, weight: Tensor | None, options: Options) -> Tensor:
        losses = nn.functional.nll_loss(
            input,
            target,
            weight,
            ignore_index=options.ignore_index,
            reduction=options.reduction,
        )
        # a view may not be changed in place
        return losses if losses._base is None else losses.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, target, weight, ctx.options = inputs
        ctx.save_for_backward(input, target, weight)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        input, target, weight = ctx.saved_tensors
        count = mean_count(input, target, weight, ctx.options)
        grad_loss = reduce_grad(grad_output, ctx.options.reduction, count)
        grad_loss = grad_loss.expand(target.shape).unsqueeze(class_axis(input))  # (N, 1, ...)
        return -target_mass(grad_loss, input, target, weight, ctx.options), None, None, None

    @staticmethod
    def jvp(ctx: Any, d_input: Tensor, *_: Tensor | None) -> Tensor:
        input, target, weight = ctx.saved_tensors
        axis = class_axis(input)
        one = torch.ones_like(target, dtype=input.dtype).unsqueeze(axis)
        mass = target_mass(one, input, target, weight, ctx.options)
        d_losses = -(mass * d_input).sum(axis)
        count = mean_count(input, target, weight, ctx.options)
        return reduce(d_losses, ctx.options.reduction, count)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """:func:`torch.nn.functional.nll_loss`, derived by hand.

    Args:
        input: x, logarithms of probabilities, (N, C, ...), or (C) for one sample.
        target: class indices from 0 to C - 1, (N, ...).
        weight: of each class, (C), a constant.
        size_average: deprecated, see ``reduction``.
        ignore_index: the class index that does not count.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss: () or, for "none", (N, ...).

    Raises:
        ValueError: if the reduction is unknown, the batch sizes differ, or the input is a number.
        IndexError: if a class index is out of range.
        RuntimeError: if shapes or dtypes do not fit, or the weight requires a gradient.
        NotImplementedError: if the input does not hold floating-point numbers.
    """
    options = Options(ignore_index, named_reduction(size_average, reduce, reduction), 0.0)
    input, weight = autocast_float32(input, weight)
    if input.dim() == 1 and target.shape == (1,):
        target = target.squeeze(0)
    _check(input, target, weight)
    try:
        return apply(NLLFunction, input, target, weight, options)
    except IndexError as error:
        classes = input.shape[class_axis(input)]
        raise IndexError(
            f"{error} With {classes} classes, a target is from 0 to {classes - 1}, or "
            f"{ignore_index} to be ignored"
        ) from None


def _check(input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    if input.dim() == 0:
        raise ValueError("expected an input (N, C, ...), or (C) for one sample, but got a number")
    if not input.is_floating_point():
        raise NotImplementedError(f"expected floating-point numbers, but got {input.dtype}")
    axis = class_axis(input)
    samples = input.shape[:axis] + input.shape[axis + 1 :]
    if target.shape != samples:
        mismatch = RuntimeError if axis and target.shape[:1] == samples[:1] else ValueError
        raise mismatch(
            f"an input {tuple(input.shape)} needs a target of class indices {tuple(samples)}, but "
            f"got {tuple(target.shape)} of {target.dtype}"
        )
    if target.dtype not in (torch.int64, torch.uint8):
        raise RuntimeError(f"expected class indices of Long or Byte, but got {target.dtype}")
    require_constant("weight", weight)
    if weight is None:
        return
    classes = input.shape[axis]
    if weight.shape != (classes,):
        raise RuntimeError(f"expected {classes} class weights, but got {tuple(weight.shape)}")
    if weight.dtype != input.dtype:
        raise RuntimeError(f"weight should be {input.dtype} as the input is, but is {weight.dtype}")


class NLLLoss(nn.NLLLoss):
    """:class:`torch.nn.NLLLoss` derived by hand; see :func:`nll_loss` for the shapes."""

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """- w_y x_y, reduced."""
        return nll_loss(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )
