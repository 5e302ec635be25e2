"""A layer of ours takes its twin's place: constructor, state, copies, devices, functional form."""

import copy
import inspect
import pickle
import re
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.checkpoint import checkpoint

import manualnn
from tests.case import call
from tests.tables import CASES, one_of_each

CLASSES = [n for n in manualnn.__all__ if inspect.isclass(getattr(manualnn, n)) and n != "backend"]
NAMESPACES = pytest.mark.parametrize("namespace", [nn, manualnn], ids=["torch", "manualnn"])


def _gradients(function, parameters, inputs):
    output = call(function, inputs)
    torch.manual_seed(3)
    variables = [i for i in inputs if i.requires_grad] + list(parameters)
    return torch.autograd.grad(output, variables, torch.randn_like(output), materialize_grads=True)


@pytest.mark.parametrize("name", CLASSES)
def test_is_its_twin_by_class_and_constructor(name):
    ours, theirs = getattr(manualnn, name), getattr(nn, name)
    # DistributedDataParallel refuses subclasses of torch's SyncBatchNorm on a CPU: ours is none
    assert issubclass(ours, theirs.__base__ if name == "SyncBatchNorm" else theirs)
    assert inspect.signature(ours) == inspect.signature(theirs)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_is_built_as_its_twin(case):
    modules = []
    for namespace in (manualnn, nn):
        torch.manual_seed(0)
        modules.append(getattr(namespace, case.name)(**case.options))
    ours, theirs = modules
    assert repr(ours) == repr(theirs)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for actual, expected in zip(
        ours.state_dict().values(), theirs.state_dict().values(), strict=True
    ):
        assert torch.equal(actual, expected)
        assert actual.dtype == expected.dtype


@pytest.mark.parametrize("case", one_of_each(), ids=str)
@pytest.mark.parametrize("to_ours", [True, False], ids=["from torch", "to torch"])
def test_state_is_exchanged_with_the_twin(case, to_ours):
    source, target = case.modules()[:: -1 if to_ours else 1]
    with torch.no_grad():
        for values in target.state_dict().values():
            values.zero_()
    assert str(target.load_state_dict(source.state_dict())) == "<All keys matched successfully>"
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("case", one_of_each(), ids=str)
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
    ids=["deepcopy", "pickle"],
)
def test_copies_go_on_by_themselves(case, used, duplicate):
    module = case.modules()[0]
    if used:
        call(module, case.tensors()).sum().backward()
    other = duplicate(module)
    assert type(other) is type(module)
    for ours, copied in zip(module.parameters(), other.parameters(), strict=True):
        assert ours.data_ptr() != copied.data_ptr()
    expected, actual = (_gradients(m, m.parameters(), case.tensors()) for m in (module, other))
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
    torch.testing.assert_close(other.state_dict(), module.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    "case",
    [c for c in one_of_each() if "device" in inspect.signature(getattr(nn, c.name)).parameters],
    ids=str,
)
def test_device_and_dtype_are_taken_by_the_constructor(case):
    module = getattr(manualnn, case.name)(**case.options, device="meta", dtype=torch.float16)
    for values in [*module.parameters(), *module.buffers()]:
        assert values.device.type == "meta"
        assert values.dtype == (torch.float16 if values.is_floating_point() else torch.int64)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_meta_device_tells_shape_and_dtype(case):
    ours, theirs = case.modules(torch.float32)
    inputs = case.tensors(torch.float32)
    expected = call(theirs, inputs)
    actual = call(ours.to("meta"), [i.detach().to("meta") for i in inputs])
    assert (actual.device.type, actual.shape, actual.dtype) == (
        "meta",
        expected.shape,
        expected.dtype,
    )


@pytest.mark.parametrize("case", one_of_each(), ids=str)
def test_checkpointing_gives_the_same_gradients(case):
    module = case.modules()[0]
    twice = partial(checkpoint, module, use_reentrant=False)
    expected, actual = (
        _gradients(function, module.parameters(), case.tensors()) for function in (module, twice)
    )
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


@pytest.mark.parametrize("case", one_of_each(), ids=str)
def test_two_calls_of_one_layer_add_their_gradients(case):
    totals = []
    for each in case.modules():
        first, second = case.tensors(), case.tensors(scale=0.5)
        (call(each, first) * call(each, second)).sum().backward()
        totals.append([p.grad for p in (*first, *second, *each.parameters()) if p.requires_grad])
    torch.testing.assert_close(*totals, rtol=case.tolerance, atol=1e-12)


def _documented(function):
    """The parameters that the first line of a built-in function's docstring names."""
    arguments = re.match(r"\w+\((.*?)\)", function.__doc__.strip()).group(1)
    return inspect.signature(eval(f"lambda {arguments}: ..."))


def _arguments(signature):
    return [(p.name, p.kind, p.default) for p in signature.parameters.values()]


# torch's have out= or none to inspect; tests/layers/test_arithmetic.py calls them all.
WRITTEN_IN_LINE = {"add", "add_", "cat", "chunk", "mean", "mul", "split"}
MIRRORED = sorted(set(manualnn.functional.__all__) - WRITTEN_IN_LINE)


@pytest.mark.parametrize("name", MIRRORED)
def test_functional_signature_is_that_of_torch(name):
    theirs = getattr(nn.functional, name, None) or getattr(torch, name)
    try:
        expected = _arguments(inspect.signature(theirs))
    except ValueError:  # built in
        expected = _arguments(_documented(theirs))
    if expected[0][0] == "args":  # max-pooling is dispatched by its last argument
        expected = _arguments(_documented(theirs))
    assert _arguments(inspect.signature(getattr(manualnn.functional, name))) == expected


def _random(*shape):
    return torch.randn(shape, dtype=torch.float64)


_X1, _X2, _X3 = _random(2, 2, 6), _random(2, 2, 5, 6), _random(1, 2, 4, 4, 3)
_PROBABILITIES = _random(4, 3).softmax(1)
DIRECT_CALLS = [
    ("linear", (_random(5, 3), _random(4, 3)), {"bias": _random(4)}),
    ("linear", (_random(5, 3), _random(3)), {}),
    ("conv1d", (_X1, _random(4, 2, 3), None, 2, 1), {}),
    ("conv2d", (_X2, _random(4, 1, 3, 2)), {"padding": "same", "groups": 2}),
    ("conv2d", (_X2, _random(4, 2, 3, 2), _random(4)), {"stride": [2], "dilation": [1, 2]}),
    ("conv3d", (_X3, _random(4, 2, 2, 2, 2), _random(4), 1, (1, 0, 2)), {}),
    ("conv_transpose1d", (_X1, _random(2, 3, 3), None, 2, 1, 1), {}),
    ("conv_transpose2d", (_X2, _random(2, 2, 3, 2), _random(4)), {"groups": 2, "stride": [2]}),
    ("conv_transpose2d", (_X2, _random(2, 3, 2, 2), None, (2, 1), 1, (1, 2), 1, [1, 3]), {}),
    ("conv_transpose3d", (_X3, _random(2, 3, 2, 2, 2), _random(3), 2), {"output_padding": 1}),
    ("max_pool1d", (_X1, 2), {}),
    ("max_pool1d", (_X1, 3, 1, 1, 2, False, True), {}),
    ("max_pool2d", (_X2, (2, 3)), {"ceil_mode": True, "return_indices": True}),
    ("max_pool2d", (_X2, [2]), {"stride": 1}),
    ("max_pool3d", (_X3, 2, None, 1), {"return_indices": True}),
    ("avg_pool1d", (_X1, 2), {}),
    ("avg_pool1d", (_X1, 3, 1, 1, True, False), {}),
    ("avg_pool2d", (_X2, (2, 3)), {"ceil_mode": True, "count_include_pad": False}),
    ("avg_pool2d", (_X2, [3], 2, 1), {"divisor_override": 5}),
    ("avg_pool2d", (torch.arange(16).reshape(1, 4, 4), 2), {}),
    ("avg_pool3d", (_X3, 2, None, 1), {}),
    ("adaptive_avg_pool1d", (_X1, [4]), {}),
    ("adaptive_avg_pool2d", (_X2, [None, 4]), {}),
    ("adaptive_avg_pool3d", (_X3,), {"output_size": (2, 3, None)}),
    ("adaptive_max_pool1d", (_X1, 4, True), {}),
    ("adaptive_max_pool2d", (_X2, [None, 4]), {}),
    ("adaptive_max_pool3d", (_X3,), {"output_size": (2, 3, None), "return_indices": True}),
    ("batch_norm", (_X2, _random(2), _random(2).abs(), _random(2), _random(2)), {}),
    ("batch_norm", (_X2, _random(2), _random(2).abs()), {"training": True, "momentum": 0.7}),
    ("batch_norm", (_X2, None, None, None, None, True), {"eps": 0.5}),
    ("embedding", (torch.tensor([[0, 3], [3, 1]]), _random(4, 2), 3), {}),
    ("embedding", (torch.tensor([2, 2]), _random(4, 2)), {"max_norm": 0.1, "norm_type": 1.0}),
    ("layer_norm", (_X2, (5, 6), _random(5, 6)), {}),
    ("layer_norm", (_X2, [6]), {"bias": _random(6), "eps": 0.5}),
    ("group_norm", (_X2, 2, _random(2), _random(2)), {}),
    ("group_norm", (_X2, 1), {"eps": 0.5}),
    ("instance_norm", (_X2, _random(2), _random(2).abs(), _random(2), _random(2)), {}),
    ("instance_norm", (_X2, _random(2), _random(2).abs()), {"use_input_stats": False}),
    ("instance_norm", (_X2,), {"eps": 0.5}),
    ("local_response_norm", (_X2, 2), {}),
    ("local_response_norm", (_X1, 3, 0.5, 2.0, 0.3), {}),
    ("interpolate", (_X1, 4), {"mode": "linear"}),
    ("interpolate", (_X2, None, (2, 0.5)), {"recompute_scale_factor": True}),
    ("interpolate", (_X2, [3, 7], None, "bilinear", True), {}),
    ("interpolate", (_X2, 3), {"mode": "bicubic", "antialias": True}),
    ("interpolate", (_X3,), {"scale_factor": 2, "mode": "nearest-exact"}),
    ("interpolate", (_X3,), {"scale_factor": 0.5, "mode": "area"}),
    ("relu", (_X1, True), {}),
    ("relu6", (5 * _X1, True), {}),
    ("relu6", (torch.arange(-3, 9),), {}),
    ("hardtanh", (_X1, -0.5), {"max_val": 0.25}),
    ("leaky_relu", (_X1, 0.2), {"inplace": True}),
    ("prelu", (_X2, _random(2)), {}),
    ("prelu", (_X2, torch.tensor(0.3, dtype=torch.float64)), {}),
    ("hardsigmoid", (3 * _X1, True), {}),
    ("hardswish", (3 * _X1,), {"inplace": True}),
    ("elu", (_X1, 0.5, True), {}),
    ("selu", (_X1,), {}),
    ("celu", (_X1, 0.5), {"inplace": True}),
    ("softplus", (_X1, 2, 1), {}),
    ("gelu", (_X1,), {}),
    ("gelu", (_X1,), {"approximate": "tanh"}),
    ("silu", (_X1, True), {}),
    ("mish", (_X1,), {}),
    ("sigmoid", (_X1,), {}),
    ("tanh", (_X1,), {}),
    ("sigmoid", (torch.arange(3),), {}),
    ("dropout", (_X1,), {}),
    ("dropout", (_X1, 0.3), {"inplace": True}),
    ("dropout", (_X1, 0.3, False), {}),
    ("dropout", (torch.arange(3), 1.0), {}),
    ("dropout", (torch.arange(3), 0.0), {}),
    ("dropout2d", (_X2, 0.3), {}),
    ("dropout2d", (_X2, 0.3, True, True), {}),
    ("flatten", (_X2,), {}),
    ("flatten", (_X2, -2), {"end_dim": 3}),
    ("softmax", (_X2, -1), {}),
    ("softmax", (torch.arange(3), 0), {"dtype": torch.float64}),
    ("log_softmax", (_X2, 1), {"dtype": torch.float32}),
    ("mse_loss", (_X1, _random(2, 2, 6)), {"reduction": "sum"}),
    ("mse_loss", (_X1, _random(2, 2, 6)), {"weight": _random(2, 2, 6).abs()}),
    ("mse_loss", (_X1.float(), torch.ones(2, 2, 6, dtype=torch.bool)), {}),
    ("l1_loss", (_X1, _random(2, 2, 6)), {"reduction": "sum"}),
    ("l1_loss", (_X1, _random(2, 2, 6)), {"weight": _random(2, 2, 6).abs()}),
    ("smooth_l1_loss", (_X1, _random(2, 2, 6)), {"beta": 0.5}),
    ("huber_loss", (_X1, _random(2, 2, 6), "none", 0.5), {}),
    ("huber_loss", (_X1, _random(2, 2, 6)), {"weight": _random(2, 2, 6)}),
    ("binary_cross_entropy", (_X1.sigmoid(), _X1.abs().tanh(), _random(6)), {}),
    ("binary_cross_entropy_with_logits", (_X1, _X1.sigmoid()), {"pos_weight": _random(6)}),
    ("kl_div", (_PROBABILITIES.log(), _random(4, 3).softmax(1)), {"reduction": "batchmean"}),
    ("kl_div", (_PROBABILITIES.log(), _random(4, 3), False), {"log_target": True}),
    ("normalize", (_X2,), {}),
    ("normalize", (_X2, 2), {"dim": -1, "eps": 3.0}),
    ("nll_loss", (_random(4, 3), torch.tensor([0, 2, 1, 1]), _random(3)), {"ignore_index": 1}),
    ("cross_entropy", (_random(4, 3), torch.tensor([0, 2, 1, 1])), {"ignore_index": 1}),
    ("cross_entropy", (_random(4, 3), _PROBABILITIES, _random(3).abs()), {"reduction": "none"}),
]


@pytest.mark.parametrize(
    ("name", "arguments", "options"), DIRECT_CALLS, ids=[name for name, _, _ in DIRECT_CALLS]
)
def test_functions_called_directly_give_what_torch_gives(name, arguments, options):
    results = []
    for namespace in (manualnn.functional, nn.functional):
        function = getattr(namespace, name, None) or getattr(torch, name)
        tensors = [a.clone() if isinstance(a, torch.Tensor) else a for a in arguments]
        torch.manual_seed(5)
        outputs = function(*tensors, **options)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        results.append([*outputs, *(t for t in tensors if isinstance(t, torch.Tensor))])
    torch.testing.assert_close(*results)


def test_every_function_is_called_directly():
    assert {name for name, _, _ in DIRECT_CALLS} == set(MIRRORED)


@NAMESPACES
def test_hooks_run(namespace):
    layer, seen = namespace.Linear(2, 2), []
    layer.register_forward_pre_hook(lambda module, inputs: seen.append("before"))
    layer.register_forward_hook(lambda module, inputs, output: output * 2)
    layer.register_full_backward_pre_hook(lambda module, grads: seen.append("backward"))
    layer.register_full_backward_hook(lambda module, inputs, outputs: (inputs[0] * 3,))
    layer.weight.register_hook(lambda grad: grad * 5)
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == ["before", "backward"]
    torch.testing.assert_close(x.grad, 6 * layer.weight.sum(0, keepdim=True))
    torch.testing.assert_close(layer.weight.grad, torch.full((2, 2), 10.0))


def _net(namespace):
    torch.manual_seed(0)
    return nn.Sequential(
        namespace.Conv2d(1, 2, 3),
        namespace.BatchNorm2d(2),
        namespace.ReLU(inplace=True),
        namespace.MaxPool2d(2),
        namespace.Flatten(),
        namespace.Linear(8, 3),
        namespace.LogSoftmax(1),
    )


def test_a_net_is_converted_to_double_and_trained_as_its_twin():
    losses = []
    x, target = _random(4, 1, 6, 6), torch.tensor([0, 2, 1, 1])
    for namespace in (manualnn, nn):
        net = _net(namespace).double()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            loss = namespace.CrossEntropyLoss()(net(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss)
    assert losses[0].dtype == torch.float64
    torch.testing.assert_close(losses[:5], losses[5:], rtol=1e-9, atol=0)
    assert losses[4] < losses[0]


def test_a_parametrised_layer_learns_as_its_twin():
    results = []
    for namespace in (manualnn, nn):
        torch.manual_seed(0)
        layer = weight_norm(namespace.Conv2d(2, 3, 3).double())
        layer(_X2).pow(2).sum().backward()
        results.append([layer(_X2), *(p.grad for p in layer.parameters())])
    assert len(results[0]) == 4  # output, bias, magnitude, direction
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


def test_swapping_the_class_of_a_live_layer_is_a_conversion():
    layer, x = nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular").double(), _X2
    expected = layer(x)
    layer.__class__ = manualnn.Conv2d
    torch.testing.assert_close(layer(x), expected)
    assert layer(x).grad_fn.name() == "ConvFunctionBackward"
