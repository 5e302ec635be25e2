"""Embedding: its table of settings, and all its tests, as its input is not differentiated."""

import copy
import re

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, vmap

import manualnn
from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, prove
from manualnn.layers.embedding import Lookup, embedding_adjoint, embedding_share

INDICES = torch.tensor([[0, 2, 2], [4, 2, 1]])
CASES = [  # options, indices
    ({}, INDICES),
    ({}, INDICES.int().t()),
    ({}, torch.tensor(3)),
    ({}, torch.empty(0, 2, dtype=torch.int64)),
    ({"padding_idx": 2}, INDICES),
    ({"padding_idx": -1}, INDICES),
    ({"scale_grad_by_freq": True}, INDICES),
    ({"scale_grad_by_freq": True, "padding_idx": 4}, INDICES),
    ({"max_norm": 0.7}, INDICES),
    ({"max_norm": 0.7, "norm_type": 1.0, "scale_grad_by_freq": True}, INDICES),
]
LINEAR = [case for case in CASES if not {*case[0]} & {"padding_idx", "max_norm"}]
EVERY_CASE = pytest.mark.parametrize(("options", "indices"), CASES)
BAD = [float("inf"), -float("inf"), float("nan")]


def _modules(options, dtype=torch.float64):
    torch.manual_seed(1)
    ours = manualnn.Embedding(5, 3, **options, dtype=dtype)
    theirs = nn.Embedding(5, 3, **options, dtype=dtype)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def _results(module, indices, cotangent=None):
    """Output, gradient and weight, which max_norm changes."""
    output = module(indices)
    torch.manual_seed(3)
    random = torch.randn(output.shape, dtype=torch.float64).to(output.dtype)
    cotangent = random if cotangent is None else cotangent
    (gradient,) = torch.autograd.grad(output, module.weight, cotangent)
    return [output.detach(), gradient, module.weight.detach()]


@EVERY_CASE
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_values_equal_the_twin(options, indices, dtype):
    results = [_results(module, indices) for module in _modules(options, dtype)]
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-6, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(*results, rtol=tolerance, atol=tolerance)
    assert all(module(indices).dtype == dtype for module in _modules(options, dtype))


@EVERY_CASE
@pytest.mark.parametrize("bad", BAD)
def test_bad_numbers_behave_as_in_the_twin(options, indices, bad):
    cotangent = torch.randn(*indices.shape, 3, dtype=torch.float64)
    cotangent.flatten()[:4] = bad
    results = [_results(module, indices, cotangent) for module in _modules(options)]
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-9, equal_nan=True)
    if "max_norm" in options:
        return
    for module in (modules := _modules(options)):
        with torch.no_grad():
            module.weight[2, 1] = bad
    results = [_results(module, indices) for module in modules]
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-9, equal_nan=True)


def test_gradient_is_the_sum_place_by_place():
    delta = torch.randn(2, 3, 4, dtype=torch.float64)
    for padding_idx, by_frequency in ((None, False), (2, False), (None, True), (0, True)):
        expected = torch.zeros(5, 4, dtype=torch.float64)
        for place in torch.cartesian_prod(torch.arange(2), torch.arange(3)).tolist():
            v = INDICES[tuple(place)].item()
            if v != padding_idx:
                times = INDICES.flatten().tolist().count(v) if by_frequency else 1
                expected[v] += delta[tuple(place)] / times
        share = embedding_share(delta, INDICES, Lookup(5, padding_idx, by_frequency))
        torch.testing.assert_close(embedding_adjoint(share, INDICES, 5), expected)


@pytest.mark.parametrize(("options", "indices"), [case for case in LINEAR if not case[0]])
def test_derivatives_by_the_weight(options, indices):
    module = _modules(options)[0]
    prove(lambda w: manualnn.functional.embedding(indices, w).sin(), [module.weight])


def _dense(indices):
    """The lookup as a matrix, one row a place, and how often each place's row is looked up."""
    matrix = nn.functional.one_hot(indices.flatten().long(), 5).double()
    return matrix, matrix @ matrix.sum(0)


@EVERY_CASE
def test_second_order_is_that_of_the_dense_matrix(options, indices):
    module = _modules(options)[0]
    output = module(indices)
    cotangent = torch.randn(output.shape, dtype=torch.float64, requires_grad=True)
    loss = (output.sin() * cotangent).sum()
    (first,) = torch.autograd.grad(loss, module.weight, create_graph=True)
    second = torch.autograd.grad(first.square().sum(), [module.weight, cotangent])

    matrix, times = _dense(indices)
    share = 1 / times if module.scale_grad_by_freq else torch.ones_like(times)
    if module.padding_idx is not None:
        share = share * (1 - matrix[:, module.padding_idx])
    delta = (matrix @ module.weight).cos() * cotangent.reshape(-1, 3)
    truth = matrix.t() @ (share.unsqueeze(1) * delta)
    torch.testing.assert_close(first, truth)
    by_weight, by_cotangent = torch.autograd.grad(truth.square().sum(), [module.weight, cotangent])
    if module.scale_grad_by_freq:  # at every order, a row's gradient is divided by its frequency
        by_weight = by_weight / matrix.sum(0).clamp(min=1).unsqueeze(1)
    torch.testing.assert_close(second, (by_weight, by_cotangent))


@EVERY_CASE
@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
def test_backward_runs_no_gradient_kernel(options, indices, create_graph):
    module = _modules(options)[0]
    output = module(indices)
    assert foreign_nodes(output, Function) == set()
    operations = backward_operations(output, [module.weight], create_graph=create_graph)
    assert operations
    assert not {n for n in operations if "backward" in n or n.startswith("torch.")}
    theirs = _modules(options)[1]
    assert any("backward" in n for n in backward_operations(theirs(indices), [theirs.weight]))


@pytest.mark.parametrize(("options", "indices"), [case for case in LINEAR if not case[0]])
def test_forward_mode_hessians_and_third_order(options, indices):
    w = _modules(options)[0].weight.detach()

    def ours(w):
        return manualnn.functional.embedding(indices, w).pow(3).sum()

    def literal(w):
        return (_dense(indices)[0] @ w).pow(3).sum()

    torch.testing.assert_close(jvp(ours, (w,), (w.cos(),)), jvp(literal, (w,), (w.cos(),)))
    truth = jacrev(jacrev(literal))(w)
    for outer in (jacfwd, jacrev):
        for inner in (jacfwd, jacrev):
            torch.testing.assert_close(outer(inner(ours))(w), truth)
    truth = jacrev(jacrev(jacrev(literal)))(w)
    torch.testing.assert_close(jacfwd(jacrev(jacfwd(ours)))(w), truth)


@pytest.mark.parametrize(("options", "indices"), [c for c in CASES if "max_norm" not in c[0]])
def test_vmap_and_per_sample_gradients(options, indices):
    module = _modules(options)[0]
    weight = module.weight.detach()
    samples = torch.stack([indices, indices.flip(-1) if indices.dim() else indices, indices * 0])

    def loss(weight, indices):
        return functional_call(module, {"weight": weight}, indices).sin().sum()

    for transformed in (loss, grad(loss)):
        mapped = vmap(transformed, (None, 0))(weight, samples)
        torch.testing.assert_close(mapped, torch.stack([transformed(weight, s) for s in samples]))
        weights = torch.stack([weight, weight * 2])
        mapped = vmap(transformed, (0, None))(weights, indices)
        torch.testing.assert_close(mapped, torch.stack([transformed(w, indices) for w in weights]))


@EVERY_CASE
def test_compiles_into_one_graph(options, indices):
    torch._dynamo.reset()
    module = _modules(options)[0]
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, backend="aot_eager")
    actual, expected = (_results(m, indices)[:2] for m in (compiled, module))
    torch.testing.assert_close(actual, expected)


def test_kept_are_the_indices_alone():
    kept, module = [], manualnn.Embedding(5, 3)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        module(INDICES)
    assert [t.data_ptr() for t in kept] == [INDICES.data_ptr()]


@pytest.mark.parametrize(
    ("call", "error", "value", "fits"),
    [
        (lambda f, w: f(torch.tensor([1, 5]), w), IndexError, "index 5", "from 0 to 4"),
        (lambda f, w: f(torch.tensor([1, -1]), w), IndexError, "index -1", "from 0 to 4"),
        (lambda f, w: f(torch.tensor([1, 7]), w, max_norm=0.1), IndexError, "7", "from 0 to 4"),
        (lambda f, w: f(INDICES, w, padding_idx=5), AssertionError, "got 5", "-5 to 4"),
        (lambda f, w: f(INDICES, w, padding_idx=-6), AssertionError, "got -6", "-5 to 4"),
        (lambda f, w: f(INDICES, w[0]), RuntimeError, "(3,)", "2-D"),
        (lambda f, w: f(INDICES, w[None]), RuntimeError, "(1, 5, 3)", "2-D"),
        (lambda f, w: f(INDICES.float(), w), RuntimeError, "torch.float32", "torch.int64"),
        (lambda f, w: f(INDICES.bool(), w), RuntimeError, "torch.bool", "torch.int64"),
    ],
)
def test_refuses_what_torch_refuses_and_changes_nothing(call, error, value, fits):
    weight = torch.randn(5, 3)
    before = weight.clone()
    with pytest.raises(error):
        call(nn.functional.embedding, weight.clone())
    with pytest.raises(error, match=re.escape(value)) as raised:
        call(manualnn.functional.embedding, weight)
    assert fits in str(raised.value)
    assert torch.equal(weight, before)


def test_sparse_gradients_are_refused():
    with pytest.raises(NotImplementedError, match="sparse=True"):
        manualnn.Embedding(5, 3, sparse=True)(INDICES)


def test_an_embedding_from_pretrained_rows_is_ours():
    module = manualnn.Embedding.from_pretrained(torch.eye(3), freeze=False)
    module(torch.tensor([0, 2, 2])).sum().backward()
    assert type(module) is manualnn.Embedding
    assert module.weight.grad.tolist() == [[1.0] * 3, [0.0] * 3, [2.0] * 3]
