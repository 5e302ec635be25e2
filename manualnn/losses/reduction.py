"""One rule for the reduction of losses: from a loss per element to a number, and back.

With l_n the losses, g = dL/d(reduced) and N the count the mean divides by::

    none:  l_n            dL/dl_n = g_n
    sum:   sum l_n        dL/dl_n = g
    mean:  sum l_n / N    dL/dl_n = g / N
"""

from __future__ import annotations

import warnings

from torch import Tensor


def reduce(losses: Tensor, reduction: str, count: Tensor | int) -> Tensor:
    """Reduce the losses: any shape -> the same for "none", () for "sum" and "mean"."""
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / count


def reduce_grad(grad_output: Tensor, reduction: str, count: Tensor | int) -> Tensor:
    """dL/dl_n, to be broadcast over the losses."""
    return grad_output if reduction in ("none", "sum") else grad_output / count


def named_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """Check the name, and translate the two deprecated arguments that stand for one.

    Raises:
        ValueError: if the name is none of the three.
    """
    if size_average is not None or reduce is not None:
        averages, reduces = size_average is not False, reduce is not False
        reduction = "none" if not reduces else "mean" if averages else "sum"
        warnings.warn(
            f"size_average and reduce are deprecated, use reduction={reduction!r}", stacklevel=3
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction must be 'none', 'mean' or 'sum', but got {reduction!r}")
    return reduction
