"""Every layer under torch.func, at every order, and under torch.compile."""

import copy
import itertools
from functools import partial

import pytest
import torch
from torch.func import grad, jacfwd, jacrev, jvp, vmap

import manualnn
from manualnn.checks import difference_quotient
from tests.case import call, function_of
from tests.tables import CASES, one_of_each

FORWARD = partial(jacfwd, randomness="same")  # one mask of dropout for all directions


def _scalar(module, inputs):
    """A curved scalar function of a short vector v: the layer at a point that v moves about."""
    function, parameters = function_of(module)
    inputs = [i.detach() if i.is_floating_point() else i for i in inputs]
    parameters = [p.detach() for p in parameters]
    torch.manual_seed(4)
    count = int(inputs[0].is_floating_point())  # indices stay where they are
    moved = [*inputs[:count], *parameters]
    directions = [[torch.randn_like(m) for m in moved] for _ in range(2)]
    weights = torch.randn_like(function(*inputs, *parameters))

    def scalar(v):
        values = [
            m + a * v[0] + b * v[1] * v[1] for m, a, b in zip(moved, *directions, strict=True)
        ]
        output = function(*values[:count], *inputs[count:], *values[count:])
        return (weights * output + output * output).sum()

    return scalar


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hessians_in_all_four_orders(case):
    scalar = _scalar(case.modules()[0], case.tensors())
    v = torch.tensor([0.1, 0.2], dtype=torch.float64)
    truth = torch.stack(
        [difference_quotient(lambda v, i=i: grad(scalar)(v)[i], v) for i in range(2)]
    )
    for outer in (FORWARD, jacrev):
        for inner in (FORWARD, jacrev):
            _assert_close(outer(inner(scalar))(v), truth)


@pytest.mark.parametrize("case", one_of_each(), ids=str)
def test_third_order_in_all_eight_orders(case):
    scalar = _scalar(case.modules()[0], case.tensors())
    v = torch.tensor([0.1, 0.2], dtype=torch.float64)
    truth = difference_quotient(lambda v: FORWARD(jacrev(scalar))(v)[0, 1], v)
    for outer, middle, inner in itertools.product((FORWARD, jacrev), repeat=3):
        _assert_close(outer(middle(inner(scalar)))(v)[:, 0, 1], truth)


def _assert_close(actual, expected):
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_jvp_is_the_directional_derivative(case):
    scalar = _scalar(case.modules()[0], case.tensors())
    v, direction = torch.tensor([[0.1, 0.2], [1.0, -2.0]], dtype=torch.float64)
    _, tangent = jvp(scalar, (v,), (direction,))
    along = difference_quotient(lambda t: scalar(v + t * direction), torch.zeros_like(v[0]))
    _assert_close(tangent, along)
    _, second = jvp(lambda v: jvp(scalar, (v,), (direction,))[1], (v,), (direction,))
    along = difference_quotient(
        lambda t: grad(scalar)(v + t * direction) @ direction, torch.zeros_like(v[0])
    )
    _assert_close(second, along)


def _torch_cannot_map(case):
    """torch's cross-entropy selects by a mask here, which vmap refuses; ours calls it."""
    return {"mean", 0.2} <= {*map(case.options.get, ("reduction", "label_smoothing"))} and (
        case.options["weight"] is not None and len(case.inputs[0]) == 2
    )


PER_SAMPLE = [
    case
    for case in CASES
    if case.training
    and isinstance(case.inputs[0], tuple)
    and "BatchNorm" not in case.name
    and not case.options.get("track_running_stats")
    and case.options.get("reduction") != "none"
    and not _torch_cannot_map(case)
]


@pytest.mark.parametrize("case", PER_SAMPLE, ids=str)
def test_vmap_and_per_sample_gradients(case):
    function, parameters = function_of(case.modules()[0])
    parameters = tuple(p.detach() for p in parameters)
    samples = [torch.stack([i.detach() for i in many]) for many in _three(case)]

    def loss(parameters, *inputs):
        output = function(*inputs, *parameters)
        return (output * torch.linspace(1, 2, output.numel()).reshape(output.shape)).sum()

    axes = (None, *(0 for _ in samples))
    mapped = vmap(loss, axes, randomness="same")(parameters, *samples)
    looped = [loss(parameters, *(s[i] for s in samples)) for i in range(3)]
    torch.testing.assert_close(mapped, torch.stack(looped))
    if parameters:
        mapped = vmap(grad(loss), axes, randomness="same")(parameters, *samples)
        looped = [grad(loss)(parameters, *(s[i] for s in samples)) for i in range(3)]
        for m, each in zip(mapped, zip(*looped, strict=True), strict=True):
            torch.testing.assert_close(m, torch.stack(each))


def _three(case):
    """Every input three times, with other numbers where they are random."""
    return zip(*(case.tensors(scale=scale) for scale in (1.0, 0.5, 2.0)), strict=True)


def test_per_sample_gradients_of_batch_norm_without_running_statistics():
    layer = manualnn.BatchNorm1d(3, track_running_stats=False).double()
    function, parameters = function_of(layer)
    parameters = tuple(p.detach() for p in parameters)
    batches = torch.randn(4, 5, 3, dtype=torch.float64)

    def loss(parameters, x):
        return function(x, *parameters).pow(3).sum()

    mapped = vmap(grad(loss), (None, 0))(parameters, batches)
    looped = [grad(loss)(parameters, x) for x in batches]
    for m, each in zip(mapped, zip(*looped, strict=True), strict=True):
        torch.testing.assert_close(m, torch.stack(each))


def test_forward_mode_under_vmap_and_over_vmap():
    layer = manualnn.Conv2d(2, 3, 2).double()
    x, t = torch.randn(2, 4, 1, 2, 4, 4, dtype=torch.float64)
    _, inside = vmap(lambda x, t: jvp(layer, (x,), (t,)))(x, t)
    _, outside = jvp(vmap(layer), (x,), (t,))
    _, plain = jvp(layer, (x[:, 0],), (t[:, 0],))
    torch.testing.assert_close(inside[:, 0], plain)
    torch.testing.assert_close(outside[:, 0], plain)


FIRST = one_of_each()
COMPILED = [c if c in FIRST else pytest.param(c, marks=pytest.mark.thorough) for c in CASES]


@pytest.mark.parametrize("case", COMPILED, ids=str)
def test_compiles_into_one_graph(case):
    torch._dynamo.reset()
    module = case.modules()[0]
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, backend="aot_eager")
    results = []
    for each in (module, compiled):
        inputs = case.tensors()
        output = call(each, inputs)
        torch.manual_seed(3)
        variables = [i for i in inputs if i.requires_grad] + list(each.parameters())
        gradients = torch.autograd.grad(
            output, variables, torch.randn_like(output), materialize_grads=True
        )
        results.append([output, *gradients, *each.buffers()])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, equal_nan=True)


# What torch 2.15's own batch norm cannot do.


def _literal_batch_norm(x):
    centred = x - x.mean(0)
    return centred * (centred.square().mean(0) + 1e-5) ** -0.5


def _cubed(function):
    return lambda x: function(x).pow(3).sum()


def _ours(x):
    return manualnn.functional.batch_norm(x, None, None, training=True)


def _theirs(x):
    return torch.nn.functional.batch_norm(x, None, None, training=True)


def _third_order(function, x):
    """d/dx |d/dx |d/dx f|^2|^2, by three backward passes."""
    (first,) = torch.autograd.grad(function(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x, create_graph=True)
    return torch.autograd.grad(second.square().sum(), x)[0]


def test_third_order_of_batch_norm_where_torch_raises_or_is_wrong():
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    truth = _third_order(_cubed(_literal_batch_norm), x)
    torch.testing.assert_close(_third_order(_cubed(_ours), x), truth)
    try:
        theirs = _third_order(_cubed(_theirs), x)
    except RuntimeError as error:  # torch 2.15
        assert "3rd" in str(error)
    else:  # torch 2.13
        assert (theirs - truth).norm() > 0.1 * truth.norm()


def test_third_order_of_batch_norm_where_torch_is_silently_wrong():
    x = torch.randn(5, 2, dtype=torch.float64)
    ours, truth, theirs = (
        jacrev(jacrev(jacrev(_cubed(function))))(x)
        for function in (_ours, _literal_batch_norm, _theirs)
    )
    torch.testing.assert_close(ours, truth)
    assert (theirs - truth).norm() > 0.1 * truth.norm()


def test_second_order_forward_mode_of_batch_norm_where_torch_is_silently_wrong():
    x = torch.randn(5, 2, dtype=torch.float64)
    truth = jacfwd(jacfwd(_cubed(_literal_batch_norm)))(x)
    torch.testing.assert_close(jacfwd(jacfwd(_cubed(_ours)))(x), truth)
    wrong = jacfwd(jacfwd(_cubed(_theirs)))(x)
    assert (wrong - truth).norm() > 0.1 * truth.norm()
