"""The doctor with complex numbers, and with fewer digits than float64 has."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd import Function

from manualnn.checks import check_function, check_module

COMPLEX = torch.randn(3, 4, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))


class MatMul(Function):
    @staticmethod
    def forward(x, w):
        return x @ w

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, delta):
        x, w = ctx.saved_tensors
        return delta @ w.mH, x.mH @ delta


class NotConjugated(MatMul):
    @staticmethod
    def backward(ctx, delta):
        x, w = ctx.saved_tensors
        return delta @ w.mT, x.mH @ delta


class Wirtinger(MatMul):
    @staticmethod
    def backward(ctx, delta):
        x, w = ctx.saved_tensors
        return delta @ w.mH, x.mH @ delta / 2


OF_COMPLEX = (
    *(torch.abs, torch.angle, torch.exp, torch.sgn, torch.fft.fft, torch.view_as_real, torch.real),
    lambda z: z * z.conj(),
    lambda z: MatMul.apply(z, z.mT),
)


@pytest.mark.parametrize("function", OF_COMPLEX)
def test_what_is_right_of_complex_numbers_is_found_right(function):
    report = check_function(function, COMPLEX)
    assert report.ok, report
    assert {"first-order", "second-order", "narrow-precision"} <= set(report.passed)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (NotConjugated, "true is conj(f') v"),
        (Wirtinger, "derivative by conj(z) is half of the gradient that PyTorch wants"),
    ],
)
def test_what_is_wrong_of_complex_numbers_is_named(function, said):
    report = check_function(function.apply, COMPLEX, COMPLEX.mT.clone())
    (finding,) = [finding for finding in report.findings if finding.level == "wrong"]
    assert finding.check == "first-order" and said in str(report)


class Centred(Function):
    """x / deviation(x), row by row, for rows of mean 0 or another, with a right gradient."""

    @staticmethod
    def variance(x):
        return (x - x.mean(1, keepdim=True)).square().mean(1, keepdim=True)

    @classmethod
    def forward(cls, x):
        return x / Centred.variance(x).sqrt()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @classmethod
    def backward(cls, ctx, delta):
        (x,) = ctx.saved_tensors
        variance = ctx._forward_cls.variance(x)
        along = (delta * x).mean(1, keepdim=True) / variance
        return (delta - (x - x.mean(1, keepdim=True)) * along) / variance.sqrt()


class DifferenceOfSquares(Centred):
    """Right, in exact arithmetic."""

    @staticmethod
    def variance(x):
        return x.square().mean(1, keepdim=True) - x.mean(1, keepdim=True).square()


def test_digits_lost_in_single_precision_are_found():
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    only = ["first-order", "narrow-precision"]
    assert check_function(Centred.apply, x + 300, only=only).passed == only
    report = check_function(DifferenceOfSquares.apply, x + 300, only=only)
    assert report.passed == ["first-order"] and "a variance as the difference" in str(report)
    near = check_function(DifferenceOfSquares.apply, x, only=only)
    assert near.ok and "float32, inputs larger by 1000" in str(near)


class Rounded(nn.Module):
    def forward(self, x):
        return x.float().square()


def test_what_is_not_computed_in_double_precision_says_so():
    report = check_module(Rounded(), torch.randn(3).double(), only=["narrow-precision"])
    assert report.ok and not report.passed and "not computed in float64" in str(report)
