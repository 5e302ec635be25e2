"""Activations: their table of settings, and what is their own."""

import math

import pytest
import torch

import manualnn
from manualnn.checks import difference_quotient
from manualnn.layers.activations.basic import BITS, relu_grad_input, relu_grad_input_by_bits
from tests.case import Case

SINGLE = 1e-7  # torch has the 1/6 and the 1/alpha of two derivatives in single precision only

CASES = [
    Case("Sigmoid", {}, ((4, 3),)),
    Case("Tanh", {}, ((4, 3),)),
    Case("ReLU", {}, ((4, 3),)),
    Case("ReLU", {"inplace": True}, ((4, 3),)),
    Case("ReLU", {}, ((2, 2, 2, 2),)),
    Case("Sigmoid", {}, ((),)),
    Case("Tanh", {}, ((0, 3),)),
    Case("Hardtanh", {}, ((4, 4),)),
    Case("Hardtanh", {"min_val": -0.3, "max_val": 0.7, "inplace": True}, ((4, 4),)),
    Case("ReLU6", {}, ((4, 4),)),
    Case("ReLU6", {"inplace": True}, ((2, 2, 2, 2),)),
    Case("LeakyReLU", {}, ((4, 4),)),
    Case("LeakyReLU", {"negative_slope": 0.3, "inplace": True}, ((4, 4),)),
    Case("LeakyReLU", {"negative_slope": -0.5}, ((),)),
    Case("Hardsigmoid", {}, ((4, 4),), tolerance=SINGLE),
    Case("Hardsigmoid", {"inplace": True}, ((4, 4),), tolerance=SINGLE),
    Case("Hardswish", {}, ((4, 4),)),
    Case("Hardswish", {"inplace": True}, ((4, 4),)),
    Case("PReLU", {}, ((4, 4),)),
    Case("PReLU", {"num_parameters": 3, "init": 0.5}, ((4, 3),)),
    Case("PReLU", {"num_parameters": 2}, ((3, 2, 2, 2),)),
    Case("PReLU", {}, ((4,),)),
    Case("PReLU", {}, ((),)),
    Case("PReLU", {"num_parameters": 2}, ((0, 2, 2),)),
    Case("ELU", {}, ((4, 4),)),
    Case("ELU", {"alpha": 0.3, "inplace": True}, ((4, 4),)),
    Case("SELU", {}, ((4, 4),)),
    Case("SELU", {"inplace": True}, ((4, 4),)),
    Case("CELU", {}, ((4, 4),)),
    Case("CELU", {"alpha": 0.3, "inplace": True}, ((4, 4),), tolerance=SINGLE),
    Case("CELU", {"alpha": -2.0}, ((4, 4),)),
    Case("Softplus", {}, ((4, 4),)),
    Case("Softplus", {"beta": 3.0, "threshold": 1.5}, ((4, 4),)),
    Case("Softplus", {}, ((0, 3),)),
    Case("GELU", {}, ((4, 4),)),
    Case("GELU", {"approximate": "tanh"}, ((4, 4),)),
    Case("SiLU", {}, ((4, 4),)),
    Case("SiLU", {"inplace": True}, ((4, 4),)),
    Case("Mish", {}, ((4, 4),)),
    Case("Mish", {"inplace": True}, ((2, 2, 2, 2),)),
]
ONE_NUMBER = [case for case in CASES if case.options.get("num_parameters", 1) == 1]
IN_PLACE = [case for case in CASES if case.options.get("inplace")]


def _elu(x, alpha, scale=1.0, width=1.0):
    return scale * (x if x > 0 else alpha * (math.exp(x / width) - 1))


DEFINITIONS = {  # as each was published, one number at a time
    "Sigmoid": lambda x, m: 1 / (1 + math.exp(-x)),
    "Tanh": lambda x, m: (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)),
    "ReLU": lambda x, m: max(0, x),
    "Hardtanh": lambda x, m: min(max(m.min_val, x), m.max_val),
    "ReLU6": lambda x, m: min(max(0, x), 6),
    "LeakyReLU": lambda x, m: max(0, x) + m.negative_slope * min(0, x),
    "Hardsigmoid": lambda x, m: min(max(0, x + 3), 6) / 6,
    "Hardswish": lambda x, m: x * min(max(0, x + 3), 6) / 6,
    "PReLU": lambda x, m: max(0, x) + m.weight[0].item() * min(0, x),
    "ELU": lambda x, m: _elu(x, m.alpha),
    "SELU": lambda x, m: _elu(x, 1.6732632423543772, 1.0507009873554805),
    "CELU": lambda x, m: _elu(x, m.alpha, width=m.alpha),
    "Softplus": lambda x, m: (
        math.log(1 + math.exp(m.beta * x)) / m.beta if m.beta * x <= m.threshold else x
    ),
    "GELU": lambda x, m: (
        x * (1 + math.erf(x / 2**0.5)) / 2
        if m.approximate == "none"
        else x * (1 + math.tanh((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2
    ),
    "SiLU": lambda x, m: x / (1 + math.exp(-x)),
    "Mish": lambda x, m: x * math.tanh(math.log(1 + math.exp(x))),
}


def _values(module, x):
    """Outputs and derivatives at the numbers given."""
    x = x.clone().requires_grad_()
    y = module(x.clone())
    return y.detach(), torch.autograd.grad(y.sum(), x)[0]


def _second_derivative(module, x):
    x = x.clone().requires_grad_()
    (first,) = torch.autograd.grad(module(x.clone()).sum(), x, create_graph=True)
    return torch.autograd.grad((first + 0 * x).sum(), x)[0]


@pytest.mark.parametrize("case", ONE_NUMBER, ids=str)
def test_is_its_definition_and_the_derivative_of_it(case):
    module = case.modules()[0]
    x = torch.arange(-8, 8, 0.37, dtype=torch.float64)  # none of them a kink

    def definition(x):
        return torch.tensor(
            [DEFINITIONS[case.name](v, module) for v in x.tolist()], dtype=torch.float64
        )

    y, derivative = _values(module.requires_grad_(False), x)
    torch.testing.assert_close(y, definition(x), rtol=1e-12, atol=1e-12)
    quotient = difference_quotient(lambda x: definition(x).sum(), x)
    torch.testing.assert_close(derivative, quotient, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("case", ONE_NUMBER, ids=str)
def test_bends_and_far_ends_are_those_of_the_twin(case):
    bends = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 20.0, -0.3, 0.7, 0.5]
    far = [sign * 10.0**exponent for sign in (1, -1) for exponent in (1, 2, 3, 5, 30)]
    x = torch.tensor(bends + far, dtype=torch.float64).repeat_interleave(16)
    ours, theirs = (module.requires_grad_(False) for module in case.modules())
    actual, expected = _values(ours, x), _values(theirs, x)
    torch.testing.assert_close(actual, expected, rtol=case.tolerance, atol=case.tolerance)
    assert _second_derivative(ours, x)[actual[1].isfinite()].isfinite().all()


@pytest.mark.parametrize(
    ("name", "options", "x", "slope"),
    [("Hardsigmoid", {}, 1.0, 1 / 6), ("CELU", {"alpha": 0.3}, -0.2, math.exp(-0.2 / 0.3))],
)
def test_the_slope_has_all_digits_where_that_of_torch_has_seven(name, options, x, slope):
    x = torch.tensor([x], dtype=torch.float64)
    ours, theirs = (_values(getattr(n, name)(**options), x)[1] for n in (manualnn, torch.nn))
    assert ours.item() == pytest.approx(slope, rel=1e-15)
    assert theirs.item() != pytest.approx(slope, rel=1e-9)


@pytest.mark.parametrize("case", IN_PLACE, ids=str)
def test_in_place_forms_overwrite_their_input_and_no_leaf(case):
    module, theirs = case.modules()
    x = torch.randn(4, 3, dtype=torch.float64)
    expected = theirs(x.clone())
    y = x.clone().requires_grad_() * 1
    assert module(y).data_ptr() == y.data_ptr()
    torch.testing.assert_close(y.detach(), expected)
    batch = x.clone()
    torch.vmap(module)(batch)
    torch.testing.assert_close(batch, expected)
    for view in (lambda x: x, lambda x: x.view(3, 4)):
        leaf = x.clone().requires_grad_()
        with pytest.raises(RuntimeError, match=r"leaf.*clone"):
            module(view(leaf))
        assert torch.equal(leaf, x)


@pytest.mark.parametrize("namespace", [torch.nn, manualnn], ids=["torch", "manualnn"])
@pytest.mark.parametrize("view", [lambda x: x, lambda x: x.view(3, 1)], ids=["leaf", "view"])
def test_in_place_relu_leaves_a_leaf_alone(namespace, view):
    leaf = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        namespace.ReLU(inplace=True)(view(leaf))
    assert leaf.tolist() == [-1.0, 0.0, 1.0]
    with torch.no_grad():
        assert namespace.ReLU(inplace=True)(view(leaf)).data_ptr() == leaf.data_ptr()
    assert leaf.tolist() == [0.0, 0.0, 1.0]


def test_in_place_relu_overwrites_its_input_under_vmap():
    def overwritten(x):
        x = x.clone()
        manualnn.functional.relu(x, inplace=True)
        return x

    x = torch.randn(4, 3)
    assert torch.equal(torch.vmap(overwritten)(x), x.relu())


@pytest.mark.parametrize("name", ["ReLU", "Hardtanh"])
def test_compiled_in_place_forms_overwrite_a_view(name):
    torch.compiler.reset()
    module = getattr(manualnn, name)(inplace=True)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    views = [torch.linspace(-2, 2, 4, requires_grad=True).mul(1).view(2, 2) for _ in range(2)]
    expected = module(views[0])
    torch.testing.assert_close(compiled(views[1]), expected)
    torch.testing.assert_close(views[1], expected)


def test_slopes_of_prelu_are_summed_channel_by_channel():
    module = manualnn.PReLU(2, dtype=torch.float64)
    x = torch.randn(3, 2, 4, dtype=torch.float64)
    delta = torch.randn_like(x)
    (gradient,) = torch.autograd.grad(module(x), module.weight, delta)
    for c in range(2):
        terms = [delta[r, c, i] * x[r, c, i] for r in range(3) for i in range(4) if x[r, c, i] <= 0]
        torch.testing.assert_close(gradient[c], sum(terms))


@pytest.mark.parametrize("dtype", BITS, ids=str)
def test_relu_by_bits_is_relu_by_choice(dtype):
    least = torch.finfo(dtype).smallest_normal / 2
    y = torch.tensor([0.0, -0.0, least, 1.0, 3.0, math.inf, math.nan, -math.nan], dtype=dtype)
    delta = torch.tensor([1.0, -2.0, -0.0, math.inf, -math.inf, math.nan], dtype=dtype)
    y, delta = y.repeat(6), delta.repeat_interleave(8)
    right = torch.ops.aten.threshold_backward(delta, y, 0)
    for formula in (relu_grad_input, relu_grad_input_by_bits):  # recorded, and not
        torch.testing.assert_close(formula(delta, y), right, rtol=0, atol=0, equal_nan=True)
    expanded = delta[:1].expand(48)
    assert torch.equal(relu_grad_input_by_bits(expanded, y), expanded.masked_fill(y <= 0, 0))
