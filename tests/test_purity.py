"""No backward pass calls autograd or one of torch's gradient kernels; graphs hold only our own."""

import pytest
import torch

import manualnn
from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, graph_nodes
from tests.case import call
from tests.tables import CASES, one_of_each

_NOT_OURS = ("torch.", "embedding_dense", "grid_sampler")


def _foreign(operations):
    return {name for name in operations if "backward" in name or name.startswith(_NOT_OURS)}


@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_backward_runs_no_gradient_kernel(case, create_graph):
    module, inputs = case.modules()[0], case.tensors()
    variables = [i for i in inputs if i.requires_grad] + list(module.parameters())
    operations = backward_operations(call(module, inputs), variables, create_graph=create_graph)
    assert operations
    assert not _foreign(operations)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_graph_holds_only_our_functions_and_views(case):
    module, inputs = case.modules()[0], case.tensors()
    output = call(module, inputs)
    assert foreign_nodes(output, Function) == set()
    ours = [node for node in graph_nodes(output) if hasattr(node, "_forward_cls")]
    assert ours or case.name == "Flatten"


@pytest.mark.parametrize("case", one_of_each(), ids=str)
def test_the_watch_sees_the_gradient_kernels_of_the_twin(case):
    module, inputs = case.modules()[1], case.tensors()
    variables = [i for i in inputs if i.requires_grad] or list(module.parameters())
    operations = backward_operations(call(module, inputs), variables)
    without_kernel = {  # views, plain products and sums
        "BCEWithLogitsLoss",
        "Dropout",
        "Dropout2d",
        "Flatten",
        "KLDivLoss",
        "L1Loss",
        "Linear",
    }
    assert bool(_foreign(operations)) != (case.name in without_kernel)


def test_the_watch_sees_calls_to_autograd():
    class Cheat(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                torch.autograd.grad((x * x).sum(), x)
            return 2 * x * grad_output

    x = torch.randn(3, requires_grad=True)
    operations = backward_operations(Cheat.apply(x), [x])
    assert {"torch.autograd.grad", "torch.enable_grad.__enter__"} <= operations


def test_the_watch_sees_foreign_nodes():
    x = torch.randn(2, 3, requires_grad=True)
    y = manualnn.functional.relu(x)
    assert foreign_nodes(y[:, 1:] * 2, Function) == {"SliceBackward0", "MulBackward0"}
