"""What a layer keeps between its passes: little, under torch's watch, and freed in time."""

import weakref
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.func import grad, jvp, vmap

import manualnn
from manualnn.checks import graph_nodes
from tests.case import call
from tests.tables import CASES, one_of_each


def _storage(tensor):
    return tensor.untyped_storage().data_ptr()


def _kept(module, inputs):
    """The module's output, and the tensors that it keeps for its backward pass."""
    kept = []
    with saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        output = module(*inputs)
    return output, kept


def _case_named(name):
    return next(case for case in one_of_each() if case.name == name)


PRODUCTS = ["Linear", *(f"Conv{kind}{d}d" for kind in ("", "Transpose") for d in (1, 2, 3))]
KEEPS_ITS_OUTPUT = ["ReLU", "Sigmoid", "Tanh", "Softmax", "LogSoftmax"]


@pytest.mark.parametrize("name", [*PRODUCTS, "BatchNorm1d", "BatchNorm2d", "BatchNorm3d"])
def test_with_a_frozen_weight_the_input_is_not_kept(name):
    module = _case_named(name).modules()[0].eval()
    inputs = _case_named(name).tensors()
    _, kept = _kept(module, inputs)
    assert _storage(inputs[0]) in map(_storage, kept)
    output, kept = _kept(module.requires_grad_(False), inputs)
    assert {*map(_storage, kept)} <= {*map(_storage, module.state_dict().values())}
    output.sum().backward()
    assert inputs[0].grad is not None


def test_with_a_frozen_weight_the_padded_input_is_not_kept():
    module = manualnn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect").requires_grad_(False)
    _, kept = _kept(module, [torch.randn(1, 2, 4, 4, requires_grad=True)])
    assert [*map(_storage, kept)] == [_storage(module.weight)]


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_first_layer_keeps_its_input_and_no_weight(name):
    module, x = _case_named(name).modules()[0], _case_named(name).tensors()[0].detach()
    _, kept = _kept(module, [x])
    assert [*map(_storage, kept)] == [_storage(x)]


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(256, torch.uint8), (257, torch.int16), (2**15, torch.int16), (2**15 + 1, torch.int32)],
)
def test_max_pooling_keeps_the_smallest_integer_for_each_output(size, dtype):
    x = torch.arange(size, dtype=torch.float32).reshape(1, 1, size).requires_grad_()
    output, (places,) = _kept(manualnn.MaxPool1d(2, ceil_mode=True), [x])
    assert (places.shape, places.dtype) == (output.shape, dtype)
    output.sum().backward()
    assert x.grad[0, 0, -1] == 1
    assert x.grad.sum() == output.numel()


@pytest.mark.parametrize(
    "module",
    [
        manualnn.ReLU(),
        manualnn.ReLU(inplace=True),
        manualnn.Sigmoid(),
        manualnn.Tanh(),
        manualnn.Softmax(1),
        manualnn.LogSoftmax(1),
    ],
    ids=str,
)
def test_activations_keep_their_output_alone(module):
    output, kept = _kept(module, [torch.randn(3, 4, requires_grad=True).clone()])
    assert [*map(_storage, kept)] == [_storage(output)]


@pytest.mark.parametrize("name", ["Flatten", "AvgPool2d", "AdaptiveAvgPool2d"])
def test_keeps_nothing(name):
    assert _kept(_case_named(name).modules()[0], _case_named(name).tensors())[1] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_tensors_are_kept_where_torch_can_see_them(case):
    output = call(case.modules()[0], case.tensors())
    for node in graph_nodes(output):
        attributes = vars(node).values() if hasattr(node, "__dict__") else ()
        assert not any(isinstance(value, Tensor) for value in attributes)


@pytest.mark.parametrize("case", one_of_each(), ids=str)
def test_a_graph_is_freed_with_its_output(case):
    module, inputs = case.modules()[0], [i.clone() for i in case.tensors()]
    output = module(*inputs)
    references = [weakref.ref(tensor) for tensor in (*inputs, output)]
    del inputs, output
    assert all(reference() is None for reference in references)


@pytest.mark.parametrize("case", one_of_each(), ids=str)
def test_a_change_between_the_passes_is_noticed_or_does_not_matter(case):
    def gradients(change):
        module, variables = case.modules()[0], case.tensors()
        inputs = [v.clone() for v in variables]
        output = module(*inputs)
        tensors = [*inputs, *module.parameters(), *module.buffers(), output]
        with torch.no_grad():
            for tensor in tensors[change]:
                tensor.add_(1)
        variables = [*(v for v in variables if v.requires_grad), *module.parameters()]
        return torch.autograd.grad(output, variables, torch.ones_like(output))

    expected, noticed = gradients(slice(0)), 0
    count = len(case.inputs) + len(case.modules()[0].state_dict()) + 1
    for index in range(count):
        try:
            actual = gradients(slice(index, index + 1))
        except RuntimeError as error:
            assert "modified by an inplace operation" in str(error)
            noticed += 1
        else:
            torch.testing.assert_close(actual, expected, rtol=0, atol=0)
    keeps_nothing_of_theirs = ("Adaptive", "AvgPool", "Dropout", "Flatten", "MaxPool", "Upsampl")
    assert bool(noticed) != case.name.startswith(keeps_nothing_of_theirs)


OVERWRITABLE = [
    case
    for case in CASES
    if case.name not in KEEPS_ITS_OUTPUT and not case.options.get("inplace")  # torch's keeps it
]


@pytest.mark.parametrize("case", OVERWRITABLE, ids=str)
def test_an_output_may_be_overwritten_by_the_next_layer(case):
    results = []
    for module in case.modules():
        inputs = case.tensors()
        output = torch.relu_(call(module, inputs))
        variables = [i for i in inputs if i.requires_grad] + list(module.parameters())
        results.append(
            [
                output,
                *torch.autograd.grad(
                    output, variables, torch.ones_like(output), materialize_grads=True
                ),
            ]
        )
    torch.testing.assert_close(*results, rtol=case.tolerance, atol=1e-12, equal_nan=True)


# In-place ReLU: what it computes, and what is left in its input.


def _on_a_tensor(relu_, x):
    y = x * 1
    return relu_(y) * y


def _on_a_view(relu_, x):
    y = x * 1
    relu_(y[1:3])
    return y * x


def _on_a_column(relu_, x):
    y = x * 1
    relu_(y.view(2, 2)[:, 0])
    return y * y


X = torch.tensor([-1.0, 2.0, -3.0, 0.5], dtype=torch.float64)
TRANSFORMS = {
    "reverse": lambda f: torch.autograd.functional.vjp(f, X, X + 1),
    "grad": lambda f: grad(lambda x: f(x).sum())(X),
    "jvp": lambda f: jvp(f, (X,), (X + 1,)),
    "grad of jvp": lambda f: grad(lambda x: (jvp(f, (x,), (X + 1,))[1] ** 2).sum())(X),
    "vmap": lambda f: vmap(f)(torch.stack([X, -X, X + 1])),
    "vmap of grad": lambda f: vmap(grad(lambda x: f(x).sum()))(torch.stack([X, -X, X + 1])),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
@pytest.mark.parametrize("use", [_on_a_tensor, _on_a_view, _on_a_column])
def test_in_place_relu_is_its_twin_under_every_transform(use, transform):
    results = [
        transform(partial(use, namespace.ReLU(inplace=True))) for namespace in (manualnn, nn)
    ]
    torch.testing.assert_close(*results, rtol=0, atol=0)


def test_in_place_relu_overwrites_its_input():
    x, relu_ = X.clone(), manualnn.ReLU(inplace=True)
    y = x.requires_grad_() * 1
    assert relu_(y).data_ptr() == y.data_ptr()
    assert y.tolist() == [0.0, 2.0, 0.0, 0.5]
    batch = torch.stack([X, -X])
    vmap(relu_)(batch)
    assert batch.tolist() == [[0.0, 2.0, 0.0, 0.5], [1.0, 0.0, 3.0, 0.0]]
