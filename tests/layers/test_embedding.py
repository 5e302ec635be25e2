"""Embedding: its table of settings, and what is its own.

Options make the gradient something else than a derivative; their table has tests of its own.
"""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, vmap

import manualnn
from manualnn.autograd import Function, apply
from manualnn.checks import backward_operations, foreign_nodes, prove
from manualnn.layers.embedding import (
    EmbeddingSparseAdjointFunction,
    Lookup,
    embedding_adjoint,
    embedding_share,
)
from tests.case import Case

INDICES = torch.tensor([[0, 2, 2], [4, 2, 1]])
CASES = [
    Case("Embedding", {"num_embeddings": 5, "embedding_dim": 3}, (lambda indices=indices: indices,))
    for indices in (INDICES, INDICES.int().t(), torch.tensor(3), INDICES[:0])
]
SETTINGS = [  # options, indices
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
LINEAR = [setting for setting in SETTINGS if not {*setting[0]} & {"padding_idx", "max_norm"}]
EVERY_SETTING = pytest.mark.parametrize(("options", "indices"), SETTINGS)
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


@EVERY_SETTING
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_values_equal_the_twin(options, indices, dtype):
    results = [_results(module, indices) for module in _modules(options, dtype)]
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-6, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(*results, rtol=tolerance, atol=tolerance)
    assert all(module(indices).dtype == dtype for module in _modules(options, dtype))


@EVERY_SETTING
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


@pytest.mark.parametrize("padding_idx", [-5, -1, 0, 4])
def test_a_row_of_padding_may_be_counted_from_the_end(padding_idx):
    weight = torch.randn(5, 3, requires_grad=True)
    for functional in (manualnn.functional, nn.functional):  # the modules count from the start
        y = functional.embedding(torch.arange(5), weight, padding_idx)
        (gradient,) = torch.autograd.grad(y.sum(), weight)
        assert (gradient == 0).all(1).nonzero().tolist() == [[padding_idx % 5]]


@pytest.mark.parametrize(("options", "indices"), [setting for setting in LINEAR if not setting[0]])
def test_derivatives_by_the_weight(options, indices):
    module = _modules(options)[0]
    prove(lambda w: manualnn.functional.embedding(indices, w).sin(), [module.weight])


def _dense(indices):
    """The lookup as a matrix, one row a place, and how often each place's row is looked up."""
    matrix = nn.functional.one_hot(indices.flatten().long(), 5).double()
    return matrix, matrix @ matrix.sum(0)


@EVERY_SETTING
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


@EVERY_SETTING
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


@pytest.mark.parametrize(("options", "indices"), [setting for setting in LINEAR if not setting[0]])
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


@pytest.mark.parametrize(("options", "indices"), [s for s in SETTINGS if "max_norm" not in s[0]])
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


@EVERY_SETTING
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


# A gradient that is a list of rows.

SPARSE = [
    ({}, INDICES),
    ({}, INDICES.int().t()),
    ({}, torch.tensor(3)),
    ({}, torch.empty(0, 2, dtype=torch.int64)),
    ({"padding_idx": 2}, INDICES),
    ({"padding_idx": -1, "max_norm": 0.7}, INDICES),
]
EVERY_SPARSE_SETTING = pytest.mark.parametrize(("options", "indices"), SPARSE)


@EVERY_SPARSE_SETTING
def test_a_sparse_gradient_is_that_of_the_twin_row_by_row(options, indices):
    results = [_results(module, indices) for module in _modules(options | {"sparse": True})]
    dense = _results(_modules(options)[0], indices)
    for actual, expected, summed in zip(*results, dense, strict=True):
        assert actual.layout == expected.layout
        torch.testing.assert_close(actual.to_dense(), summed)
        if actual.is_sparse:
            assert actual.is_coalesced() == expected.is_coalesced()
            assert torch.equal(actual._indices(), expected._indices())
            torch.testing.assert_close(actual._values(), expected._values())


@EVERY_SPARSE_SETTING
def test_second_order_of_a_sparse_gradient_is_that_of_the_dense_one(options, indices):
    results = []
    for sparse in (True, False):
        module = _modules(options | {"sparse": sparse})[0]
        output = module(indices)
        cotangent = output.detach().cos().requires_grad_()
        loss = (output.sin() * cotangent).sum()
        (first,) = torch.autograd.grad(loss, module.weight, create_graph=True)
        assert foreign_nodes(output, Function) == set()
        assert first.is_sparse == sparse
        variables = [module.weight, cotangent]
        by_weight, by_cotangent = torch.autograd.grad(first.to_dense().exp().sum(), variables)
        assert by_weight.is_sparse == sparse
        results.append([by_weight.to_dense(), by_cotangent])
    torch.testing.assert_close(*results)


@EVERY_SPARSE_SETTING
def test_the_backward_pass_of_a_sparse_gradient_runs_no_gradient_kernel(options, indices):
    for module, has_kernel in zip(_modules(options | {"sparse": True}), (False, True), strict=True):
        operations = backward_operations(module(indices), [module.weight])
        assert any("backward" in name for name in operations) == has_kernel


def test_the_sparse_adjoint_and_its_derivative_are_those_of_the_dense_matrix():
    delta = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    matrix = _dense(INDICES)[0] * (INDICES.flatten() != 2).unsqueeze(1)
    gradient = apply(EmbeddingSparseAdjointFunction, delta, INDICES, Lookup(5, padding_idx=2))
    truth = matrix.t() @ delta.reshape(6, 4)
    torch.testing.assert_close(gradient.to_dense(), truth)
    cotangent = torch.randn_like(truth)
    expected = (matrix @ cotangent).reshape(2, 3, 4)
    for like_weight in (cotangent, cotangent.to_sparse()):
        (actual,) = torch.autograd.grad(gradient, delta, like_weight, retain_graph=True)
        torch.testing.assert_close(actual, expected)


def test_torch_has_no_forward_mode_of_a_sparse_gradient():
    w = torch.randn(5, 3)
    for functional in (manualnn.functional, nn.functional):
        gradient = grad(lambda w, f=functional: f.embedding(INDICES, w, sparse=True).exp().sum())
        with pytest.raises(NotImplementedError):
            jvp(gradient, (w,), (w,))


def test_a_sparse_gradient_is_compiled_in_parts():
    torch._dynamo.reset()
    module = _modules({"sparse": True, "padding_idx": 2})[0]
    compiled = torch.compile(copy.deepcopy(module), backend="aot_eager")
    actual, expected = (_results(m, INDICES)[:2] for m in (compiled, module))
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("optimizer", [torch.optim.SparseAdam, torch.optim.SGD])
def test_sparse_gradients_train_the_table_as_its_twin_s(optimizer):
    modules = _modules({"sparse": True, "padding_idx": 2})
    for module in modules:
        steps = optimizer(module.parameters(), lr=0.1)
        for _ in range(3):
            steps.zero_grad()
            module(INDICES).sin().sum().backward()
            steps.step()
    torch.testing.assert_close(*(module.weight for module in modules))


def test_a_sparse_gradient_is_not_divided_by_frequency():
    for module in _modules({"sparse": True, "scale_grad_by_freq": True}):
        output = module(INDICES)
        with pytest.raises(RuntimeError, match="scale_grad_by_freq"):
            output.sum().backward()


def test_an_embedding_from_pretrained_rows_is_ours():
    module = manualnn.Embedding.from_pretrained(torch.eye(3), freeze=False)
    module(torch.tensor([0, 2, 2])).sum().backward()
    assert type(module) is manualnn.Embedding
    assert module.weight.grad.tolist() == [[1.0] * 3, [0.0] * 3, [2.0] * 3]
