"""The zoo itself: the healthy layers are right, and every bug is one, of its kind and alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.func import functional_call

from tests.checks.zoo import CAUSES, HEALTHY, ZOO

WRONG = 1e-9  # how far from the right gradient a planted one is at least, by norm
TWINS = {specimen.name: specimen for specimen in HEALTHY}


def differentiated(tensors) -> list[Tensor]:
    return [t.requires_grad_() for t in tensors if t.is_floating_point()]


def call(module: nn.Module, inputs) -> tuple[Tensor, list[Tensor]]:
    """The output for copies of the inputs, and the tensors to differentiate it by."""
    inputs = [t.clone() for t in inputs]
    by = differentiated([*inputs, *module.parameters()])
    return module(*inputs), by


def cotangent(y: Tensor) -> Tensor:
    return torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)


def first_order(module: nn.Module, inputs) -> list[Tensor]:
    y, by = call(module, inputs)
    return grad(y, by, cotangent(y))


def second_order(module: nn.Module, inputs) -> list[Tensor]:
    y, by = call(module, inputs)
    first = [g for g in grad(y, by, cotangent(y), create_graph=True) if g.requires_grad]
    return grad(first, by, [cotangent(g) for g in first], materialize_grads=True)


def distance_to_twin(specimen, derivative) -> float:
    """How far its derivatives are from its healthy twin's, the largest of the relative norms."""
    module, inputs = specimen.build()
    twin, _ = TWINS[specimen.name.split(":")[0]].build()
    for name, values in twin.state_dict().items():
        assert torch.equal(values, module.state_dict()[name])
    pairs = zip(derivative(module, inputs), derivative(twin, inputs), strict=True)
    distances = [
        (planted - right).norm() / right.norm().clamp(min=1e-300) for planted, right in pairs
    ]
    return torch.stack(distances).max().item()


def changes_cotangent(module, inputs):
    y, by = call(module, inputs)
    delta = cotangent(y)
    grad(y, by, delta)
    return not torch.equal(delta, cotangent(y))


def changes_input(module, inputs):
    before = [t.clone() for t in inputs]
    module(*inputs)
    return not all(map(torch.equal, inputs, before))


def keeps_tensors_on_ctx(module, inputs):
    y, _ = call(module, inputs)
    return any(isinstance(kept, Tensor) for kept in vars(y.grad_fn).values())


def has_state_in_forward(module, inputs):
    return not torch.equal(call(module, inputs)[0], call(module, inputs)[0])


def assumes_contiguous(module, inputs):
    y, by = call(module, inputs)
    if y.ndim < 2:
        return False
    delta = cotangent(y)
    transposed = delta.mT.contiguous().mT
    right = grad(y, by, delta, retain_graph=True)
    try:
        found = grad(y, by, transposed)
    except RuntimeError as error:
        return "view size is not compatible" in str(error)
    return not all(torch.allclose(*pair, equal_nan=True) for pair in zip(found, right, strict=True))


CONDUCT = {
    "changes-cotangent": changes_cotangent,
    "changes-input": changes_input,
    "keeps-tensors-on-ctx": keeps_tensors_on_ctx,
    "state-in-forward": has_state_in_forward,
    "assumes-contiguous": assumes_contiguous,
}


def every(specimens):
    return pytest.mark.parametrize("specimen", specimens, ids=str)


def those(causes):
    return every([specimen for specimen in ZOO if specimen.cause in causes])


def test_names_are_unique_and_every_cause_is_met():
    names = [specimen.name for specimen in [*HEALTHY, *ZOO]]
    assert len(set(names)) == len(names)
    assert {specimen.cause for specimen in ZOO} == CAUSES
    assert {specimen.cause for specimen in HEALTHY} == {""}


@every([*HEALTHY, *ZOO])
def test_build_makes_the_same_small_tensors_each_time(specimen):
    state = torch.random.get_rng_state()
    (module, inputs), (again, same) = specimen.build(), specimen.build()
    assert torch.equal(torch.random.get_rng_state(), state)
    tensors, others = [*inputs, *module.parameters()], [*same, *again.parameters()]
    for t, other in zip(tensors, others, strict=True):
        assert torch.equal(t, other) and t.data_ptr() != other.data_ptr()
        assert t.dtype in (torch.float64, torch.int64) and t.numel() <= 300
    assert not any(t.requires_grad for t in inputs)


@every(HEALTHY)
def test_healthy_layer_is_right_at_first_and_second_order(specimen):
    module, inputs = specimen.build()
    names = [name for name, _ in module.named_parameters()]

    def function(*values):
        values = list(values)
        called = tuple(values.pop(0) if t.is_floating_point() else t for t in inputs)
        return functional_call(module, dict(zip(names, values, strict=True)), called)

    values = differentiated([*(t.clone() for t in inputs), *module.parameters()])
    assert gradcheck(function, values)
    assert gradgradcheck(function, values, fast_mode=True)


@every(HEALTHY)
def test_healthy_layer_takes_an_expanded_cotangent(specimen):
    y, by = call(*specimen.build())
    expanded = torch.ones((), dtype=y.dtype).expand_as(y)
    right = grad(y, by, torch.ones_like(y), retain_graph=True)
    torch.testing.assert_close(grad(y, by, expanded), right)


@those(CAUSES - CONDUCT.keys() - {"detached", "nonfinite"})
def test_planted_gradient_is_wrong(specimen):
    try:
        assert distance_to_twin(specimen, first_order) > WRONG
    except RuntimeError as error:
        assert specimen.cause == "not-reduced" and "invalid gradient" in str(error)


@those({"nonfinite"})
def test_planted_gradient_is_not_finite_where_the_right_one_is(specimen):
    module, inputs = specimen.build()
    twin, _ = TWINS[specimen.name.split(":")[0]].build()
    assert module(*inputs).isfinite().all()
    assert all(g.isfinite().all() for g in first_order(twin, inputs))
    assert not all(g.isfinite().all() for g in first_order(module, inputs))


@those({"detached"})
def test_detached_gradient_is_right_and_its_derivative_is_wrong(specimen):
    assert distance_to_twin(specimen, first_order) < WRONG
    assert distance_to_twin(specimen, second_order) > WRONG


@those(CONDUCT.keys() - {"state-in-forward"})
def test_gradient_of_ill_conduct_is_right(specimen):
    assert distance_to_twin(specimen, first_order) < WRONG


@every([*HEALTHY, *(specimen for specimen in ZOO if specimen.cause != "not-reduced")])
def test_conduct_is_ill_where_it_is_said_to_be_and_nowhere_else(specimen):
    seen = {cause for cause, is_seen in CONDUCT.items() if is_seen(*specimen.build())}
    assert seen == {specimen.cause} & CONDUCT.keys()
