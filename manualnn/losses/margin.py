"""Margin softmax losses: embeddings of one class close together, and far from the others.

A net that tells people apart is to know those as well whom it has never learnt. So its embeddings x
are compared by angle alone, with one direction w_c for each class: with u the unit vectors
(normalize.py), the logits are cosines, and the right class y only counts with a handicap, the
margin m::

    cos_c = u(x) . u(w_c)                          theta_c the angle between x and w_c
    z_c   = s cos_c  for c != y,                   z_y = s phi(cos_y)

    ArcFace: phi = cos(theta_y + m)                 the angle has to be m smaller (m in radians)
    CosFace: phi = cos_y - m                        the cosine has to be m larger

    l = cross-entropy of z and y                    (cross_entropy.py)

The scale s makes up for cosines being at most 1: without it the softmax could never be sure.
Beyond theta_y = pi - m a larger angle would be rewarded; there ArcFace goes on as a straight line.
With c = cos_y, cos(theta + m) = c cos m - sin(theta) sin m and sin(theta) = (1 - c^2)^(1/2)::

    ArcFace: phi = c cos m - sin(theta) sin m,      dphi/dc = cos m + c sin m / sin(theta)
             phi = c - m sin m beyond pi - m,       dphi/dc = 1
    CosFace: phi = c - m,                           dphi/dc = 1

    dL/dcos_c = s delta_c  for c != y,              dL/dcos_y = s delta_y dphi/dc,  delta = dL/dz

dphi/dc = sin(theta + m) / sin(theta) has no bound as theta goes to 0; where 1 - c^2 would be below
the dtype's eps, sin(theta) is held constant, and dphi/dc is cos m. Every other step, the unit
vectors, their products (linear.py) and the cross-entropy, is a Function of the package's own.

Sources: Deng et al. 2019, "ArcFace", arXiv 1801.07698; Wang et al. 2018, "CosFace", arXiv
1801.09414.

Shapes: x (N, D), w (C, D), cosines and logits (N, C), y (N).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from manualnn.autograd import Function, apply, autocast_float32, led_nowhere
from manualnn.layers.linear import linear
from manualnn.layers.normalize import normalize
from manualnn.losses.cross_entropy import cross_entropy


def sine(cosine: Tensor) -> Tensor:
    """sin(theta) = (1 - c^2)^(1/2), element by element, at least eps^(1/2)."""
    return (1 - cosine * cosine).clamp_min(torch.finfo(cosine.dtype).eps).sqrt()


def angular_margin(cosine: Tensor, margin: float) -> Tensor:
    """Phi = cos(theta + m), or c - m sin m beyond pi - m, element by element (ArcFace)."""
    turned = cosine * math.cos(margin) - sine(cosine) * math.sin(margin)
    return torch.where(cosine > -math.cos(margin), turned, cosine - margin * math.sin(margin))


def angular_margin_slope(cosine: Tensor, margin: float) -> Tensor:
    """dphi/dc = cos m + c sin m / sin(theta), or 1 beyond pi - m, element by element."""
    sin = sine(cosine)
    held = 1 - cosine * cosine <= torch.finfo(cosine.dtype).eps
    turned = math.cos(margin) + torch.where(held, 0, cosine / sin) * math.sin(margin)
    return torch.where(cosine > -math.cos(margin), turned, 1)


def cosine_margin(cosine: Tensor, margin: float) -> Tensor:
    """Phi = c - m, element by element (CosFace)."""
    return cosine - margin


def cosine_margin_slope(cosine: Tensor, margin: float) -> Tensor:
    """dphi/dc = 1, element by element."""
    return torch.ones_like(cosine)


def is_target(cosines: Tensor, target: Tensor) -> Tensor:
    """Which of the cosines (N, C) is that of the right class; none for a target to be ignored."""
    return torch.arange(cosines.shape[1], device=cosines.device) == target.unsqueeze(1)


def margin_logits(
    cosines: Tensor,
    target: Tensor,
    phi: Callable[[Tensor, float], Tensor],
    margin: float,
    scale: float,
) -> Tensor:
    """z = s cos, with phi(cos, m) in place of the right class's cos: (N, C) -> (N, C)."""
    return scale * torch.where(is_target(cosines, target), phi(cosines, margin), cosines)


def margin_function(
    name: str, phi: Callable[[Tensor, float], Tensor], slope: Callable[[Tensor, float], Tensor]
) -> type[Function]:
    """Make the Function of a margin from phi and its slope.

    Args:
        name: of the Function.
        phi: of (cosine, margin), element by element.
        slope: dphi/dc, of the same.
    """

    def rule(ctx: Any, delta: Tensor) -> Tensor:
        """S delta, times dphi/dc at the right class: the Jacobian is diagonal."""
        cosines, target = ctx.saved_tensors
        steep = torch.where(is_target(cosines, target), slope(cosines, ctx.margin), 1)
        return ctx.scale * delta * steep

    class MarginFunction(Function):
        @staticmethod
        def forward(cosines: Tensor, target: Tensor, margin: float, scale: float) -> Tensor:
            return margin_logits(cosines, target, phi, margin, scale)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            cosines, target, ctx.margin, ctx.scale = inputs
            ctx.save_for_backward(cosines, target)

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
            return rule(ctx, grad_output), None, None, None

        @staticmethod
        def jvp(ctx: Any, d_cosines: Tensor, *_: None) -> Tensor:
            return rule(ctx, d_cosines)

    MarginFunction.__name__ = MarginFunction.__qualname__ = name
    MarginFunction.forward_mode.__name__ = MarginFunction.forward_mode.__qualname__ = name
    MarginFunction.__doc__ = f"z by :func:`{phi.__name__}`."
    return MarginFunction


AngularMarginFunction = margin_function(
    "AngularMarginFunction", angular_margin, angular_margin_slope
)
CosineMarginFunction = margin_function("CosineMarginFunction", cosine_margin, cosine_margin_slope)


def arcface_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    margin: float = 0.5,
    scale: float = 64.0,
    reduction: str = "mean",
) -> Tensor:
    """The additive angular margin loss, derived by hand.

    Args:
        input: x, the embeddings (N, D), of any length.
        target: the right classes (N), from 0 to C - 1; -100 is ignored.
        weight: the directions of the classes (C, D), of any length.
        margin: m, in radians, at least 0 and below pi.
        scale: s, above 0.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss: () or, for "none", (N).

    Raises:
        ValueError: if margin, scale or reduction is not one of these, or the shapes do not fit.
        IndexError: if a target is not a class.
        TypeError: if the targets are not integers.
        NotImplementedError: if the embeddings are.
    """
    if not 0 <= margin < math.pi:
        raise ValueError(f"margin must be at least 0 and below pi, but got {margin}")
    return _margin_loss(AngularMarginFunction, input, target, weight, margin, scale, reduction)


def cosface_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    margin: float = 0.35,
    scale: float = 64.0,
    reduction: str = "mean",
) -> Tensor:
    """The additive cosine margin loss, derived by hand.

    Args:
        input: x, the embeddings (N, D), of any length.
        target: the right classes (N), from 0 to C - 1; -100 is ignored.
        weight: the directions of the classes (C, D), of any length.
        margin: m, at least 0.
        scale: s, above 0.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss: () or, for "none", (N).

    Raises:
        ValueError: if margin, scale or reduction is not one of these, or the shapes do not fit.
        IndexError: if a target is not a class.
        TypeError: if the targets are not integers.
        NotImplementedError: if the embeddings are.
    """
    if not 0 <= margin < math.inf:
        raise ValueError(f"margin must be at least 0, but got {margin}")
    return _margin_loss(CosineMarginFunction, input, target, weight, margin, scale, reduction)


def _margin_loss(
    function: type[Function],
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    margin: float,
    scale: float,
    reduction: str,
) -> Tensor:
    if not 0 < scale < math.inf:
        raise ValueError(f"scale must be above 0, but got {scale}")
    if input.dim() != 2 or weight.dim() != 2 or input.shape[1] != weight.shape[1]:
        raise ValueError(
            "expected embeddings (N, D) and directions (C, D), but got "
            f"{tuple(input.shape)} and {tuple(weight.shape)}"
        )
    if target.shape != input.shape[:1]:
        raise ValueError(
            f"expected one class for each of {len(input)} embeddings, but got targets of shape "
            f"{tuple(target.shape)}"
        )
    if target.is_floating_point() or target.dtype == torch.bool:
        raise TypeError(f"the targets should be class indices, but are {target.dtype}")
    input, weight = autocast_float32(input, weight)
    with torch.autocast(input.device.type, enabled=False):
        cosines = linear(normalize(input), normalize(weight))
        logits = apply(function, cosines, target, float(margin), float(scale))
        return cross_entropy(logits, target, reduction=reduction)


class _MarginLoss(nn.Module):
    """A margin loss with its classes' directions ``weight``: (C, D), normal random numbers."""

    def __init__(
        self,
        num_classes: int,
        embedding_size: int,
        margin: float,
        scale: float,
        reduction: str = "mean",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Keep the settings and draw the directions."""
        super().__init__()
        self.num_classes = num_classes
        self.embedding_size = embedding_size
        self.margin = margin
        self.scale = scale
        self.reduction = reduction
        weight = torch.empty(num_classes, embedding_size, device=device, dtype=dtype)
        self.weight = nn.Parameter(weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the directions anew: every one is equally likely."""
        nn.init.normal_(self.weight)

    def extra_repr(self) -> str:
        return (
            f"num_classes={self.num_classes}, embedding_size={self.embedding_size}, "
            f"margin={self.margin}, scale={self.scale}"
        )


class ArcFaceLoss(_MarginLoss):
    """The additive angular margin loss derived by hand: embeddings (N, D), classes (N).

    Args:
        num_classes: C.
        embedding_size: D.
        margin: m, in radians; may be changed between steps.
        scale: s.
        reduction: "none", "mean" or "sum".
        device: of the weight.
        dtype: of the weight.
    """

    def __init__(
        self,
        num_classes: int,
        embedding_size: int,
        margin: float = 0.5,
        scale: float = 64.0,
        reduction: str = "mean",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Keep the settings and draw the directions."""
        super().__init__(num_classes, embedding_size, margin, scale, reduction, device, dtype)

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the cosines, the right class's angle enlarged by the margin."""
        return arcface_loss(input, target, self.weight, self.margin, self.scale, self.reduction)


class CosFaceLoss(_MarginLoss):
    """The additive cosine margin loss derived by hand: embeddings (N, D), classes (N).

    Args:
        num_classes: C.
        embedding_size: D.
        margin: m; may be changed between steps.
        scale: s.
        reduction: "none", "mean" or "sum".
        device: of the weight.
        dtype: of the weight.
    """

    def __init__(
        self,
        num_classes: int,
        embedding_size: int,
        margin: float = 0.35,
        scale: float = 64.0,
        reduction: str = "mean",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Keep the settings and draw the directions."""
        super().__init__(num_classes, embedding_size, margin, scale, reduction, device, dtype)

    @led_nowhere
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the cosines, the right class's lowered by the margin."""
        return cosface_loss(input, target, self.weight, self.margin, self.scale, self.reduction)
