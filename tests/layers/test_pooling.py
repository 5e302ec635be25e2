"""Max-pooling: its table of settings, and what is its own."""

import numpy as np
import pytest
import torch

import manualnn
from manualnn.autograd import apply
from manualnn.checks import prove
from manualnn.layers.pooling import MaxPoolGatherFunction
from tests.case import Case


def _case(axes, shape, kernel_size=2, memory_format=torch.contiguous_format, **options):
    arguments = {"kernel_size": kernel_size} | options
    return Case(f"MaxPool{axes}d", arguments, (shape,), memory_format=memory_format)


CASES = [
    _case(1, (2, 2, 6)),
    _case(1, (2, 7), 3, stride=1, padding=1),
    _case(1, (2, 2, 9), 3, stride=2, dilation=2, ceil_mode=True),
    _case(2, (2, 3, 4, 6)),
    _case(2, (2, 3, 4, 6), memory_format=torch.channels_last),
    _case(2, (2, 2, 5, 5), 3, stride=1),
    _case(2, (2, 2, 5, 6), 3, stride=2, padding=1),
    _case(2, (2, 2, 5, 6), (3, 2), stride=(1, 2), padding=(1, 0), return_indices=True),
    _case(2, (2, 2, 6, 7), 2, dilation=(2, 3), stride=1),
    _case(2, (2, 2, 5, 6), 3, stride=2, ceil_mode=True),
    _case(2, (2, 5, 5), 2, stride=3, ceil_mode=True),
    _case(2, (1, 1, 20, 20), 2),
    _case(2, (0, 2, 4, 4)),
    _case(3, (1, 2, 4, 4, 2)),
    _case(3, (2, 3, 4, 4), 2, stride=1, padding=1, return_indices=True),
    _case(3, (1, 2, 5, 4, 5), (3, 2, 2), stride=2, dilation=(1, 1, 2), ceil_mode=True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_places_are_those_of_torch(case):
    found = []
    for module in case.modules():
        module.return_indices = True
        found.append(module(*case.tensors())[1])
    assert found[0].dtype == torch.int64
    assert torch.equal(*found)


def test_of_equal_values_the_first_wins_and_nan_wins_over_all():
    nan = float("nan")
    x = torch.tensor([[2.0, 2.0, 5.0, nan], [2.0, 1.0, nan, 7.0]])
    for namespace in (manualnn, torch.nn):
        y = x[None, None].clone().requires_grad_()
        namespace.MaxPool2d(2)(y).sum().backward()
        assert y.grad[0, 0].nonzero().tolist() == [[0, 0], [1, 2]]


@pytest.mark.parametrize("size", [256, 257])
def test_the_last_place_of_a_plane_fits_its_integer(size):
    x = torch.arange(float(size))[None].requires_grad_()
    manualnn.functional.max_pool1d(x, size).backward()
    assert x.grad.argmax() == size - 1


def test_derivatives_of_a_gathered_tangent():
    tangent = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    places = torch.tensor([0, 3, 3, 4]).expand(2, 3, 4)
    prove(lambda tangent: apply(MaxPoolGatherFunction, tangent, places), [tangent])


def test_sizes_may_be_numpy_integers():
    x = torch.randn(1, 2, 6, 6)
    for namespace in (manualnn, torch.nn):
        assert namespace.MaxPool2d(np.int64(2), stride=(np.int64(1), 2))(x).shape == (1, 2, 5, 3)
