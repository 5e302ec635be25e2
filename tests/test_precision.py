"""Half precision and autocast: the twin's dtypes everywhere, and values as close as its own."""

import pytest
import torch

from tests.case import call
from tests.tables import CASES, one_of_each


def _results(module, inputs, autocast=None):
    """Output, gradients of inputs and parameters, and buffers, after one backward pass."""
    with torch.autocast("cpu", autocast, enabled=autocast is not None):
        output = call(module, inputs)
    torch.manual_seed(3)
    cotangent = torch.randn(output.shape, dtype=torch.float64).to(output.dtype)
    variables = [i for i in inputs if i.requires_grad] + list(module.parameters())
    gradients = torch.autograd.grad(output, variables, cotangent, materialize_grads=True)
    return [output.detach(), *gradients, *module.buffers()]


def _assert_as_good_as_the_twin(actual, expected, truth, half):
    """The same dtypes, and at most twice the twin's error, or a few roundings."""
    for a, e, t in zip(actual, expected, truth, strict=True):
        assert a.dtype == e.dtype
        assert torch.equal(a.isnan(), e.isnan())
        error, twin_error = ((v.double() - t).nan_to_num().abs() for v in (a, e))
        few_roundings = 8 * torch.finfo(half).eps * t.double().nan_to_num().abs()
        largest = [v.max().item() if v.numel() else 0 for v in (error, twin_error, few_roundings)]
        assert largest[0] <= max(2 * largest[1], largest[2])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_half_precision_modules_and_autocast(case):
    truth = _results(case.modules()[1], case.tensors())
    for half in (torch.bfloat16, torch.float16):
        for dtype, autocast in ((half, None), (torch.float32, half)):
            ours, theirs = case.modules(dtype)
            try:
                expected = _results(theirs, case.tensors(dtype), autocast)
            except NotImplementedError:  # torch averages no volumes in half precision on the CPU
                continue
            actual = _results(ours, case.tensors(dtype), autocast)
            _assert_as_good_as_the_twin(actual, expected, truth, half)


@pytest.mark.parametrize("case", one_of_each(), ids=str)
def test_autocast_leaves_float64_alone(case):
    cast, plain = (
        _results(case.modules()[0], case.tensors(), autocast) for autocast in (torch.bfloat16, None)
    )
    torch.testing.assert_close(cast, plain, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("case", one_of_each(), ids=str)
def test_a_backward_pass_inside_autocast_keeps_the_dtypes(case):
    """The region is easily left on for too long."""
    module, inputs = case.modules(torch.float32)[0], case.tensors(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        output = call(module, inputs)
        output.backward(torch.randn_like(output))
    for variable in (*inputs, *module.parameters()):
        if variable.requires_grad:
            assert variable.grad.dtype == torch.float32
