"""Conduct: what is ill is named, what is well is left alone, and nothing is changed by looking."""

from __future__ import annotations

import random as python_random

import pytest
import torch
from torch import nn
from torch.autograd import Function

from manualnn.checks import conduct, memory, returned, transforms, usage
from manualnn.checks.registry import CHECKS, NotRun, advice, check, costly_check, unsupported, wrong
from manualnn.checks.report import Diagnosis, Finding
from manualnn.checks.subject import SEED, Subject
from tests.checks.zoo import HEALTHY, ZOO
from tests.checks.zoo.specimen import Plain, parameter, random

FILES = {module.__name__ for module in (conduct, memory, returned, transforms, usage)}
OURS = {name: c for name, c in CHECKS.items() if c.function.__module__ in FILES}
CHEAP = [c for c in OURS.values() if not c.costly]
CAUSES = {
    "changes-cotangent",
    "changes-input",
    "keeps-tensors-on-ctx",
    "state-in-forward",
    "assumes-contiguous",
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(SEED + 1)


def every(specimens):
    return pytest.mark.parametrize("specimen", specimens, ids=str)


def wrongs(subject):
    return [f for c in CHEAP for f in c(subject) if f.level == "wrong"]


def of_zoo(cause):
    return next(specimen for specimen in ZOO if specimen.cause == cause)


@every([*HEALTHY, *(specimen for specimen in ZOO if specimen.cause not in CAUSES)])
def test_nothing_is_wrong_with_good_conduct(specimen):
    assert wrongs(Subject(*specimen.build())) == []


@every([specimen for specimen in ZOO if specimen.cause in CAUSES])
def test_ill_conduct_is_named_and_no_other(specimen):
    found = wrongs(Subject(*specimen.build()))
    assert {finding.diagnosis.cause for finding in found} == {specimen.cause}


def test_a_backward_pass_that_raises_is_no_ill_conduct_and_none_passes():
    name = "prelu: the gradient of the slope has the shape of the input"
    (specimen,) = (specimen for specimen in ZOO if specimen.name == name)
    subject = Subject(*specimen.build())
    for name in OURS.keys() - {"changes-input", "keeps-tensors-on-ctx", "state-in-forward"}:
        (finding,) = OURS[name](subject)
        assert finding.level == "not run"
        assert "the backward pass raises RuntimeError: Function PReLUFunction" in finding.text


# Each check speaks of something planted for it.

SPOKEN = {}


def planted(name, level, cause=None):
    """Plant a function that returns a subject's function and inputs."""

    def plant(build):
        SPOKEN[name] = build, level, cause
        return build

    return plant


def contiguous(tensor):
    return tensor.as_strided(tensor.shape, torch.empty(tensor.shape).stride())


@planted("expanded-cotangent", "wrong", "assumes-contiguous")
@planted("transposed-cotangent", "wrong", "assumes-contiguous")
@planted("sliced-cotangent", "wrong", "assumes-contiguous")
@planted("channels-last-cotangent", "wrong", "assumes-contiguous")
@planted("overlapping-cotangent", "wrong", "assumes-contiguous")
def the_cotangent_is_read_by_its_address():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, delta):
            return 2 * contiguous(delta)

    return Plain(Double), [random(2, 3, 4, 5)]


@planted("expanded-input", "unsupported", "assumes-contiguous")
@planted("transposed-input", "wrong", "assumes-contiguous")
@planted("sliced-input", "wrong", "assumes-contiguous")
@planted("channels-last-input", "wrong", "assumes-contiguous")
@planted("overlapping-input", "wrong", "assumes-contiguous")
def the_input_is_read_by_its_address():
    return lambda x: 2 * contiguous(x), [random(2, 3, 4, 5)]


@planted("empty-batch", "wrong", "empty-batch")
def the_gradient_of_no_rows_is_as_allocated():
    class Scale(Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.save_for_backward(x, scale)
            return x * scale

        @staticmethod
        def backward(ctx, delta):
            x, scale = ctx.saved_tensors
            allocated = torch.full_like(scale, 7)
            return delta * scale, (delta * x).sum(0) if len(x) else allocated

    return Scale.apply, [random(5, 4), random(4)]


@planted("frozen-variables", "wrong", "frozen-variables")
def the_gradient_of_one_is_left_out_where_the_other_is_frozen():
    class Product(Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, delta):
            a, b = ctx.saved_tensors
            return delta * b if ctx.needs_input_grad[1] else None, delta * a

    return Product.apply, [random(5, 4), random(5, 4)]


@planted("none-cotangent", "wrong", "none-cotangent")
def two_cotangents_are_added_and_one_may_be_none():
    class TwoAndThree(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return 2 * x, 3 * x

        @staticmethod
        def backward(ctx, delta2, delta3):
            return None if delta2 is None else 2 * delta2 + 3 * delta3

    return TwoAndThree.apply, [random(5, 4)]


@planted("two-backward-passes", "wrong", "two-backward-passes")
def the_factor_is_there_once():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.factors = [2]
            return 2 * x

        @staticmethod
        def backward(ctx, delta):
            return delta * (ctx.factors.pop() if ctx.factors else 0)

    return Double.apply, [random(5, 4)]


@planted("double-use", "wrong", "double-use")
@planted("interleaved-calls", "wrong", "interleaved-calls")
def the_module_remembers_its_input():
    class Square(Function):
        @staticmethod
        def forward(ctx, x, module):
            ctx.module = module
            module.x = [*module.x, x.detach()]
            return x**2

        @staticmethod
        def backward(ctx, delta):
            *_, x = ctx.module.x
            ctx.module.x = [torch.zeros_like(x)]
            return 2 * delta * x, None

    class Layer(nn.Module):
        x = ()

        def forward(self, x):
            return Square.apply(x, self)

    return Layer(), [random(5, 4)]


@planted("changes-cotangent", "wrong", "changes-cotangent")
def the_cotangent_is_scaled_in_place():
    return of_zoo("changes-cotangent").build()


@planted("changes-input", "wrong", "changes-input")
def the_input_is_clamped_in_place():
    return of_zoo("changes-input").build()


@planted("changes-saved-tensors", "wrong", "changes-saved-tensors")
def the_saved_input_is_multiplied_in_place():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, delta):
            (x,) = ctx.saved_tensors
            return x.mul_(2).mul_(delta)

    return Square.apply, [random(5, 4)]


@planted("keeps-tensors-on-ctx", "wrong", "keeps-tensors-on-ctx")
def the_input_is_kept_on_ctx():
    return of_zoo("keeps-tensors-on-ctx").build()


@planted("late-change", "wrong", "keeps-tensors-on-ctx")
def the_data_is_saved_whose_version_is_its_own():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x.data)
            return x**2

        @staticmethod
        def backward(ctx, delta):
            (x,) = ctx.saved_tensors
            return 2 * delta * x

    return Square.apply, [random(5, 4)]


@planted("state-in-forward", "wrong", "state-in-forward")
def each_call_differs():
    return of_zoo("state-in-forward").build()


@planted("nondeterminism", "wrong", "nondeterminism")
def numbers_are_drawn_by_python():
    return lambda x: python_random.random() * x, [random(5, 4)]


@planted("gradient-properties", "wrong", "precision")
def the_gradient_is_cast_to_float32():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, delta):
            return 2 * delta.float()

    return Double.apply, [random(5, 4)]


@planted("vmap", "wrong", "torch.func.vmap")
@planted("func-grad", "wrong", "torch.func.grad")
def a_transform_sees_something_else():
    return lambda x: x**3 if torch._C._are_functorch_transforms_active() else x**2, [random(5, 4)]


def doubling(by_jvp, backward):
    class Double(Function):
        @staticmethod
        def forward(x):
            return 2 * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def jvp(ctx, tangent):
            return by_jvp * tangent

    Double.backward = staticmethod(lambda ctx, delta: backward(delta))
    return Double.apply


@planted("forward-mode", "wrong", "forward-mode")
def the_jvp_is_not_the_derivative():
    return doubling(3, lambda delta: 2 * delta), [random(5, 4)]


@planted("forward-over-reverse", "wrong", "forward-mode")
def what_the_backward_pass_calls_has_another_jvp():
    return doubling(2, doubling(3, lambda delta: 2 * delta)), [random(5, 4)]


@planted("compile", "wrong", "torch.compile")
def compiled_it_is_something_else():
    return lambda x: x**3 if torch.compiler.is_compiling() else x**2, [random(5, 4)]


@planted("deepcopy", "wrong", "copy.deepcopy")
@planted("pickle", "wrong", "pickle")
def a_copy_begins_anew():
    class Forgetful(nn.Linear):
        def __reduce__(self):
            return nn.Linear, (4, 3, True, None, torch.float64)

    return Forgetful(4, 3, dtype=torch.float64), [random(5, 4)]


@planted("autocast", "wrong", "autocast")
def the_gradient_is_scaled_in_bfloat16():
    class Product(Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(x, weight)
            return x @ weight

        @staticmethod
        def backward(ctx, delta):
            x, weight = ctx.saved_tensors
            delta = 1000 * delta.float() if delta.dtype == torch.bfloat16 else delta
            return delta @ weight.T, x.T @ delta

    return Product.apply, [random(5, 4), random(4, 3)]


def test_something_is_planted_for_every_check():
    assert SPOKEN.keys() == OURS.keys()


@pytest.mark.parametrize("name", SPOKEN)
def test_check_speaks(name):
    build, level, cause = SPOKEN[name]
    found = list(OURS[name](Subject(*build())))
    assert {(f.check, f.level, f.diagnosis.cause) for f in found} == {(name, level, cause)}


def test_what_is_kept_on_ctx_and_is_nobody_elses_is_advised_against():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.kept = {"factor": torch.full_like(x, 2)}
            return 2 * x

        @staticmethod
        def backward(ctx, delta):
            return delta * ctx.kept["factor"]

    (finding,) = conduct.keeps_tensors_on_ctx(Subject(Double.apply, [random(5, 4)]))
    assert finding.level == "advice" and "ctx.kept['factor']" in finding.text


def test_an_integer_that_is_changed_in_place_is_advised_against():
    subject = Subject(lambda x, index: x[index.add_(1)], [random(5, 4), torch.tensor([0, 3])])
    (finding,) = conduct.changes_input(subject)
    assert finding.level == "advice" and "index" in finding.text


def test_what_autograd_casts_sums_or_lays_out_anew_is_advised_against():
    class Scale(Function):
        @staticmethod
        def forward(ctx, x, scale, shift):
            ctx.save_for_backward(x, scale)
            return x * scale + shift

        @staticmethod
        def backward(ctx, delta):
            x, scale = ctx.saved_tensors
            return (delta * scale).double(), delta * x, delta.sum().expand_as(scale)

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.shift = parameter(4), parameter(4)

        def forward(self, x):
            return Scale.apply(x, self.scale, self.shift)

    found = returned.gradient_properties(Subject(Layer().float(), [random(5, 4).float()]))
    texts = [finding.text for finding in found if finding.level == "advice"]
    assert texts == [
        "ScaleBackward: gradient 1 is torch.float64, not torch.float32: autograd casts it",
        "ScaleBackward: gradient 2 has the shape (5, 4), not (4,): autograd sums it up",
        "ScaleBackward: gradient 3 has the strides (0,), its parameter is contiguous",
    ]


@pytest.mark.parametrize("name", ["vmap", "func-grad", "forward-mode", "pickle", "autocast"])
def test_what_raises_is_not_supported(name):
    convolution = of_zoo("kernel-not-rotated")
    (finding,) = OURS[name](Subject(*convolution.build()))
    assert finding.level == "unsupported" and "Error: " in finding.text


@pytest.mark.parametrize(
    ("name", "function", "inputs"),
    [
        ("transposed-cotangent", nn.MSELoss(), [random(5, 4), random(5, 4)]),  # is one number
        ("channels-last-input", nn.Linear(4, 3).double(), [random(5, 4)]),
        ("overlapping-input", nn.ReLU(inplace=True), [random(5, 4)]),
        ("transposed-input", nn.Dropout(), [random(5, 4)]),
        ("empty-batch", torch.exp, [random()]),
        ("frozen-variables", torch.exp, [random(5, 4)]),
        ("keeps-tensors-on-ctx", torch.exp, [random(5, 4)]),
        ("gradient-properties", torch.exp, [random(5, 4)]),
        ("changes-saved-tensors", torch.neg, [random(5, 4)]),
        ("deepcopy", torch.exp, [random(5, 4)]),
        ("two-backward-passes", torch.sign, [torch.tensor([1, 2])]),
        ("two-backward-passes", lambda x: python_random.random() * x, [random(5, 4)]),
        ("state-in-forward", torch.sign, [torch.tensor([1, 2])]),
        ("state-in-forward", lambda x: python_random.random() * x, [random(5, 4)]),
    ],
)
def test_a_check_that_cannot_tell_does_not_pass(name, function, inputs):
    (finding,) = OURS[name](Subject(function, inputs))
    assert finding.level == "not run" and finding.text


# torch's own modules

with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    x2d, x3d, x4d = random(5, 4), random(2, 5, 4), random(4, 8, 6, 4)
classes, tokens = torch.tensor([2, 0, 3, 1, 0]), torch.tensor([[1, 5, 3, 0], [2, 5, 5, 1]])
TORCH = {
    "Linear": (lambda: nn.Linear(4, 3), x2d),
    "Bilinear": (lambda: nn.Bilinear(4, 4, 2), x2d, x2d.flip(0)),
    "Conv2d": (lambda: nn.Conv2d(8, 4, 3, padding=1), x4d),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(8, 4, 3, stride=2), x4d),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), x2d),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(8), x4d),
    "BatchNorm2d in evaluation": (lambda: nn.BatchNorm2d(8).eval(), x4d),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(8), x4d),
    "InstanceNorm2d with statistics": (lambda: nn.InstanceNorm2d(8, track_running_stats=True), x4d),
    "GroupNorm": (lambda: nn.GroupNorm(2, 8), x4d),
    "LayerNorm": (lambda: nn.LayerNorm(4), x2d),
    "LayerNorm of one feature": (lambda: nn.LayerNorm(1, elementwise_affine=False), random(5, 1)),
    "RMSNorm": (lambda: nn.RMSNorm(4), x2d),
    "ReLU": (nn.ReLU, x2d),
    "ReLU in place": (lambda: nn.ReLU(inplace=True), x2d),
    "ELU in place": (lambda: nn.ELU(inplace=True), x2d),
    "PReLU": (lambda: nn.PReLU(8), x4d),
    "GELU": (nn.GELU, x2d),
    "Softmax": (lambda: nn.Softmax(-1), x2d),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, return_indices=True), x4d),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), x4d),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), x4d),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), x4d),
    "Flatten": (nn.Flatten, x4d),
    "Dropout": (nn.Dropout, x2d),
    "Dropout2d in place": (lambda: nn.Dropout2d(inplace=True), x4d),
    "Embedding": (lambda: nn.Embedding(6, 3, padding_idx=0), tokens),
    "Embedding of bounded norm": (lambda: nn.Embedding(6, 3, max_norm=1.0), tokens),
    "Embedding, sparse": (lambda: nn.Embedding(6, 3, sparse=True), tokens),
    "LSTM": (lambda: nn.LSTM(4, 3, num_layers=2, dropout=0.3), x3d),
    "GRU": (lambda: nn.GRU(4, 3, bidirectional=True, batch_first=True), x3d),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(4, 2, batch_first=True), x3d, x3d, x3d),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(4, 2, 6), x3d),
    "CrossEntropyLoss": (nn.CrossEntropyLoss, x2d, classes),
    "MSELoss": (nn.MSELoss, x2d, x2d.flip(0)),
    "BCEWithLogitsLoss": (lambda: nn.BCEWithLogitsLoss(reduction="none"), x2d, x2d.sigmoid()),
}
DEFECTS = {  # of torch itself
    ("GELU", torch.float32, "overlapping-cotangent"),  # raises, oneDNN cannot describe the strides
}


def of_torch(name, dtype=torch.float64, memory_format=torch.contiguous_format):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build, *inputs = TORCH[name]
        module = build().to(dtype)
    given = [t.to(dtype) if t.is_floating_point() else t for t in inputs]
    return module, [t.to(memory_format=memory_format) if t.dim() == 4 else t for t in given]


def wrong_but_for_defects(name, dtype, **options):
    found = wrongs(Subject(*of_torch(name, dtype, **options)))
    return [f for f in found if (name, dtype, f.check) not in DEFECTS]


@pytest.mark.parametrize("name", TORCH)
def test_nothing_is_wrong_with_torch(name):
    assert wrong_but_for_defects(name, torch.float64) == []


@pytest.mark.parametrize("name", TORCH)
def test_nothing_is_wrong_with_torch_in_float32(name):
    assert wrong_but_for_defects(name, torch.float32) == []


@pytest.mark.parametrize("name", [name for name, (_, *inputs) in TORCH.items() if inputs[0] is x4d])
def test_nothing_is_wrong_with_torch_in_channels_last(name):
    channels_last = {"memory_format": torch.channels_last}
    assert wrong_but_for_defects(name, torch.float32, **channels_last) == []


@pytest.mark.parametrize(("name", "dtype", "of"), DEFECTS)
def test_defects_of_torch_are_still_there(name, dtype, of):
    assert [f.level for f in OURS[of](Subject(*of_torch(name, dtype)))] == ["wrong"]


def test_attention_reads_overlapping_inputs_wrong():
    """A defect of torch 2.14 on CPU: silent, and no module is hit, as each projects its inputs."""
    subject = Subject(torch.nn.functional.scaled_dot_product_attention, [x3d, x3d, x3d])
    assert {f.level for f in memory.overlapping_input(subject)} == {"wrong"}


@pytest.mark.parametrize("name", ["Linear", "BatchNorm2d", "Dropout", "ReLU in place"])
def test_compiled_modules_of_torch_are_right(name):
    assert list(transforms.compile(Subject(*of_torch(name)))) == []


def everything(subject):
    state = subject.module.state_dict() if subject.module else {}
    variables = {n: (v.clone(), v.requires_grad) for n, v in subject.variables.items()}
    return {n: t.clone() for n, t in state.items()}, variables, torch.random.get_rng_state()


@pytest.mark.parametrize("name", TORCH)
def test_the_subject_is_left_as_it_was(name):
    subject = Subject(*of_torch(name))
    before = everything(subject)
    wrongs(subject)
    torch.testing.assert_close(everything(subject), before, rtol=0, atol=0)


# the registry


def test_every_check_has_a_line_of_documentation():
    for name, registered in OURS.items():
        assert registered.name == name == name.lower().replace("_", "-")
        assert registered.doc.endswith(".") and len(registered.doc) <= 100


@pytest.fixture
def registry():
    before = dict(CHECKS)
    CHECKS.clear()
    yield CHECKS
    CHECKS.clear()
    CHECKS.update(before)


def test_a_check_is_registered_under_its_name(registry):
    @check
    def is_even(subject):
        """The subject is even.

        And more.
        """
        yield wrong("it is odd", "odd", "1 is left")
        yield unsupported("halves")
        yield advice("add one")
        raise NotRun("thirds")

    @costly_check
    def is_prime(subject):
        """The subject is prime."""

    assert list(registry) == ["is-even", "is-prime"]
    assert (is_even.doc, is_even.costly, is_prime.costly) == ("The subject is even.", False, True)
    assert list(is_even(Subject(torch.exp, []))) == [
        Finding("is-even", "wrong", "it is odd", Diagnosis("odd", "1 is left")),
        Finding("is-even", "unsupported", "halves"),
        Finding("is-even", "advice", "add one"),
        Finding("is-even", "not run", "thirds"),
    ]


def test_a_name_is_given_once(registry):
    check(everything)
    with pytest.raises(ValueError, match="everything"):
        check(everything)
