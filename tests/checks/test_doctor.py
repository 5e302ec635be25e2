"""The doctor as its users meet it: reports, whole models, bad input, the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.autograd import Function

from manualnn.checks import GradientError, check_function, check_model, check_module
from manualnn.checks.__main__ import main
from manualnn.checks.registry import CHECKS
from tests.checks.zoo import HEALTHY, ZOO


def specimen(name):
    (found,) = [each for each in [*HEALTHY, *ZOO] if each.name == name]
    return found.build()


def sick_linear():
    module, inputs = specimen("linear: the bias gradient is averaged over the batch")
    return module, *inputs


def healthy_linear():
    module, inputs = specimen("linear")
    return module, *inputs


def test_a_report_reads_as_it_should():
    report = check_module(*sick_linear())
    assert not report.ok
    text = str(report)
    assert "bias gradient: 80 % off" in text
    assert "Returned = 0.2 x true, everywhere." in text
    assert "0.2 = 1 / 5, the batch size: a sum became a mean." in text
    with pytest.raises(GradientError, match="a sum became a mean"):
        report.raise_if_failed()
    check_module(*healthy_linear()).raise_if_failed()


def test_a_check_that_cannot_tell_has_not_passed():
    report = check_module(*healthy_linear())
    not_run = {finding.check for finding in report.findings if finding.level == "not run"}
    assert "channels-last-input" in not_run and not not_run & set(report.passed)
    costly = {check.name for check in CHECKS.values() if check.costly}
    said = {finding.check for finding in report.findings} | set(report.passed)
    assert said | costly == set(CHECKS)


def test_checks_are_chosen_by_name():
    module, x = healthy_linear()
    assert check_module(module, x, only=["first-order"]).passed == ["first-order"]
    assert "first-order" not in check_module(module, x, without=["first-order"]).passed
    with pytest.raises(ValueError, match="no check 'first'"):
        check_module(module, x, only=["first"])


def test_single_precision_is_examined_in_double():
    module, x = sick_linear()
    report = check_module(module.float(), x.float())
    assert not report.ok and "a sum became a mean" in str(report)
    assert x.dtype == torch.float64 and next(module.parameters()).dtype == torch.float32
    assert check_module(nn.Conv2d(2, 3, 3), torch.randn(2, 2, 5, 5)).ok


def test_a_large_input_is_examined_along_directions():
    assert check_module(nn.Linear(100, 50), torch.randn(64, 100), only=["first-order"]).ok
    module, _ = sick_linear()
    report = check_module(module, torch.randn(2000, 4).double(), only=["first-order"])
    assert not report.ok and "bias gradient" in str(report)


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        return Product.apply(delta, x)


class Product(Function):
    """2 delta x, and a backward pass that reads delta as if it were contiguous."""

    @staticmethod
    def forward(ctx, delta, x):
        ctx.save_for_backward(delta, x)
        return 2 * delta * x

    @staticmethod
    def backward(ctx, again):
        delta, x = ctx.saved_tensors
        columns = delta.shape[1]
        return 2 * again * x, 2 * again * delta.as_strided(delta.shape, (columns, 1))


def test_the_second_order_is_tried_in_other_layouts():
    report = check_function(Square.apply, torch.randn(4, 3), only=["second-order"])
    assert report.passed == ["second-order"]
    report = check_function(Square.apply, torch.randn(4, 3), only=["second-order-layouts"])
    assert "transposed cotangent: second order, input 1 is" in str(report)


def test_what_does_not_matter_has_no_gradient():
    class NoBias(nn.Linear):
        def forward(self, x):
            return Biased.apply(x, self.weight, self.bias)

    class Biased(Function):
        @staticmethod
        def forward(ctx, x, weight, bias):
            ctx.save_for_backward(x, weight)
            return x @ weight.T

        @staticmethod
        def backward(ctx, delta):
            x, weight = ctx.saved_tensors
            return delta @ weight, delta.T @ x, delta.sum(0)

    report = check_module(NoBias(4, 3), torch.randn(5, 4), only=["first-order"])
    assert "bias gradient: up to" in str(report) and "no output depends on it" in str(report)


def test_a_gradient_that_only_has_to_be_transposed_is_said_to_be():
    class Transposed(Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(x, weight)
            return x @ weight.T

        @staticmethod
        def backward(ctx, delta):
            x, weight = ctx.saved_tensors
            return delta @ weight, x.T @ delta

    inputs = torch.randn(5, 4), torch.randn(3, 4)
    report = check_function(Transposed.apply, *inputs, only=["first-order"])
    (finding,) = report.findings
    assert finding.diagnosis.cause == "transposed" and "[4, 3]" in str(report)


def test_a_function_is_examined_as_a_module_is():
    assert check_function(torch.sigmoid, torch.randn(3, 4), only=["first-order"]).ok
    module, x = sick_linear()
    report = check_function(module.function.apply, x, *module.parameters(), only=["first-order"])
    assert report.name == "LinearFunction" and not report.ok


def test_the_layer_that_is_wrong_is_found_in_a_model():
    sick, _ = sick_linear()
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), sick, nn.Tanh(), nn.Linear(3, 2))
    report = check_model(model.float(), torch.randn(5, 6))
    assert report.name.startswith("2 ") and "a sum became a mean" in str(report)
    assert not model[2]._forward_pre_hooks
    right = check_model(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)), torch.randn(5, 6))
    assert right.ok and "2 calls of layers" in str(right)


def test_ties_and_kinks_of_large_inputs_are_no_mistakes():
    layers = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.LeakyReLU()
    assert check_model(nn.Sequential(*layers), torch.randn(8, 1, 30, 30)).ok
    tied = torch.randn(4, 8, 12, 12).relu()
    report = check_module(nn.MaxPool2d(2), tied, only=["first-order"])
    assert report.ok and "the input lies at kinks, or ties" in str(report)
    module, _ = specimen("max_pool2d: the winner gets the share of an average")
    assert not check_module(module, tied, only=["first-order"]).ok


class NoTensor(nn.Module):
    def forward(self, x):
        return "nothing"


class Detached(nn.Module):
    def forward(self, x):
        return x.detach() + 1


@pytest.mark.parametrize(
    ("module", "inputs", "said"),
    [
        (nn.Linear(4, 3), (torch.randn(5, 7),), "forward pass raises RuntimeError: mat1 and mat2"),
        (NoTensor(), (torch.randn(3),), "returns no floating tensor"),
        (Detached(), (torch.randn(3),), "no output depends on an input"),
        (nn.ReLU(), (torch.arange(3),), "returns no floating tensor"),
        (nn.Linear(4, 3, device="meta"), (torch.randn(5, 4, device="meta"),), "meta device"),
    ],
)
def test_bad_input_is_named_and_does_not_raise(module, inputs, said):
    report = check_module(module, *inputs)
    assert not report.ok and said in str(report)


def test_what_needs_integers_or_is_random_is_examined():
    tokens = torch.tensor([[1, 2], [2, 0]])
    assert check_module(nn.Embedding(4, 3), tokens, only=["first-order"]).ok
    assert check_module(nn.Dropout(), torch.randn(4, 5), only=["first-order"]).ok
    hooked = nn.Linear(4, 3)
    hooked.register_forward_hook(lambda module, inputs, output: output * 2)
    assert check_module(hooked, torch.randn(5, 4), only=["first-order"]).ok


def test_kinks_are_moved_away_from_and_said():
    report = check_module(nn.ReLU(), torch.zeros(3, 4), only=["first-order"])
    assert report.ok and "12 elements of input lie at kinks" in str(report)


class LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.logsumexp(1)

    @staticmethod
    def backward(ctx, delta):
        (x,) = ctx.saved_tensors
        return delta.unsqueeze(1) * x.exp() / x.exp().sum(1, keepdim=True)


def test_what_overflows_is_found_at_large_inputs():
    report = check_function(LogSumExp.apply, torch.randn(3, 4), only=["extreme-inputs"])
    (finding,) = report.findings
    assert not report.ok and finding.diagnosis.cause == "nonfinite"
    assert "a thousand times as large" in finding.text
    for right in (nn.LogSoftmax(1), nn.GELU(), nn.LPPool1d(2, 2), nn.LayerNorm(4)):
        assert check_module(right, torch.randn(3, 4), only=["extreme-inputs"]).passed


def test_the_command_line(capsys):
    name = "tests.checks.test_doctor"
    assert main([f"{name}:healthy_linear", "--only", "first-order"]) == 0
    assert capsys.readouterr().out.startswith("Linear: right")
    assert main([f"{name}:sick_linear", "--only", "first-order", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["findings"][0]["diagnosis"]["cause"] == "mean-for-sum" and not told["ok"]
    assert main(["torch.nn:ReLU", "--input", "3,4", "--without", "vmap"]) == 0
    for bad in ("torch.nn:Nothing", "nowhere:x", "torch.nn", "torch.nn:ReLU"):
        assert main([bad]) == 2
    assert "add --input" in capsys.readouterr().err
    assert main(["--list"]) == 0
    assert "first-order: Each gradient is" in capsys.readouterr().out


def test_the_exit_code_in_a_shell():
    command = [sys.executable, "-m", "manualnn.checks", "torch.nn:Tanh", "--input", "3,4"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
