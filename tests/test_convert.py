"""Models converted, counted, proved and reverted."""

import copy
import inspect
import io
import pickle
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize
from torch.utils.checkpoint import checkpoint
from torchvision import models, ops

import manualnn
from benchmarks.torchvision_models import model_and_inputs
from manualnn import convert, coverage, hand_derived, prove, revert
from manualnn.autograd import Function
from manualnn.checks import foreign_nodes


class Residual(nn.Module):
    """A user's model: a layer used twice, functional calls, operators, a forward of its own."""

    class ScaledConv(nn.Conv2d):
        def forward(self, input):
            return F.conv2d(input, 2 * self.weight, self.bias, padding=1)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.again = self.shared
        self.scaled = self.ScaledConv(4, 4, 3)
        self.head = nn.Linear(8, 5)

    def forward(self, images):
        x = F.relu(self.norm(self.stem(images)), inplace=True)
        y = self.again(torch.tanh(self.shared(x)))
        y += x
        y = y * self.scaled(y).sigmoid()
        y = torch.cat([F.max_pool2d(part, 2) for part in y.chunk(2, dim=1)] + [y[..., ::2, ::2]], 1)
        return self.head(torch.flatten(y.mean((2, 3)), 1).repeat(1, 2)[:, :8])


def _images(dtype=torch.float32):
    torch.manual_seed(0)
    return torch.randn(2, 3, 8, 8, dtype=dtype)


def test_a_model_stays_the_same_object_with_the_same_tensors():
    model = Residual()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = {name: tensor.data_ptr() for name, tensor in model.state_dict(keep_vars=True).items()}
    seen = []
    model.stem.register_forward_hook(lambda *_: seen.append("hook"))
    model.norm.eval()
    model.head.weight.requires_grad_(False)
    assert convert(model) is model
    assert isinstance(model, Residual)
    after = {name: tensor.data_ptr() for name, tensor in model.state_dict(keep_vars=True).items()}
    assert after == before
    assert type(model.stem) is manualnn.Conv2d
    assert model.shared is model.again
    assert not model.norm.training
    assert not model.head.weight.requires_grad
    weight = model.stem.weight.detach().clone()
    model(_images()).sum().backward()
    optimizer.step()
    assert seen == ["hook"]
    assert not torch.equal(model.stem.weight, weight)
    assert type(revert(model)) is Residual
    assert not any(type(module).__module__.startswith("manualnn") for module in model.modules())


def test_a_users_model_is_the_same_model():
    report = prove(Residual(), _images())
    assert report.ok, report
    rounding = {("train", "parameter gradient", "stem.bias")}  # a bias before batch norm: zero
    assert set(report.sensitivity) <= rounding
    assert all(d < 1e-12 for key, d in report.distances.items() if key not in rounding)
    kinds = {key[:2] for key in report.distances}
    assert kinds == {
        (mode, kind)
        for mode in ("train", "eval")
        for kind in ("output", "input gradient", "parameter gradient", "buffer")
    }
    assert "parameter gradient" in str(report)


def test_prove_changes_nothing():
    model = convert(Residual())
    state = copy.deepcopy(model.state_dict())
    images = _images()
    random_state = torch.get_rng_state()
    assert prove(model, images, lambda output: output.square().sum()).ok
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert type(model.stem) is manualnn.Conv2d
    assert images.grad is None
    assert all(parameter.grad is None for parameter in model.parameters())


def test_prove_names_the_layer_that_departs_first(monkeypatch):
    monkeypatch.setattr(
        manualnn.BatchNorm2d, "forward", lambda self, input: nn.BatchNorm2d.forward(self, 2 * input)
    )
    report = prove(Residual(), _images())
    assert not report.ok
    assert report.first_departure["train"] == "the output of norm"
    assert "the output of norm departs first" in str(report)
    assert "NOT EQUAL" in str(report)


def test_coverage_counts_and_gives_reasons():
    model = Residual()
    report = coverage(model, _images())
    assert not report.nodes
    assert report.other_modules["stem"] == "Conv2d is torch's; convert(model) would replace it"
    report = coverage(convert(model), _images())
    assert report.modules == {"Conv2d": 2, "BatchNorm2d": 1, "Linear": 1}
    assert report.other_modules == {
        "scaled": "ScaledConv is a Conv2d with a forward pass of its own"
    }
    assert report.nodes["ConvFunctionBackward"] == 4
    assert set(report.other_nodes) == {"SliceBackward0", "RepeatBackward0"}
    assert 0.8 < report.share_of_nodes < 1
    assert f"{report.other_nodes['SliceBackward0']} x SliceBackward0: torch's own" in str(report)
    with pytest.raises(RuntimeError, match="nothing to count"):
        coverage(nn.Identity(), _images())


@pytest.mark.parametrize(
    ("options", "converted"),
    [
        ({"include": ["s*"]}, {"stem", "shared"}),
        ({"exclude": ["s*", nn.BatchNorm2d]}, {"head"}),
        ({"include": [nn.Linear, "norm"], "exclude": ["head"]}, {"norm"}),
    ],
)
def test_include_and_exclude(options, converted):
    model = convert(Residual(), functional=False, **options)
    assert type(model) is Residual
    names = {n for n, m in model.named_modules() if type(m).__module__.startswith("manualnn")}
    assert names == converted


def test_what_is_left_out_stays_torchs_functional_calls_and_all():
    model = convert(Residual(), exclude=["stem", nn.BatchNorm2d])
    assert isinstance(model.stem, nn.Conv2d)
    for each in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        nodes = coverage(each, _images()).other_nodes
        assert nodes["ConvolutionBackward0"] == 1
        assert nodes["NativeBatchNormBackward0"] == 1
    assert type(convert(model).stem) is manualnn.Conv2d
    convert(model := Residual(), exclude=["stem"])
    assert type(revert(model).stem) is nn.Conv2d


def test_a_shared_layer_goes_by_all_its_names():
    model = convert(Residual(), include=["again"], functional=False)
    assert type(model.shared) is manualnn.Conv2d
    model = convert(Residual(), exclude=["again"], functional=False)
    assert type(model.shared) is nn.Conv2d


def test_a_second_call_converts_what_is_left():
    model = convert(Residual(), include=["stem"])
    convert(model, include=["norm"])
    assert [type(model.stem), type(model.norm)] == [manualnn.Conv2d, manualnn.BatchNorm2d]
    assert type(revert(model)) is Residual


@pytest.mark.parametrize("first", ["parametrized", "converted"])
def test_a_model_with_a_parametrized_tensor_of_its_own(first):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3, 1, 1))

        def forward(self, images):
            return F.relu(self.scale * images)

    model = Scaled()
    steps = [convert, lambda m: parametrize.register_parametrization(m, "scale", nn.Tanh())]
    for step in steps if first == "converted" else steps[::-1]:
        step(model)
    assert not coverage(model, _images()).other_nodes.keys() - {"TanhBackward0"}
    assert isinstance(revert(model), Scaled)
    assert coverage(model, _images()).other_nodes["ReluBackward0"] == 1
    parametrize.remove_parametrizations(convert(model), "scale")
    assert model.scale.shape == (3, 1, 1)
    assert not coverage(model, _images()).other_nodes


def test_recomputed_activations_are_led_as_well():
    class Blocks(nn.Module):
        def __init__(self, context_fn):
            super().__init__()
            self.conv, self.context_fn = nn.Conv2d(3, 4, 3), context_fn

        def forward(self, images):
            def block(x):
                return F.max_pool2d(F.elu(self.conv(x), inplace=True), 2)

            return checkpoint(block, images, use_reentrant=False, context_fn=self.context_fn)

    torch.manual_seed(0)
    model = convert(Blocks(lambda: (nullcontext(), hand_derived())))
    model(_images()).square().sum().backward()
    expected = nn.Conv2d(3, 4, 3)
    expected.load_state_dict(model.conv.state_dict())
    F.max_pool2d(F.elu(expected(_images())), 2).square().sum().backward()
    torch.testing.assert_close(model.conv.weight.grad, expected.weight.grad)


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match="got dict"):
        convert({})


def test_converted_twice_is_converted_once():
    model = convert(Residual())
    cls = type(model)
    assert type(convert(model)) is cls
    assert type(revert(model)) is Residual


def test_a_layer_alone_is_its_twin():
    assert type(convert(nn.Linear(2, 3))) is manualnn.Linear
    assert type(convert(nn.ReLU(), functional=False)) is manualnn.ReLU


def test_copies_and_pickles_stay_converted():
    model = convert(Residual()).eval()
    expected = model(_images())
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        output = again(_images())
        assert torch.equal(output, expected)
        assert output.grad_fn.name() == "LinearFunctionBackward"
        assert coverage(again, _images()).nodes == coverage(model, _images()).nodes


def test_torchs_own_writing_over_a_view_is_counted():
    class Model(nn.Module):
        def forward(self, x):
            y = torch.relu(x)
            y[:, 0].exp_()
            y[:, 1].mul_(2)
            y[:, 2] = 0
            return y

    counted = coverage(convert(Model()), _images().requires_grad_()).other_nodes
    assert counted.keys() - {"SelectBackward0"} == {"exp_"}


def test_torchvisions_own_layers_are_converted():
    model = nn.Sequential(ops.FrozenBatchNorm2d(3), ops.StochasticDepth(0.5, "row"))
    assert [type(layer).__module__ for layer in convert(model)] == ["manualnn.vision"] * 2
    assert prove(model, _images()).ok
    assert [type(layer) for layer in revert(model)] == [ops.FrozenBatchNorm2d, ops.StochasticDepth]


def test_nothing_leaks_out_of_the_forward_pass():
    convert(Residual())(_images())
    x = torch.ones(2, requires_grad=True)
    assert F.relu(x).grad_fn.name() == "ReluBackward0"
    with pytest.raises(RuntimeError), hand_derived():
        torch.relu(x) @ torch.ones(3)
    assert torch.relu(x).grad_fn.name() == "ReluBackward0"


def test_hand_derived_is_a_block_and_a_decorator():
    x = torch.ones(2, 3, requires_grad=True)

    @hand_derived()
    def function(x):
        return torch.softmax(x, 1) + F.relu(x) * x.sigmoid() + x.log_softmax(-1)

    assert not list(foreign_nodes(function(x), Function))
    with hand_derived():
        assert torch.relu_(x.clone()).grad_fn.name() == "ReLUInPlaceFunctionBackward"
        assert torch.cat(tensors=[x, x]).grad_fn.name() == "JoinFunctionBackward"
        y = x.clone()
        y *= 2
        assert (torch.arange(3) + 1).tolist() == [1, 2, 3]
    assert torch.equal(y, 2 * x)


def test_checkpoints_go_both_ways_bit_for_bit():
    plain, converted = models.resnet18(), convert(models.resnet18())
    for source, target in ((plain, converted), (converted, plain)):
        with torch.no_grad():
            source.conv1.weight.normal_()
        file = io.BytesIO()
        torch.save(source.state_dict(), file)
        file.seek(0)
        target.load_state_dict(torch.load(file, weights_only=True))
        pairs = zip(source.state_dict().values(), target.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm"])
def test_parametrizations_stay(name):
    model = nn.Sequential(getattr(parametrizations, name)(nn.Conv2d(3, 4, 3)), nn.ReLU())
    expected = model.eval()(_images())
    keys = list(model.state_dict())
    convert(model)
    assert isinstance(model[0], manualnn.Conv2d)
    assert list(model.state_dict()) == keys
    torch.testing.assert_close(model(_images()), expected)
    assert prove(model, _images()).ok
    assert not isinstance(revert(model)[0], manualnn.Conv2d)
    torch.testing.assert_close(model(_images()), expected)


def test_a_converted_model_compiles_whole():
    torch.compiler.reset()
    model = convert(Residual())
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    output, expected = compiled(_images()), model(_images())
    torch.testing.assert_close(output, expected)
    parameters = list(model.parameters())
    gradients = (torch.autograd.grad(y.square().sum(), parameters) for y in (output, expected))
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_a_converted_model_exports():
    model = convert(Residual()).eval()
    assert str(inspect.signature(model.forward)) == "(images)"
    batch = {"images": {0: torch.export.Dim("batch")}}
    program = torch.export.export(model, (_images(),), dynamic_shapes=batch)
    images = _images().repeat(2, 1, 1, 1)
    torch.testing.assert_close(program.module()(images), model(images))


def test_a_converted_model_runs_in_onnxruntime():
    model = convert(Residual()).eval()
    program = torch.onnx.export(model, (_images(),), dynamo=True, verbose=False)
    torch.testing.assert_close(program(_images())[0], model(_images()).detach())


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "shufflenet_v2_x0_5"])
def test_torchvision_models_are_the_same_models(name):
    torch.manual_seed(0)
    report = prove(models.get_model(name, num_classes=4), torch.rand(2, 3, 64, 64))
    assert report.ok, report


@pytest.mark.parametrize(
    "name",
    [
        "lraspp_mobilenet_v3_large",
        pytest.param("fasterrcnn_mobilenet_v3_large_320_fpn", marks=pytest.mark.thorough),
    ],
)
def test_segmentation_and_detection_are_the_same_models(name):
    report = prove(*model_and_inputs(name))
    assert report.ok, report
