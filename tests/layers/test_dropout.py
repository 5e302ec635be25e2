"""Dropout: its table of settings, and what is its own."""

import pytest
import torch
from torch import nn

import manualnn
from manualnn.layers.dropout import dropout_mask, dropout_scale
from tests.case import Case

CASES = [
    Case("Dropout", {}, ((4, 4),)),
    Case("Dropout", {"p": 0.3, "inplace": True}, ((3, 4),)),
    Case("Dropout", {"p": 1.0}, ((4, 4),)),
    Case("Dropout", {"p": 0.1}, ((2, 3, 2, 2),), memory_format=torch.channels_last),
    Case("Dropout", {}, ((),)),
    Case("Dropout2d", {}, ((2, 4, 2, 2),)),
    Case("Dropout2d", {"p": 0.3, "inplace": True}, ((3, 2, 2, 2),)),
    Case("Dropout2d", {"p": 1.0}, ((2, 2, 2, 2),)),
]
TRAINING = pytest.mark.parametrize("case", CASES, ids=str)


@TRAINING
def test_a_seed_gives_what_it_gives_torch_and_moves_the_stream_as_far(case):
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        results = []
        for module in case.modules(dtype):
            (x,) = case.tensors(dtype)
            x = x.detach().repeat([7] * x.dim()).contiguous(memory_format=case.memory_format)
            torch.manual_seed(7)
            results.append([module(x.clone()), module(x.clone()), torch.rand(3)])
        torch.testing.assert_close(*results, rtol=0, atol=0)
        assert results[0][0].stride() == results[1][0].stride()


@TRAINING
def test_evaluation_and_nothing_to_forget_return_the_input(case):
    x = torch.randn(2, 3, 2, 2, requires_grad=True)
    for module in case.modules(torch.float32):
        assert module.eval()(x) is x
        assert type(module)(p=0.0, inplace=True)(x) is x
        assert module.train()(x[:0]).shape == (0, 3, 2, 2)


@TRAINING
def test_what_is_kept_is_a_mask_of_one_byte(case):
    kept, module = [], case.modules()[0]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y = module(case.tensors()[0].clone())
    (mask,) = kept
    assert mask.dtype == torch.bool
    assert mask.numel() == (y.numel() if case.name == "Dropout" else y.shape[0] * y.shape[1])


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_value_by_value_x_is_lost_with_probability_p_or_else_enlarged(p):
    x = torch.rand(100, 100, dtype=torch.float64) + 1
    y = manualnn.functional.dropout(x, p)
    for a, b in zip(x[0].tolist(), y[0].tolist(), strict=True):
        assert b == 0 or b == pytest.approx(a / (1 - p))
    assert (y == 0).double().mean().item() == pytest.approx(p, abs=0.02)
    assert y.mean().item() == pytest.approx(1.5, rel=0.1)


def test_channels_are_lost_as_a_whole():
    x = torch.rand(50, 40, 3, 2) + 1
    lost = manualnn.functional.dropout2d(x, 0.3) == 0
    assert torch.equal(lost, lost[:, :, :1, :1].expand_as(lost))
    assert lost.double().mean().item() == pytest.approx(0.3, abs=0.05)


def test_formulas():
    x, delta = torch.randn(2, 5, 4, dtype=torch.float64)
    mask = dropout_mask(x, x.shape, 0.25)
    expected = torch.tensor(
        [[v / 0.75 if m else 0 for v, m in zip(*row, strict=True)]
         for row in zip(x.tolist(), mask.tolist(), strict=True)], dtype=torch.float64
    )  # fmt: skip
    torch.testing.assert_close(dropout_scale(x, mask, 0.25), expected)
    torch.testing.assert_close(
        (dropout_scale(delta, mask, 0.25) * x).sum(), (delta * expected).sum()
    )


@pytest.mark.parametrize("randomness", ["different", "same"])
@pytest.mark.parametrize("name", ["dropout", "dropout2d"])
def test_vmap_draws_as_torch_draws_under_it(name, randomness):
    batch, results = torch.randn(3, 2, 4, 3, 3, dtype=torch.float64), []
    for function in (getattr(n.functional, name) for n in (manualnn, nn)):
        for inplace in (False, True):

            def loss(x, function=function, inplace=inplace):
                return function(x * 1, 0.3, inplace=inplace).sin().sum()

            for transformed in (loss, torch.func.grad(loss)):
                torch.manual_seed(7)
                results.append(torch.vmap(transformed, randomness=randomness)(batch))
    torch.testing.assert_close(results[:4], results[4:], rtol=1e-12, atol=0)


@pytest.mark.parametrize("namespace", [nn, manualnn], ids=["torch", "manualnn"])
def test_vmap_asks_whether_samples_share_their_mask(namespace):
    with pytest.raises(RuntimeError, match="randomness"):
        torch.vmap(namespace.Dropout())(torch.randn(3, 4))


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (1, 2, 2, 2, 2)])
def test_other_shapes_than_planes_are_warned_of_as_in_torch(shape):
    results = []
    for functional in (nn.functional, manualnn.functional):
        torch.manual_seed(7)
        with pytest.warns(UserWarning, match="dropout2d"):
            results.append(functional.dropout2d(torch.ones(shape)))
    torch.testing.assert_close(*results, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["Dropout", "Dropout2d"])
def test_in_place_forms_overwrite_their_input_and_no_leaf(name):
    module = getattr(manualnn, name)(0.5, inplace=True)
    leaf = torch.ones(2, 8, 2, 2, requires_grad=True)
    x = leaf * 1
    y = module(x)
    assert y.data_ptr() == x.data_ptr()
    assert {*x.flatten().tolist()} == {0.0, 2.0}
    y.sum().backward()
    assert torch.equal(leaf.grad, x.detach())
    with pytest.raises(RuntimeError, match=r"leaf.*clone"):
        module(leaf)
    assert torch.equal(leaf, torch.ones(2, 8, 2, 2))
