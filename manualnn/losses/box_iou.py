"""Box losses: how badly a predicted box fits the true one.

A box has a low corner p = (x1, y1) and a high corner q = (x2, y2), the other box p' and q'. Along
each axis, x and y, five lengths are all that the losses need::

    s = q - p                       side of the box
    t = q' - p'                     side of the other
    i = min(q, q') - max(p, p')     what they share
    e = max(q, q') - min(p, p')     what encloses both
    d = (p + q - p' - q') / 2       between their centres

    I = i_x i_y, 0 where either is not above 0            intersection
    U = s_x s_y + t_x t_y - I                             union
    E = e_x e_y,  C = e_x^2 + e_y^2,  D = d_x^2 + d_y^2   enclosing area, its diagonal, distance
    V = (2 / pi)^2 (u - v)^2                              proportions
        with u = atan(t_x / t_y), v = atan(s_x / s_y)

    R = I / (U + eps)                                     IoU, intersection over union

    generalized:  l = 1 - R + (E - U) / (E + eps)
    distance:     l = 1 - R + D / (C + eps)
    complete:     l = 1 - R + D / (C + eps) + a V,   a = V / (1 - R + V + eps) a constant

With s~ = (s_y, s_x), the sides exchanged, and l_U = dl/dU and so on, the chain rule (Eq. 22-24)
gives by the lengths::

    dl/ds = l_U s~ + l_V dV/ds             dV/ds = -(8 / pi^2) (u - v) (s_y, -s_x) / (s_x^2 + s_y^2)
    dl/dt = l_U t~ + l_V dV/dt             dV/dt =  (8 / pi^2) (u - v) (t_y, -t_x) / (t_x^2 + t_y^2)
    dl/di = (l_I - l_U) i~, 0 where I is
    dl/de = l_E e~ + 2 l_C e
    dl/dd = 2 l_D d

    l_I = -1 / (U + eps)         l_U = I / (U + eps)^2, generalized: less 1 / (E + eps)
    l_E = (U + eps) / (E + eps)^2      l_C = -D / (C + eps)^2      l_D = 1 / (C + eps)      l_V = a

A length is one corner less another, so with h = [p > p'] and k = [q < q'], both 1/2 at a tie::

    dl/dp = -dl/ds -      h  dl/di - (1 - h) dl/de + dl/dd / 2
    dl/dq =  dl/ds +      k  dl/di + (1 - k) dl/de + dl/dd / 2
    dl/dp' = -dl/dt - (1 - h) dl/di -     h  dl/de - dl/dd / 2
    dl/dq' =  dl/dt + (1 - k) dl/di +     k  dl/de - dl/dd / 2

Shapes: boxes (..., 4); lengths (..., 2); areas, squares and losses (...).

Sources: Rezatofighi et al. 2019, arXiv 1902.09630; Zheng et al. 2020, arXiv 1911.08287.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from typing import Any, NamedTuple

import torch
from torch import Tensor

from manualnn.autograd import Function, apply
from manualnn.losses.reduction import named_reduction, reduce, reduce_grad

EPS = 1e-7


class Lengths(NamedTuple):
    """s, t, i, e and d of pairs of boxes, or dl by each of them: (..., 2)."""

    side: Tensor
    other: Tensor
    shared: Tensor
    hull: Tensor
    apart: Tensor


class Squares(NamedTuple):
    """I, U, E, C and D of pairs of boxes: (...)."""

    shared: Tensor
    union: Tensor
    hull: Tensor
    diagonal: Tensor
    apart: Tensor


def corners(boxes: Tensor) -> tuple[Tensor, ...]:
    """P and q, the low and the high corner: (..., 4) -> twice (..., 2)."""
    return boxes.unflatten(-1, (2, 2)).unbind(-2)


def lengths(boxes: Tensor, others: Tensor) -> Lengths:
    """s, t, i, e and d: twice (..., 4) -> five times (..., 2)."""
    low, high = corners(boxes)
    other_low, other_high = corners(others)
    return Lengths(
        side=high - low,
        other=other_high - other_low,
        shared=torch.minimum(high, other_high) - torch.maximum(low, other_low),
        hull=torch.maximum(high, other_high) - torch.minimum(low, other_low),
        apart=(low + high - other_low - other_high) / 2,
    )


def area(length: Tensor) -> Tensor:
    """The product of a length's x and y: (..., 2) -> (...)."""
    x, y = length.unbind(-1)
    return x * y


def meet(length: Lengths) -> Tensor:
    """Whether two boxes share an area: (...)."""
    return (length.shared > 0).all(-1)


def squares(length: Lengths) -> Squares:
    """I, U, E, C and D: five times (..., 2) -> five times (...)."""
    shared = torch.where(meet(length), area(length.shared), 0)
    return Squares(
        shared=shared,
        union=area(length.side) + area(length.other) - shared,
        hull=area(length.hull),
        diagonal=(length.hull**2).sum(-1),
        apart=(length.apart**2).sum(-1),
    )


def angle(side: Tensor) -> Tensor:
    """Atan(s_x / s_y): (..., 2) -> (...)."""
    x, y = side.unbind(-1)
    return torch.atan(x / y)


def disproportion(length: Lengths) -> Tensor:
    """V = (2 / pi)^2 (u - v)^2: (...)."""
    return (2 / pi) ** 2 * (angle(length.other) - angle(length.side)) ** 2


def proportion_weight(boxes: Tensor, others: Tensor, eps: float) -> Tensor:
    """a = V / (1 - R + V + eps): (...), a constant; R with 1e-7."""
    length = lengths(boxes.detach(), others.detach())
    square, unlike = squares(length), disproportion(length)
    return unlike / (1 - square.shared / (square.union + EPS) + unlike + eps)


def generalized(length: Lengths, weight: None, eps: float) -> Tensor:
    """l = 1 - R + (E - U) / (E + eps): (...)."""
    square = squares(length)
    unfilled = (square.hull - square.union) / (square.hull + eps)
    return 1 - square.shared / (square.union + eps) + unfilled


def generalized_slopes(length: Lengths, weight: None, eps: float) -> Lengths:
    """dl by s, t, i, e and d: five times (..., 2)."""
    square = squares(length)
    by_shared = -1 / (square.union + eps)
    by_union = square.shared / (square.union + eps) ** 2 - 1 / (square.hull + eps)
    by_hull = (square.union + eps) / (square.hull + eps) ** 2
    return Lengths(
        *by_areas(length, by_shared, by_union),
        hull=exchanged(length.hull) * by_hull.unsqueeze(-1),
        apart=torch.zeros_like(length.apart),
    )


def distance(length: Lengths, weight: Tensor | None, eps: float) -> Tensor:
    """l = 1 - R + D / (C + eps) + a V: (...), without a V where there is no weight."""
    square = squares(length)
    losses = 1 - square.shared / (square.union + eps) + square.apart / (square.diagonal + eps)
    return losses if weight is None else losses + weight * disproportion(length)


def distance_slopes(length: Lengths, weight: Tensor | None, eps: float) -> Lengths:
    """dl by s, t, i, e and d: five times (..., 2)."""
    square = squares(length)
    by_shared = -1 / (square.union + eps)
    by_union = square.shared / (square.union + eps) ** 2
    side, other, shared = by_areas(length, by_shared, by_union)
    if weight is not None:
        by_angle = weight * (8 / pi**2) * (angle(length.other) - angle(length.side))
        side = side - by_angle.unsqueeze(-1) * angle_slope(length.side)
        other = other + by_angle.unsqueeze(-1) * angle_slope(length.other)
    by_diagonal = -square.apart / (square.diagonal + eps) ** 2
    return Lengths(
        side=side,
        other=other,
        shared=shared,
        hull=2 * length.hull * by_diagonal.unsqueeze(-1),
        apart=2 * length.apart / (square.diagonal + eps).unsqueeze(-1),
    )


def by_areas(length: Lengths, by_shared: Tensor, by_union: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """l_U s~, l_U t~ and (l_I - l_U) i~: three times (..., 2)."""
    by_meeting = torch.where(meet(length), by_shared - by_union, 0)
    return (
        exchanged(length.side) * by_union.unsqueeze(-1),
        exchanged(length.other) * by_union.unsqueeze(-1),
        exchanged(length.shared) * by_meeting.unsqueeze(-1),
    )


def exchanged(length: Tensor) -> Tensor:
    """s~ = (s_y, s_x): (..., 2)."""
    return length.flip(-1)


def angle_slope(side: Tensor) -> Tensor:
    """dv/ds = (s_y, -s_x) / (s_x^2 + s_y^2): (..., 2)."""
    x, y = side.unbind(-1)
    return torch.stack([y, -x], -1) / (side**2).sum(-1, keepdim=True)


def above(first: Tensor, second: Tensor) -> Tensor:
    """[a > b], 1/2 at a tie: any shape."""
    return ((first > second).to(first) + (first >= second).to(first)) / 2


def box_slopes(boxes: Tensor, others: Tensor, slope: Lengths) -> tuple[Tensor, Tensor]:
    """dl by both boxes, from dl by their lengths: five times (..., 2) -> twice (..., 4)."""
    low, high = corners(boxes)
    other_low, other_high = corners(others)
    h, k = above(low, other_low), above(other_high, high)
    by_low = -slope.side - h * slope.shared - (1 - h) * slope.hull + slope.apart / 2
    by_high = slope.side + k * slope.shared + (1 - k) * slope.hull + slope.apart / 2
    by_other_low = -slope.other - (1 - h) * slope.shared - h * slope.hull - slope.apart / 2
    by_other_high = slope.other + (1 - k) * slope.shared + k * slope.hull - slope.apart / 2
    return torch.cat([by_low, by_high], -1), torch.cat([by_other_low, by_other_high], -1)


def box_loss(
    name: str, loss: Callable[..., Tensor], slopes: Callable[..., Lengths]
) -> type[Function]:
    """Make the Function of a box loss from its formulas of lengths, a weight (or None) and eps."""

    class BoxLoss(Function):
        @staticmethod
        def forward(
            boxes: Tensor, others: Tensor, weight: Tensor | None, eps: float, reduction: str
        ) -> Tensor:
            losses = loss(lengths(boxes, others), weight, eps)
            return reduce(losses, reduction, max(losses.numel(), 1))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            *tensors, ctx.eps, ctx.reduction = inputs
            ctx.save_for_backward(*tensors)

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
            boxes, others, weight = ctx.saved_tensors
            count = max(boxes.numel() // 4, 1)
            delta = reduce_grad(grad_output, ctx.reduction, count).unsqueeze(-1)
            slope = slopes(lengths(boxes, others), weight, ctx.eps)
            by_boxes, by_others = box_slopes(boxes, others, slope)
            needs_boxes, needs_others, *_ = ctx.needs_input_grad
            grad_boxes = delta * by_boxes if needs_boxes else None
            return grad_boxes, delta * by_others if needs_others else None, None, None, None

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Tensor:
            boxes, others, weight = ctx.saved_tensors
            slope = slopes(lengths(boxes, others), weight, ctx.eps)
            d_losses: Any = sum(
                (by * tangent).sum(-1)
                for by, tangent in zip(box_slopes(boxes, others, slope), tangents, strict=False)
                if tangent is not None
            )
            return reduce(d_losses, ctx.reduction, max(d_losses.numel(), 1))

    of_this_loss: Any = type(name, (BoxLoss,), {})
    return of_this_loss


GeneralizedBoxFunction = box_loss("GeneralizedBoxFunction", generalized, generalized_slopes)
DistanceBoxFunction = box_loss("DistanceBoxFunction", distance, distance_slopes)


def prepared(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Bring boxes to one shape and, as torchvision does, all but float64 to float32.

    Raises:
        ValueError: if the last axis is not four numbers long.
        RuntimeError: if the shapes cannot be broadcast.
    """
    for boxes in (boxes1, boxes2):
        if boxes.dim() == 0 or boxes.shape[-1] != 4:
            raise ValueError(f"boxes must be (..., 4), but got {tuple(boxes.shape)}")
    dtype = torch.promote_types(torch.promote_types(boxes1.dtype, boxes2.dtype), torch.float32)
    boxes1, boxes2 = torch.broadcast_tensors(boxes1.to(dtype), boxes2.to(dtype))
    return boxes1, boxes2


def generalized_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = EPS
) -> Tensor:
    """``torchvision.ops.generalized_box_iou_loss``, derived by hand; torchvision is not needed.

    Args:
        boxes1: (..., 4): x1, y1, x2, y2 with x1 < x2 and y1 < y2.
        boxes2: the same; the shapes are broadcast.
        reduction: "none", "mean" or "sum"; the mean of no boxes is 0.
        eps: added to each denominator.

    Returns:
        The loss, from 0 to 2: () or, for "none", (...).

    Raises:
        ValueError: if the last axis is not four numbers long, or the reduction is unknown.
        RuntimeError: if the shapes cannot be broadcast.
    """
    reduction = named_reduction(None, None, reduction)
    boxes1, boxes2 = prepared(boxes1, boxes2)
    return apply(GeneralizedBoxFunction, boxes1, boxes2, None, float(eps), reduction)


def distance_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = EPS
) -> Tensor:
    """``torchvision.ops.distance_box_iou_loss``, derived by hand; torchvision is not needed.

    Args, return value and errors are those of :func:`generalized_box_iou_loss`.
    """
    reduction = named_reduction(None, None, reduction)
    boxes1, boxes2 = prepared(boxes1, boxes2)
    return apply(DistanceBoxFunction, boxes1, boxes2, None, float(eps), reduction)


def complete_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = EPS
) -> Tensor:
    """``torchvision.ops.complete_box_iou_loss``, derived by hand; torchvision is not needed.

    Args and errors are those of :func:`generalized_box_iou_loss`, but that eps is added to the
    denominator of a alone, and 1e-7 to the others. a is a constant in every mode of
    differentiation; the loss may exceed 2.
    """
    reduction = named_reduction(None, None, reduction)
    boxes1, boxes2 = prepared(boxes1, boxes2)
    weight = proportion_weight(boxes1, boxes2, eps)
    return apply(DistanceBoxFunction, boxes1, boxes2, weight, EPS, reduction)
