"""Which functional calls are led to hand-derived functions, and which stay torch's."""

import pytest
import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import manualnn
from manualnn import hand_derived
from manualnn.autograd import Leading
from manualnn.checks import graph_nodes

LED = {  # a call, and the Function that it is led to
    "F.relu(x)": (F.relu, "ReLUFunction"),
    "F.relu(input=x)": (lambda x: F.relu(input=x), "ReLUFunction"),
    "F.relu(x, inplace=True)": (lambda x: F.relu(x.clone(), inplace=True), "ReLUInPlaceFunction"),
    "torch.relu(x)": (torch.relu, "ReLUFunction"),
    "x.relu()": (torch.Tensor.relu, "ReLUFunction"),
    "x.relu_()": (lambda x: x.clone().relu_(), "ReLUInPlaceFunction"),
    "x + x": (lambda x: x + x, "AddFunction"),
    "1 + x": (lambda x: 1 + x, "AddFunction"),
    "i + x": (lambda x: torch.arange(4) + x, "AddFunction"),
    "torch.cat([x, x], axis=0)": (lambda x: torch.cat([x, x], axis=0), "JoinFunction"),
    "x.mean(axis=0, keepdims=True)": (lambda x: x.mean(axis=0, keepdims=True), "MeanFunction"),
    "torch.concat([x, x])": (lambda x: torch.concat([x, x]), "JoinFunction"),
    "x.multiply(x)": (lambda x: x.multiply(x), "MulFunction"),
    "F.elu_(x, 2)": (lambda x: F.elu_(x.clone(), 2), "ELUFunction"),
    "F.embedding(i, x)": (lambda x: F.embedding(torch.arange(2), x[:, None]), "EmbeddingFunction"),
    "x.add(x, alpha=2)": (lambda x: x.add(x, alpha=2), "AddFunction"),
    "x.add_(1)": (lambda x: x.clone().add_(1), "AddInPlaceFunction"),
    "2 * x": (lambda x: 2 * x, "MulFunction"),
    "x.mul_(2)": (lambda x: x.clone().mul_(2), "MulFunction"),
    "torch.cat([x, x])": (lambda x: torch.cat([x, x]), "JoinFunction"),
    "torch.cat(tensors=(x, x))": (lambda x: torch.cat(tensors=(x, x)), "JoinFunction"),
    "x.chunk(2)": (lambda x: x.chunk(2)[0], "SeparateFunction"),
    "x.mean(0)": (lambda x: x.mean(0), "MeanFunction"),
    "F.softmax(x, 0)": (lambda x: F.softmax(x, 0), "SoftmaxFunction"),
    "torch.softmax(x, 0)": (lambda x: torch.softmax(x, 0), "SoftmaxFunction"),
    "x.log_softmax(0)": (lambda x: x.log_softmax(0), "LogSoftmaxFunction"),
    "F.max_pool1d(x, 2, return_indices=True)": (
        lambda x: F.max_pool1d(x[None], 2, return_indices=True)[0], "MaxPoolFunction"),
    "F.mse_loss(x, y)": (lambda x: F.mse_loss(x, torch.zeros(4)), "MSEFunction"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "function"), LED.values(), ids=LED.keys())
def test_is_led_and_gives_what_torch_gives(call, function):
    x = torch.tensor([-1.0, 0.5, 2.0, 3.0], requires_grad=True)
    with hand_derived():
        output = call(x)
    assert f"{function}Backward" in {node.name() for node in graph_nodes(output)}
    torch.testing.assert_close(output, call(x))


def test_in_place_calls_overwrite_their_input():
    for call in (lambda x: x.relu_(), lambda x: x.add_(1), lambda x: x.mul_(2)):
        x = torch.randn(4)
        expected = call(x.clone())
        with hand_derived():
            assert call(x) is x
        assert torch.equal(x, expected)


def test_an_output_that_is_given_is_written_by_torch():
    x, given = torch.ones(2), torch.empty(2)
    with hand_derived():
        assert torch.add(x, x, out=given) is given
    assert given.tolist() == [2.0, 2.0]


def test_complex_numbers_and_integers_stay_torchs():
    z, x = torch.tensor([1 + 2j], requires_grad=True), torch.ones(1, requires_grad=True)
    with hand_derived():
        for product in (z * z, z * x, x * z, x * 1j):
            assert product.grad_fn.name() == "MulBackward0"
        assert torch.cat([x, z]).dtype == torch.complex64
        assert torch.mean(torch.arange(3), dtype=torch.float32) == 1
        assert (torch.arange(3) + 1).tolist() == [1, 2, 3]


def test_numbers_are_not_cut_to_whole_ones():
    whole = torch.arange(2)
    with hand_derived():
        for call in (lambda: whole.add_(torch.ones(2)), lambda: whole.mul_(torch.ones(2))):
            with pytest.raises(RuntimeError, match="can't be cast"):
                call()
    assert whole.tolist() == [0, 1]


def test_tensors_with_functions_of_their_own_keep_them():
    class Celsius(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "warm" if func is torch.relu else super().__torch_function__(func, types, args)

    with hand_derived():
        assert torch.relu(torch.ones(2).as_subclass(Celsius)) == "warm"


@pytest.mark.parametrize(("mode", "is_asked"), [(Leading, False), (TorchFunctionMode, True)])
def test_a_layer_of_ours_is_not_asked_about_its_own_calls(mode, is_asked):
    asked = []

    class Asking(mode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            asked.append(func)
            return func(*args, **(kwargs or {}))

    layer, x = manualnn.BatchNorm2d(3), torch.randn(2, 3, 4, 4)
    with Asking():
        layer(x)
        assert bool(asked) == is_asked
        torch.relu(x)  # and then goes on to be
    assert torch.relu in asked
