"""Functions that models write in line: sums, products, joining, splitting, means."""

import pytest
import torch

from manualnn import functional
from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, prove
from manualnn.layers.arithmetic import sum_over_copies

# name: (the function of the namespace of torch's or ours, shapes of its tensors)
CASES = {
    "add": (lambda f, a, b: f.add(a, b), [(2, 3), (2, 3)]),
    "add, broadcast both ways": (lambda f, a, b: f.add(a, b, alpha=2), [(2, 1, 3), (4, 1)]),
    "add a number": (lambda f, a: f.add(a, 3, alpha=0.5), [(2, 3)]),
    "mul": (lambda f, a, b: f.mul(a, b), [(2, 3), (2, 3)]),
    "mul, broadcast both ways": (lambda f, a, b: f.mul(a, b), [(2, 1, 3), (4, 1)]),
    "mul by a number": (lambda f, a: f.mul(a, 0.5), [(2, 3)]),
    "cat": (lambda f, a, b: f.cat([a, b], 1), [(2, 3), (2, 1)]),
    "cat from the end": (lambda f, a, b: f.cat((a, b, a), dim=-2), [(2, 3), (4, 3)]),
    "split": (lambda f, a: f.split(a, 2, dim=1)[1], [(2, 5)]),
    "split unevenly": (lambda f, a: f.split(a, [1, 4], -1)[1], [(2, 5)]),
    "chunk": (lambda f, a: f.chunk(a, 2, 1)[0], [(2, 5)]),
    "mean": (lambda f, a: f.mean(a), [(2, 3)]),
    "mean of a number": (lambda f, a: f.mean(a), [()]),
    "mean over axes": (lambda f, a: f.mean(a, (1, -1), keepdim=True), [(2, 3, 4)]),
    "mean over one axis": (lambda f, a: f.mean(a, -2), [(2, 3, 4)]),
}
all_cases = pytest.mark.parametrize(("function", "shapes"), CASES.values(), ids=CASES.keys())


def _tensors(shapes):
    torch.manual_seed(0)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


@all_cases
def test_values_and_gradients_equal_torchs(function, shapes):
    results = []
    for namespace in (functional, torch):
        tensors = _tensors(shapes)
        output = function(namespace, *tensors)
        torch.manual_seed(1)
        results.append([output, *torch.autograd.grad(output, tensors, torch.randn_like(output))])
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


@all_cases
def test_derivatives(function, shapes):
    prove(lambda *tensors: function(functional, *tensors), _tensors(shapes))


@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
@all_cases
def test_no_gradient_kernel(function, shapes, create_graph):
    tensors = _tensors(shapes)
    output = function(functional, *tensors)
    assert foreign_nodes(output, Function) == set()
    operations = backward_operations(output, tensors, create_graph=create_graph)
    assert not {name for name in operations if "backward" in name}


@all_cases
def test_vmap_and_per_sample_gradients(function, shapes):
    tensors = [torch.stack([t, 2 * t]).detach() for t in _tensors(shapes)]
    ours, theirs = (
        torch.vmap(torch.func.grad(lambda *t, f=f: function(f, *t).square().sum()))(*tensors)
        for f in (functional, torch)
    )
    torch.testing.assert_close(ours, theirs)


@all_cases
def test_compiles_whole(function, shapes):
    torch.compiler.reset()
    tensors = _tensors(shapes)
    compiled = torch.compile(
        lambda *t: function(functional, *t), fullgraph=True, backend="aot_eager"
    )
    expected = function(functional, *tensors)
    output = compiled(*tensors)
    torch.testing.assert_close(output, expected)
    gradients = (torch.autograd.grad(y.sum(), tensors) for y in (output, expected))
    torch.testing.assert_close(*gradients)


def test_the_same_tensor_twice():
    (x,) = _tensors([(3,)])
    prove(lambda x: functional.mul(x, functional.add(x, x)), [x])


def test_dtypes_are_promoted_as_torch_promotes_them():
    half, whole = torch.ones(2, dtype=torch.bfloat16), torch.arange(2)
    for name in ("add", "mul"):
        for pair in ((half, torch.ones(2)), (half, whole), (whole, 1.5), (whole, 2), (half, 2.5)):
            assert getattr(functional, name)(*pair).dtype == getattr(torch, name)(*pair).dtype
    assert functional.cat([half, torch.ones(2)]).dtype == torch.float32
    assert functional.mean(half, dtype=torch.float64).dtype == torch.float64
    assert functional.mean(whole, dtype=torch.float32) == 0.5


def test_add_in_place_overwrites_its_input():
    x, y = _tensors([(2, 3), (3,)])
    overwritten = x.clone()
    output = functional.add_(overwritten, y, alpha=2)
    assert output is overwritten
    torch.testing.assert_close(output, x + 2 * y)
    prove(lambda x, y: functional.add_(x.clone(), y, alpha=2), [x, y])
    before = x.tolist()
    with pytest.raises(RuntimeError, match="a leaf that requires a gradient"):
        functional.add_(x, y)
    assert x.tolist() == before
    batch = x.detach().clone()
    torch.vmap(lambda x: functional.add_(x, 1, alpha=2))(batch)
    assert torch.equal(batch, x.detach() + 2)


def test_an_element_that_was_broadcast_gets_the_sum_over_its_copies():
    grad = torch.arange(6.0).reshape(2, 3)
    assert sum_over_copies(grad, torch.Size([3])).tolist() == [3, 5, 7]
    assert sum_over_copies(grad, torch.Size([2, 1])).tolist() == [[3], [12]]
    assert sum_over_copies(grad, torch.Size([])) == 15
    assert sum_over_copies(grad, grad.shape) is grad


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, w: functional.add(x, w), ""),
        (lambda x, w: functional.mul(x, w), "xw"),
        (lambda x, w: functional.mul(x, w.detach()), "w"),
        (lambda x, w: functional.mul(x.detach(), w), "x"),
        (lambda x, w: functional.mul(x, 2), ""),
    ],
    ids=["add", "mul", "mul by a constant", "mul a constant", "mul by a number"],
)
def test_what_is_kept_is_what_the_derivatives_need(function, expected):
    tensors, kept = _tensors([(2, 3), (3,)]), []
    names = {tensor.data_ptr(): name for tensor, name in zip(tensors, "xw", strict=True)}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        function(*tensors)
    assert "".join(names[tensor.data_ptr()] for tensor in kept) == expected


def test_parts_have_memory_of_their_own_where_gradients_are_recorded():
    x = torch.arange(6.0, requires_grad=True)
    for parts in (functional.split(x, 2), functional.chunk(x, 3)):
        parts[0].zero_()
    assert x.tolist() == [0, 1, 2, 3, 4, 5]
    with torch.no_grad():  # as torch's, they are views
        functional.split(x, 2)[1].zero_()
        functional.chunk(x, 3)[2].zero_()
    assert x.tolist() == [0, 1, 0, 0, 0, 0]
    whole = torch.ones(2)
    functional.cat([whole])[0] = 0
    assert whole.tolist() == [1, 1]


def test_nothing_yet_is_joined_with_any_shape():
    (x,) = _tensors([(2, 3)])
    for dim in (0, 1):
        assert torch.equal(functional.cat([torch.tensor([]), x], dim), x)
    assert functional.cat([torch.tensor([]), torch.tensor([])]).shape == (0,)
    prove(lambda x: functional.cat([torch.tensor([]), x, x], 1), [x])


@pytest.mark.parametrize(
    "call",
    [
        lambda f: getattr(f, "add_", torch.Tensor.add_)(torch.arange(2), torch.ones(2)),
        lambda f: getattr(f, "add_", torch.Tensor.add_)(torch.ones(2), torch.ones(2) * 1j),
        lambda f: getattr(f, "add_", torch.Tensor.add_)(torch.ones(2), torch.ones(3)),
        lambda f: f.add(torch.ones(2), torch.ones(3)),
        lambda f: f.mul(torch.ones(2), torch.ones(3)),
        lambda f: f.cat([]),
        lambda f: f.cat([torch.ones(2, 2), torch.ones(3, 3)]),
        lambda f: f.cat([torch.ones(2)], 1),
        lambda f: f.split(torch.ones(5), [1, 2]),
        lambda f: f.split(torch.ones(5), -1),
        lambda f: f.chunk(torch.ones(5), 0),
        lambda f: f.chunk(torch.ones(5), 2, 1),
        lambda f: f.mean(torch.ones(5), 1),
        lambda f: f.mean(torch.ones(5), (0, 0)),
        lambda f: f.mean(torch.arange(5)),
    ],
)
def test_what_torch_refuses_is_refused(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type):
        call(functional)
