"""Local response normalisation: its table of settings, and what is its own."""

import pytest
import torch

from manualnn.functional import local_response_norm
from manualnn.layers.local_response_norm import Window, window_sum, window_sum_adjoint
from tests.case import Case


def _case(size, shape, training=True, memory_format=torch.contiguous_format, **options):
    arguments = {"size": size, "alpha": 0.5} | options
    return Case("LocalResponseNorm", arguments, (shape,), training, memory_format)


CASES = [
    _case(3, (2, 4, 3)),
    _case(2, (2, 4, 3), beta=1.0, k=0.3),
    _case(1, (1, 3, 2)),
    _case(9, (2, 3, 2), beta=0.3),
    _case(3, (2, 4, 3), training=False),
    _case(3, (0, 4, 3)),
    _case(3, (2, 4, 2, 2)),
    _case(4, (2, 4, 2, 2), beta=0.5, memory_format=torch.channels_last),
    _case(4, (1, 5, 2, 1, 2), alpha=1e-4),
]


def _literal(x, size, alpha, beta, k):
    """Sample by sample, channel by channel, channel of its window by channel of its window."""
    y = torch.empty_like(x)
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            s = torch.zeros_like(x[r, c])
            for other in range(c - size // 2, c - size // 2 + size):
                if 0 <= other < x.shape[1]:
                    s = s + x[r, other] ** 2
            y[r, c] = x[r, c] / (k + alpha / size * s) ** beta
    return y


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_window_by_window(size):
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    options = (size, 0.7, 1.5, 0.4)
    results = [function(x, *options) for function in (local_response_norm, _literal)]
    torch.testing.assert_close(*results)
    delta = torch.randn_like(x)
    torch.testing.assert_close(*(torch.autograd.grad(y, x, delta) for y in results))


@pytest.mark.parametrize(("below", "above"), [(0, 0), (1, 0), (1, 1), (2, 1), (0, 3)])
def test_the_windows_are_the_columns_of_those_that_hold_a_channel(below, above):
    window = Window(below, above)
    matrix = window_sum(torch.eye(5)[..., None], window)[..., 0].T  # of W, column by column
    transposed = window_sum_adjoint(torch.eye(5)[..., None], window)[..., 0].T
    assert torch.equal(transposed, matrix.T)
    channels = torch.arange(5)
    distance = channels - channels[:, None]
    assert torch.equal(matrix, ((-below <= distance) & (distance <= above)).float())
