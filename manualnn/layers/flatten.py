"""Flattening: many axes become one.

Forward, the elements keep their row-major order and only their indices change::

    Y[r, c H W + h W + w] = X[r, c, h, w]

Each y is one x, so dL/dX is delta = dL/dY with the indices changed back (the chain rule of
Eq. 22-24 with a derivative of one). Reshaping is its own formula; nothing else is needed.
"""

from __future__ import annotations

from torch import Tensor, nn

from manualnn.autograd import led_nowhere


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Make one axis of several, as :func:`torch.flatten` does.

    Args:
        input: any shape.
        start_dim: first axis to flatten.
        end_dim: last axis to flatten.

    Returns:
        A view of the input where its strides allow it, else a copy.

    Raises:
        IndexError: if an axis does not exist.
        RuntimeError: if ``start_dim`` comes after ``end_dim``.
    """
    return input.flatten(start_dim, end_dim)


class Flatten(nn.Flatten):
    """:class:`torch.nn.Flatten`: (R, C, H, W) -> (R, C H W)."""

    @led_nowhere
    def forward(self, input: Tensor) -> Tensor:
        """Flatten axes ``start_dim`` to ``end_dim``."""
        return flatten(input, self.start_dim, self.end_dim)
