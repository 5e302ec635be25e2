"""Tensors of the same values in other memory: what a backward pass meets outside a test."""

from __future__ import annotations

import torch
from torch import Tensor


def layouts(values: Tensor) -> dict[str, Tensor]:
    """The tensor as autograd may hand it to a backward pass, by the name of its layout.

    Args:
        values: any shape, contiguous.

    Returns:
        Tensors of the same shape. "transposed", "sliced" and "channels_last" hold the same values
        with other strides; "expanded" and "expanded rows" repeat one value, or one row, with
        stride 0, as the gradient of ``y.sum()`` does.
    """
    backwards = tuple(reversed(range(values.dim())))
    spread = values.new_zeros([2 * size for size in values.shape])
    every_other = (slice(None, None, 2),) * values.dim()
    spread[every_other] = values
    made = {
        "transposed": values.permute(backwards).contiguous().permute(backwards),
        "sliced": spread[every_other],
        "expanded": values.flatten()[:1].sum().expand(values.shape),
    }
    if values.dim() > 0:
        made["expanded rows"] = values[:1].sum(0, keepdim=True).expand(values.shape)
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if values.dim() in formats:
        made["channels_last"] = values.contiguous(memory_format=formats[values.dim()])
    return made
