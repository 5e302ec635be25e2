"""The fully connected layer: its table of settings, and what is its own."""

import pytest
import torch

import manualnn
from tests.case import Case

CASES = [
    Case("Linear", {"in_features": 3, "out_features": 4}, ((5, 3),)),
    Case("Linear", {"in_features": 3, "out_features": 4, "bias": False}, ((5, 3),)),
    Case("Linear", {"in_features": 3, "out_features": 4}, ((3,),)),
    Case("Linear", {"in_features": 3, "out_features": 1}, ((2, 3, 3),)),
    Case("Linear", {"in_features": 2, "out_features": 3}, ((2, 2, 2, 2),)),
    Case("Linear", {"in_features": 3, "out_features": 2}, ((0, 3),)),
    Case("Linear", {"in_features": 3, "out_features": 0}, ((2, 3),)),
]


@pytest.mark.parametrize("bias", [(4,), (1,), (), None], ids=str)
def test_a_bias_may_be_one_number_for_all_outputs(bias):
    _assert_as_torch((5, 3), (4, 3), bias)


@pytest.mark.parametrize("samples", [(), (5,), (2, 5)], ids=str)
def test_a_weight_without_an_axis_of_outputs_gives_an_output_without_one(samples):
    _assert_as_torch((*samples, 3), (3,), None)


def test_input_and_weight_are_differentiated_one_without_the_other():
    x, weight = torch.randn(5, 3), torch.randn(4, 3)
    for variable, frozen in ((x, weight), (weight, x)):
        variable.requires_grad_(True)
        frozen.requires_grad_(False)
        outputs = [n.functional.linear(x, weight) for n in (manualnn, torch.nn)]
        gradients = [torch.autograd.grad(y.square().sum(), variable) for y in outputs]
        torch.testing.assert_close(*gradients)


def _assert_as_torch(*shapes):
    results = []
    for namespace in (manualnn, torch.nn):
        torch.manual_seed(0)
        tensors = [torch.randn(s, requires_grad=True) for s in shapes if s is not None]
        output = namespace.functional.linear(*tensors)
        results.append([output, *torch.autograd.grad(output.square().sum(), tensors)])
    torch.testing.assert_close(*results)
