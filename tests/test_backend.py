"""Formulas compiled one by one: the same results, once for each shape, and clear words if not."""

import pytest
import torch
from torch import nn

import manualnn
from manualnn import backend
from manualnn.backend import _compiled, _require_compiler, formula
from tests.case import Case

try:
    _require_compiler()
except RuntimeError as error:
    pytestmark = pytest.mark.skip(str(error))

CASES = [
    Case("BatchNorm1d", {"num_features": 3}, ((4, 3),)),
    Case("BatchNorm2d", {"num_features": 3}, ((2, 3, 4, 4),)),
    Case("LayerNorm", {"normalized_shape": 3}, ((2, 4, 3),)),
    Case("GroupNorm", {"num_groups": 2, "num_channels": 4}, ((2, 4, 3),)),
    Case("ReLU", {}, ((4, 3),)),
    Case("Hardswish", {}, ((4, 3),)),
    Case("GELU", {}, ((4, 3),)),
    Case("GELU", {"approximate": "tanh"}, ((4, 3),)),
    Case("Softplus", {"beta": 2.0}, ((4, 3),)),
    Case("Softmax", {"dim": 1}, ((4, 3),)),
    Case("LogSoftmax", {"dim": 1}, ((4, 3),)),
    Case("CrossEntropyLoss", {}, ((4, 3), lambda: torch.tensor([0, 2, -100, 1]))),
]


def _gradients(case, name):
    module, inputs = case.modules(torch.float32)[0], case.tensors(torch.float32)
    with backend(name):
        y = module(*inputs)
        y.backward(torch.cos(y.detach()))
    return [y, inputs[0].grad, *(p.grad for p in module.parameters())]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_compiled_formulas_give_the_same(case):
    eager, compiled = (_gradients(case, name) for name in ("eager", "inductor"))
    torch.testing.assert_close(compiled, eager)


def test_second_order_and_transforms_take_the_steps():
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    with backend("inductor"):
        assert torch.autograd.gradgradcheck(manualnn.Hardswish(), x)
        torch.testing.assert_close(
            torch.func.vmap(manualnn.Softmax(-1))(x), nn.functional.softmax(x, -1)
        )


def test_a_fused_model_uses_them():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(5, 3, 3), nn.BatchNorm2d(3), nn.Hardswish(), nn.Conv2d(3, 2, 1))
    model = manualnn.fuse(manualnn.convert(model))
    x, results = torch.randn(2, 5, 6, 6), []
    for name in ("eager", "inductor"):
        model.zero_grad()
        with backend(name):
            model(x).square().sum().backward()
        results.append([p.grad.clone() for p in model.parameters()])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


def test_each_shape_is_compiled_once():
    @formula
    def doubled(x, factor):
        return factor * x

    with torch.no_grad(), backend("inductor"):
        before = _compiled.cache_info().misses
        for size in range(1, 13):  # more than torch would compile one function for
            for _ in range(2):
                assert torch.equal(doubled(torch.ones(size), 2), torch.full((size,), 2.0))
        assert _compiled.cache_info().misses == before + 12
        doubled(torch.ones(1).double(), 2), doubled(torch.ones(1), 3)
        assert _compiled.cache_info().misses == before + 14


def test_a_choice_holds_until_the_next_one_or_the_end_of_its_block():
    with backend("inductor") as entered:
        assert entered is None and backend("eager").before == "inductor"
        assert backend("eager").before == "eager"
    assert backend("eager").before == "eager"
    with backend("inductor"):
        eager = backend("eager")
        for _ in range(2):
            with eager:
                assert backend("eager").before == "eager"
            assert backend("inductor").before == "inductor"


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="eager and inductor, but got 'triton'"):
        backend("triton")
    assert backend("eager").before == "eager"


def test_without_a_compiler_it_says_what_to_do(monkeypatch):
    def fails(*_, **__):
        raise OSError("no g++")

    _require_compiler.cache_clear()
    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(RuntimeError, match=r"install a compiler .* OSError: no g\+\+"):
        backend("inductor")
    assert backend("eager").before == "eager"
