"""In-place forms: what a layer needs that writes its output over its input.

A layer with ``inplace=True`` computes its output beside the input and copies it back; what its
Function keeps for the backward pass must then be something else than the input's own memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

from manualnn.autograd import is_recorded, is_transformed


def is_traced() -> bool:
    """Whether a transform or the compiler is at work: neither follows what is marked dirty."""
    return is_transformed() or torch.compiler.is_compiling()


def refuse_leaf(input: Tensor) -> None:
    """Refuse to overwrite a leaf that requires a gradient, or a view of one.

    Raises:
        RuntimeError: if that is what the input is, and gradients are being recorded.
    """
    if is_traced():
        return
    owner = input if input._base is None else input._base
    if owner.is_leaf and is_recorded(owner):
        raise RuntimeError(
            "this would overwrite a leaf that requires a gradient, or a view of one; use the form "
            "that is not in place (inplace=False), or give it input.clone()"
        )
