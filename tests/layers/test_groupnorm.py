"""Group normalisation: its table of settings, and what is its own."""

import pytest
import torch

import manualnn
from tests.case import Case


def _case(groups, shape, training=True, memory_format=torch.contiguous_format, **options):
    arguments = {"num_groups": groups, "num_channels": shape[1]} | options
    return Case("GroupNorm", arguments, (shape,), training, memory_format)


CASES = [
    _case(2, (3, 4, 2, 2)),
    _case(2, (3, 4, 2, 2), memory_format=torch.channels_last),
    _case(2, (3, 6)),
    _case(1, (2, 3, 4), eps=0.3),
    _case(3, (1, 3, 4)),
    _case(2, (2, 4, 2, 1, 2), training=False),
    _case(2, (3, 4, 3), bias=False),
    _case(2, (3, 4, 3), affine=False),
    _case(2, (0, 4, 3)),
]


def test_a_group_is_normalised_by_itself():
    x = torch.randn(5, 6, 4) * 7 + 2
    groups = manualnn.GroupNorm(2, 6)(x).view(5, 2, 3, 4)
    torch.testing.assert_close(groups.mean((2, 3)), torch.zeros(5, 2), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        groups.var((2, 3), correction=0), torch.ones(5, 2), rtol=0, atol=1e-4
    )


def test_between_layer_norm_and_instance_norm():
    x = torch.randn(5, 6, 4, dtype=torch.float64)
    f = manualnn.functional
    torch.testing.assert_close(f.group_norm(x, 1), f.layer_norm(x, (6, 4)))
    torch.testing.assert_close(f.group_norm(x, 6), f.instance_norm(x))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_memory_format_stays(memory_format):
    x = torch.randn(2, 4, 3, 3).contiguous(memory_format=memory_format).requires_grad_()
    y = manualnn.GroupNorm(2, 4)(x)
    assert y.is_contiguous(memory_format=memory_format)
    y.backward(torch.randn_like(y))
    assert x.grad.is_contiguous(memory_format=memory_format)
