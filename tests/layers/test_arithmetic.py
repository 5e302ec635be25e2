"""Functions that models write in line: sums, products, joining, splitting, means."""

import pytest
import torch

from manualnn import functional
from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, prove

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


def test_add_in_place_overwrites_its_input():
    x, y = _tensors([(2, 3), (3,)])
    overwritten = x.clone()
    output = functional.add_(overwritten, y, alpha=2)
    assert output is overwritten
    torch.testing.assert_close(output, x + 2 * y)
    prove(lambda x, y: functional.add_(x.clone(), y, alpha=2), [x, y])
    with pytest.raises(RuntimeError, match="a leaf that requires a gradient"):
        functional.add_(x, y)
    assert torch.equal(
        torch.vmap(lambda x: functional.add_(x.clone(), 1))(x.detach()), x.detach() + 1
    )


@pytest.mark.parametrize(
    "call",
    [
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
