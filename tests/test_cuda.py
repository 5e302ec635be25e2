"""All that depends on the device, on a GPU: numbers, proofs, graphs, autocast, compilation."""

import copy

import pytest
import torch
from torch.func import grad, vmap
from torch.nn import Parameter

import manualnn
from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, prove
from tests.case import call, function_of
from tests.optim.trajectory import assert_same_run, make_params, run
from tests.tables import CASES, one_of_each

DEVICE = "cuda"
if not torch.cuda.is_available():
    pytest.skip("needs a GPU: torch finds no CUDA device", allow_module_level=True)

EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=str)
ONE_OF_EACH = pytest.mark.parametrize("case", one_of_each(), ids=str)


@pytest.fixture(autouse=True)
def _exact_convolution():
    """Without the ten-bit factors that cuDNN takes for float32 where it may."""
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


def _modules(case, dtype=torch.float64):
    return tuple(module.to(DEVICE) for module in case.modules(dtype))


def _inputs(case, dtype=torch.float64):
    return [i.detach().to(DEVICE).requires_grad_(i.requires_grad) for i in case.tensors(dtype)]


def _results(module, inputs, autocast=None):
    """Output, gradients of inputs and parameters, and buffers, after one backward pass."""
    with torch.autocast(DEVICE, autocast, enabled=autocast is not None):
        output = call(module, inputs)
    torch.manual_seed(3)
    cotangent = torch.randn(output.shape, dtype=torch.float64).to(output)
    variables = [i for i in inputs if i.requires_grad] + list(module.parameters())
    gradients = torch.autograd.grad(output, variables, cotangent, materialize_grads=True)
    return [output.detach(), *gradients, *module.buffers()]


def _assert_close(actual, expected, tolerance):
    """The same dtypes and places, and values as close as that to the largest one."""
    for a, e in zip(actual, expected, strict=True):
        assert (a.dtype, a.device.type) == (e.dtype, DEVICE)
        scale = e.double().nan_to_num().abs().max().item() if e.numel() else 0
        torch.testing.assert_close(a, e, rtol=0, atol=tolerance * scale, equal_nan=True)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)], ids=str
)
@EVERY_CASE
def test_values_equal_the_twin(case, dtype, tolerance):
    ours, theirs = _modules(case, dtype)
    for _ in range(2):  # the second call meets updated running statistics
        actual, expected = (_results(m, _inputs(case, dtype)) for m in (ours, theirs))
        _assert_close(actual, expected, max(tolerance, case.tolerance))


@EVERY_CASE
def test_values_equal_those_of_the_cpu(case):
    on_cpu = _results(case.modules()[0], case.tensors())
    on_gpu = _results(_modules(case)[0], _inputs(case))
    _assert_close(on_gpu, [values.to(DEVICE) for values in on_cpu], 1e-9)


@EVERY_CASE
def test_derivatives_by_input_and_parameters(case):
    prove(_modules(case)[0], _inputs(case))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
@EVERY_CASE
def test_half_precision_modules_and_autocast(case, half):
    for dtype, autocast in ((half, None), (torch.float32, half)):
        if autocast and case.name == "BCELoss":
            continue  # test_probabilities_are_refused_under_autocast
        actual, expected = (
            _results(m, _inputs(case, dtype), autocast) for m in _modules(case, dtype)
        )
        _assert_close(actual, expected, 32 * torch.finfo(half).eps)


@pytest.mark.parametrize("namespace", [manualnn, torch.nn], ids=["manualnn", "torch"])
def test_probabilities_are_refused_under_autocast(namespace):
    p = torch.full((2,), 0.5, device=DEVICE)
    with torch.autocast(DEVICE), pytest.raises(RuntimeError, match="unsafe to autocast"):
        namespace.BCELoss()(p, p)


@pytest.mark.parametrize("case", one_of_each([c for c in CASES if c.name != "BCELoss"]), ids=str)
def test_autocast_leaves_float64_alone(case):
    cast, plain = (
        _results(_modules(case)[0], _inputs(case), autocast) for autocast in (torch.float16, None)
    )
    _assert_close(cast, plain, 1e-12)


@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
@EVERY_CASE
def test_backward_runs_no_gradient_kernel(case, create_graph):
    module, inputs = _modules(case)[0], _inputs(case)
    output = call(module, inputs)
    assert foreign_nodes(output, Function) == set()
    variables = [i for i in inputs if i.requires_grad] + list(module.parameters())
    operations = backward_operations(output, variables, create_graph=create_graph)
    assert operations
    assert not {name for name in operations if "backward" in name or name.startswith("torch.")}


def test_the_watch_sees_a_gradient_kernel():
    x = torch.randn(2, 3, device=DEVICE, requires_grad=True)
    operations = backward_operations(torch.nn.Softmax(1)(x), [x])
    assert any("_softmax_backward_data" in name for name in operations)


@EVERY_CASE
def test_compiles_into_one_graph(case):
    torch._dynamo.reset()
    module = _modules(case)[0]
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, backend="aot_eager")
    actual, expected = (_results(m, _inputs(case)) for m in (compiled, module))
    _assert_close(actual, expected, 1e-9)


def _net(namespace):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        namespace.Conv2d(1, 4, 3, padding=1, padding_mode="reflect"),
        namespace.BatchNorm2d(4),
        namespace.ReLU(inplace=True),
        namespace.MaxPool2d(2),
        namespace.Conv2d(4, 4, 3, stride=2, padding=1, bias=False),
        namespace.Tanh(),
        namespace.Flatten(),
        namespace.Linear(16, 3),
    ).to(DEVICE, torch.float64)


def test_a_compiled_net_takes_the_steps_of_its_twin():
    torch._dynamo.reset()
    x = torch.randn(5, 1, 8, 8, dtype=torch.float64, device=DEVICE)
    target = torch.tensor([0, 2, 1, 1, 0], device=DEVICE)
    losses = []
    for namespace in (manualnn, torch.nn):
        net = _net(namespace)
        forward = torch.compile(net, fullgraph=True) if namespace is manualnn else net
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            loss = namespace.CrossEntropyLoss()(forward(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    torch.testing.assert_close(losses[:5], losses[5:], rtol=1e-9, atol=0)
    assert losses[4] < losses[0]


def test_per_sample_gradients_of_a_net():
    net = _net(manualnn).eval()
    function, parameters = function_of(net)
    parameters = tuple(p.detach() for p in parameters)
    samples = torch.randn(3, 1, 8, 8, dtype=torch.float64, device=DEVICE)

    def loss(parameters, sample):
        return function(sample.unsqueeze(0), *parameters).square().sum()

    mapped = vmap(grad(loss), (None, 0))(parameters, samples)
    looped = [grad(loss)(parameters, sample) for sample in samples]
    for m, each in zip(mapped, zip(*looped, strict=True), strict=True):
        torch.testing.assert_close(m, torch.stack(each), rtol=1e-9, atol=1e-12)


def test_in_place_relu_overwrites_its_input_and_no_leaf():
    relu_ = manualnn.ReLU(inplace=True)
    leaf = torch.tensor([-1.0, 2.0], device=DEVICE, requires_grad=True)
    x = leaf * 1
    y = relu_(x)
    y.sum().backward()
    assert (y.data_ptr(), x.tolist()) == (x.data_ptr(), [0.0, 2.0])
    assert leaf.grad.tolist() == [0.0, 1.0]
    with pytest.raises(RuntimeError, match="leaf"):
        relu_(leaf)
    assert leaf.tolist() == [-1.0, 2.0]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
        ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "maximize": True}),
        ("Adadelta", {"lr": 0.7, "rho": 0.8, "weight_decay": 0.05}),
        ("Adadelta", {}),
        ("Adam", {"lr": 0.1, "weight_decay": 0.05, "amsgrad": True}),
        ("AdamW", {"lr": 0.1, "maximize": True}),
    ],
)
def test_optimizers_take_the_steps_of_torch(name, options):
    runs = []
    for namespace in (manualnn.optim, torch.optim):
        params = [Parameter(p.detach().to(DEVICE)) for p in make_params()]
        optimizer = getattr(namespace, name)(params, **options)
        run(optimizer, params, range(20))
        runs.append((optimizer, params))
    (manual, ours), (native, theirs) = runs
    assert_same_run(manual, native, ours, theirs)
    assert not torch.equal(ours[0].detach().cpu(), make_params()[0].detach())
