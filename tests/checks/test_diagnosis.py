"""The zoo is caught, and its causes are named."""

from __future__ import annotations

from math import prod

import pytest
import torch

from manualnn.checks import check_function
from manualnn.checks.gradients import first_order
from manualnn.checks.second_order import second_order
from manualnn.checks.subject import Subject
from tests.checks.zoo import HEALTHY, ZOO
from tests.checks.zoo.fresh import FRESH, FRESH_HEALTHY
from tests.checks.zoo.second_dozen import SECOND_DOZEN, SECOND_HEALTHY

CONDUCT = {
    "changes-cotangent",
    "changes-input",
    "keeps-tensors-on-ctx",
    "state-in-forward",
    "assumes-contiguous",
}
# What the numbers alone leave open, and what is said instead.
AMBIGUOUS = {
    # 0.1 is the momentum, and one over its 10 pixels
    "batch_norm: the gradients of gamma and beta have the momentum in them": "mean-for-sum",
    # another function altogether, of each element
    "huber: line and parabola are exchanged": None,
}


def wrong(specimen, order):
    return [each for each in order(Subject(*specimen.build())) if each.level == "wrong"]


@pytest.mark.parametrize("specimen", [*HEALTHY, *FRESH_HEALTHY, *SECOND_HEALTHY], ids=str)
def test_what_is_right_is_found_right(specimen):
    assert not wrong(specimen, first_order)
    assert not wrong(specimen, second_order)


@pytest.mark.parametrize("specimen", [s for s in ZOO if s.cause not in CONDUCT], ids=str)
def test_a_planted_bug_is_caught_and_named(specimen):
    findings = wrong(specimen, second_order if specimen.cause == "detached" else first_order)
    causes = {each.diagnosis.cause if each.diagnosis else None for each in findings}
    assert AMBIGUOUS.get(specimen.name, specimen.cause) in causes


# Planted by somebody who did not know the causes that the doctor knows.
FRESH_CAUSES = {
    "cosine_similarity: the term of the norm is added": "wrong-term",
    "quadratic form: the first x is taken for a constant": "wrong-term",
    "depthwise conv2d: the gradient of the repeated pixels is cut off": "padding",
    "group_norm: epsilon is added to the root": "epsilon",
    "mish: the derivative of the softplus is forgotten": None,
    "weight norm: the length of v is taken for a constant": "wrong-term",
    "log-sum-exp: the softmax is taken along the columns": "wrong-axis",
    "rotary embedding: the gradient is rotated forwards instead of back": "transposed",
    "gru cell: the recurrent side of the candidate forgets the reset gate": None,
    "add and rms norm: the cotangent of the sum is dropped": "missing-sum",
    "swiglu: the gate derivative has the sigmoid in place of the silu": None,
    "dice loss: the denominator is held constant": None,
    "contrastive loss: the gradient of the log scale is that of the scale": "constant-factor",
    "mean of neighbours: the gradient is divided by the degree of the source": None,
    "gaussian likelihood: the log variance gets the gradient of the variance": "missing-factor",
    "spectral filter: the constant and nyquist bins are counted twice": "missing-factor",
    "bilinear upsampling: the gradient is spread with aligned corners": "misplaced",
    "distillation loss: the teacher gradient lacks the mean that the softmax subtracts": None,
    "squeeze and excitation: the path through the squeeze is not divided by the pixels": (
        "wrong-term"
    ),
}


@pytest.mark.parametrize("specimen", [*FRESH, *SECOND_DOZEN], ids=str)
def test_a_bug_planted_by_somebody_else_is_caught_and_named(specimen):
    causes = {f.diagnosis.cause if f.diagnosis else None for f in wrong(specimen, first_order)}
    assert FRESH_CAUSES.get(specimen.name, specimen.cause) in causes


class HalfOfLeakyReLU(torch.autograd.Function):
    """The slope of the negative half is forgotten."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x > 0, x, 0.1 * x)

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        return delta * (x > 0)


@pytest.mark.parametrize("shape", [(5, 3), (7,)])
def test_a_forgotten_case_of_an_elementwise_function_is_no_sum(shape):
    x = torch.linspace(-1, 1.5, prod(shape), dtype=torch.float64).view(shape)
    (finding,) = check_function(HalfOfLeakyReLU.apply, x, only=["first-order"]).findings
    assert finding.diagnosis.cause == "case-forgotten"
    assert finding.diagnosis.evidence == (
        f"Returned is zero in {int((x < 0).sum())} of {x.numel()} elements."
    )
