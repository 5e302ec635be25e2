"""Layer normalisation: its table of settings, and what is its own."""

import pytest
import torch

import manualnn
from tests.case import Case


def _case(normalized_shape, shape, training=True, memory_format=torch.contiguous_format, **options):
    arguments = {"normalized_shape": normalized_shape} | options
    return Case("LayerNorm", arguments, (shape,), training, memory_format)


CASES = [
    _case(4, (3, 4)),
    _case(4, (2, 3, 4), eps=0.3),
    _case((2, 3), (4, 2, 3)),
    _case([3, 2, 2], (2, 3, 2, 2), memory_format=torch.channels_last),
    _case(4, (4,)),
    _case(4, (3, 4), training=False),
    _case(4, (2, 3, 4), bias=False),
    _case((3, 2), (2, 3, 2), elementwise_affine=False),
    _case(4, (0, 4)),
]


def test_each_sample_is_normalised_by_itself():
    x = torch.randn(5, 3, 4) * 7 + 2
    y = manualnn.LayerNorm((3, 4))(x)
    torch.testing.assert_close(y.mean((1, 2)), torch.zeros(5), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.var((1, 2), correction=0), torch.ones(5), rtol=0, atol=1e-4)
    torch.testing.assert_close(manualnn.LayerNorm((3, 4))(x[2]), y[2])


@pytest.mark.parametrize("namespace", [torch.nn, manualnn], ids=["torch", "manualnn"])
def test_a_shape_is_a_sequence(namespace):
    with pytest.raises(TypeError, match="int"):
        namespace.functional.layer_norm(torch.randn(2, 3), 3)
