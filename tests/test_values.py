"""Every layer gives what its twin gives: outputs, gradients, buffers, also of bad numbers."""

import pytest
import torch

from tests.case import call
from tests.tables import CASES

# torch takes sum delta X - mu sum delta here, which is nan where our sum delta (X - mu) is inf.
MORE_NAN = ("GroupNorm", "LayerNorm")


def _results(module, inputs, cotangent=None):
    """Output, gradients of inputs and parameters, and buffers, after one backward pass."""
    output = call(module, inputs)
    if cotangent is None:
        torch.manual_seed(3)
        cotangent = torch.randn(output.shape, dtype=torch.float64)
    variables = [i for i in inputs if i.requires_grad] + list(module.parameters())
    gradients = torch.autograd.grad(
        output, variables, cotangent.to(output.dtype), materialize_grads=True
    )
    return [output.detach(), *gradients, *module.buffers()]


def _distance(actual, expected):
    """The largest difference, relative to the largest value."""
    if actual.numel() == 0:
        return 0.0
    difference = (actual.double() - expected.double()).abs().max().item()
    return difference / max(expected.abs().max().item(), 1e-300) if difference else 0.0


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float64_equals_the_twin(case):
    ours, theirs = case.modules()
    for _ in range(2):  # the second call meets updated running statistics
        actual, expected = _results(ours, case.tensors()), _results(theirs, case.tensors())
        for a, e in zip(actual, expected, strict=True):
            assert a.shape == e.shape
            assert a.dtype == e.dtype
            assert torch.equal(a.isnan(), e.isnan())
            assert _distance(a.nan_to_num(), e.nan_to_num()) <= case.tolerance


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float32_is_as_close_to_float64_as_the_twin(case):
    truth = _results(case.modules(torch.float64)[1], case.tensors(torch.float64))
    ours, theirs = case.modules(torch.float32)
    actual = _results(ours, case.tensors(torch.float32))
    expected = _results(theirs, case.tensors(torch.float32))
    for a, e, t in zip(actual, expected, truth, strict=True):
        assert a.dtype == e.dtype
        few_roundings = 8 * torch.finfo(torch.float32).eps
        error, twin_error = (_distance(v.nan_to_num(), t.nan_to_num()) for v in (a, e))
        assert error <= max(2 * twin_error, few_roundings)


@pytest.mark.parametrize("bad", [float("inf"), -float("inf"), float("nan")])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_numbers_in_the_input_behave_as_in_the_twin(case, bad):
    results = []
    for module in case.modules():
        inputs = case.tensors()
        values = inputs[0] if inputs[0].is_floating_point() else module.weight
        with torch.no_grad():
            values.flatten()[: min(2, values.numel())] = bad
        if case.name == "BCELoss" and inputs[0].numel():  # takes probabilities alone
            with pytest.raises(RuntimeError, match="between 0 and 1"):
                module(*inputs)
        else:
            results.append(_results(module, inputs))
    if results:
        _assert_same_bad_numbers(*results, case.tolerance)


@pytest.mark.parametrize("bad", [float("inf"), -float("inf"), float("nan")])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_numbers_in_the_cotangent_behave_as_in_the_twin(case, bad):
    results = []
    for module in case.modules():
        inputs = case.tensors()
        torch.manual_seed(3)
        cotangent = torch.randn(call(module, inputs).shape, dtype=torch.float64)
        cotangent.view(-1)[:2] = bad
        results.append(_results(module, inputs, cotangent))
    if case.name in MORE_NAN:
        results = [[v.where(v.isfinite(), torch.nan) for v in values] for values in results]
    _assert_same_bad_numbers(*results, case.tolerance)


def _assert_same_bad_numbers(actual, expected, tolerance):
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, e, rtol=tolerance, atol=tolerance, equal_nan=True)
