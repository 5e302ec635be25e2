"""What the doctor says of layers and models that do not make it easy."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd import Function

from manualnn.checks import check_function, check_model, check_module
from manualnn.checks.__main__ import main

NUMBERS = ["first-order"]


class Square(Function):
    """x^2 with a gradient that is three times too large."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        return 6 * x * delta


class Sick(nn.Module):
    def forward(self, x, scale=1.0):
        return Square.apply(x) * scale


class Raising(Function):
    error: type[Exception] = RuntimeError

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, delta):
        raise Raising.error


@pytest.mark.parametrize("error", [RuntimeError, AttributeError, IndexError, NotImplementedError])
@pytest.mark.parametrize("shape", [(3, 4), (90, 40)])
def test_a_backward_pass_that_raises_is_said_to(error, shape, monkeypatch):
    monkeypatch.setattr(Raising, "error", error)
    report = check_function(Raising.apply, torch.randn(shape))
    assert not report.ok and f"the backward pass raises: {error.__name__}" in str(report)


def swapped():
    class Product(Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, delta):
            x, y = ctx.saved_tensors
            return delta * x, delta * y

    return Product.apply


product = swapped()


def test_two_inputs_of_one_shape_are_different_in_the_terminal(capsys):
    thing = "tests.checks.test_bad_input:product"
    assert main([thing, "--input", "3,2", "--input", "3,2", "--only", "first-order"]) == 1
    assert "Returned is the gradient of" in capsys.readouterr().out


def masked(x):
    return x + torch.full_like(x, -torch.inf)


def test_where_no_gradient_was_compared_nothing_is_said_to_be_right():
    report = check_function(masked, torch.randn(3))
    assert "nothing wrong was found, but no gradient was compared" in str(report)
    assert main(["tests.checks.test_bad_input:masked", "--input", "3"]) == 2


class Calls(nn.Module):
    """Calls its layer by the name of an argument."""

    def __init__(self):
        super().__init__()
        self.layer = Sick()

    def forward(self, x):
        return self.layer(x, scale=2.0)


class Mask(nn.Module):
    def forward(self, x):
        return masked(x)


class Between(nn.Module):
    """A function between its layers."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return Square.apply(self.layer(x))


@pytest.mark.parametrize("size", [(5, 4), (700, 4)])
def test_a_model_is_examined_to_its_first_layer(size):
    x = torch.randn(size)
    assert check_model(Calls(), x).name == "layer (Sick)"
    assert check_model(nn.Sequential(Sick(), Mask()), x).name == "0 (Sick)"
    masked_alone = check_model(nn.Sequential(nn.Linear(4, 3), Mask()), x)
    assert masked_alone.ok and "1 (Mask)" in str(masked_alone)
    assert "are wrong, and those of its layers are right" in str(check_model(Between(), x))
    assert check_model(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), x).ok


def test_a_model_that_raises_is_said_to():
    report = check_model(nn.Linear(4, 3), torch.randn(5, 7))
    assert not report.ok and "the model raises RuntimeError: mat1 and mat2" in str(report)


def test_a_model_leaves_its_batch_as_it_is():
    class Overwrites(nn.Module):
        def forward(self, x):
            return x.sub_(1)

    x = torch.randn(5, 4)
    before = x.clone()
    check_model(nn.Sequential(Overwrites(), nn.Linear(4, 3)), x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("edge", [0.002, 0.0005])
@pytest.mark.parametrize("rows", [4, 3000])
def test_the_edge_of_what_it_takes_is_no_mistake(edge, rows):
    p = torch.rand(rows, generator=torch.Generator().manual_seed(0)).clamp(0.01, 0.99).double()
    p[0] = edge
    target = (torch.rand(rows, generator=torch.Generator().manual_seed(1)) > 0.5).double()
    report = check_function(nn.functional.binary_cross_entropy, p, target, only=NUMBERS)
    assert report.ok, report


def test_what_is_not_differentiated_by_is_said():
    def bounded(x, b):
        assert (b <= 1).all()
        return x * b

    report = check_function(bounded, torch.randn(3), torch.ones(3), only=NUMBERS)
    assert report.ok and "not differentiated by b" in str(report)


def test_single_precision_inside_is_no_mistake():
    report = check_function(lambda x: torch.sin(x.float()).double(), torch.randn(5).double())
    assert report.ok, report
    assert not check_function(
        lambda x: Square.apply(x.float()).double(), torch.randn(5).double(), only=NUMBERS
    ).ok


def test_a_module_of_length_zero_has_parameters():
    class Empty(nn.ModuleList):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3))

        def forward(self, x):
            return x * Square.apply(self.weight)

    report = check_module(Empty(), torch.randn(2, 3), only=NUMBERS)
    assert "weight gradient: 200 % off" in str(report)


def test_without_gradients_turned_on_they_are():
    with torch.no_grad():
        assert check_module(nn.Linear(3, 2), torch.randn(4, 3), only=NUMBERS).passed == NUMBERS


def test_a_root_of_zero_and_a_lazy_module():
    x = torch.tensor([0.0, 1.0, 2.0])
    assert check_function(torch.sqrt, x, only=NUMBERS).ok
    report = check_module(nn.LazyLinear(3), torch.randn(4, 5))
    assert report.ok or "forward" in str(report)
