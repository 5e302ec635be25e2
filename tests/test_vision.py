"""Twins of torchvision's layers, and the package without torchvision."""

import copy
import inspect
import pickle
import subprocess
import sys
from itertools import product

import pytest
import torch
from torch.func import grad, hessian, jacfwd, vmap
from torchvision import ops

from manualnn import vision
from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, prove

BOTH = pytest.mark.parametrize("namespace", [ops, vision], ids=["torchvision", "manualnn"])
LAYERS = [
    ("FrozenBatchNorm2d", {"num_features": 3}),
    ("FrozenBatchNorm2d", {"num_features": 3, "eps": 0.1}),
    ("StochasticDepth", {"p": 0.5, "mode": "row"}),
    ("StochasticDepth", {"p": 0.5, "mode": "batch"}),
    ("StochasticDepth", {"p": 0.0, "mode": "row"}),
    ("StochasticDepth", {"p": 1.0, "mode": "batch"}),
]
EACH = pytest.mark.parametrize(("name", "options"), LAYERS, ids=str)


def _layer(namespace, name, options, dtype=torch.float64):
    torch.manual_seed(0)
    layer = getattr(namespace, name)(**options)
    for buffer in layer.buffers():
        buffer.uniform_(0.5, 1.5)
    return layer.to(dtype)


def _input(shape=(6, 3, 2, 4), dtype=torch.float64):
    torch.manual_seed(1)
    return torch.randn(shape, dtype=torch.float64).to(dtype).requires_grad_()


def _results(layer, x, cotangent=None):
    torch.manual_seed(2)
    y = layer(x)
    if cotangent is None:
        cotangent = torch.randn(y.shape, dtype=torch.float64)
    return [y, *torch.autograd.grad(y, x, cotangent.to(y.dtype))]


@EACH
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_equals_its_twin(name, options, training, format):
    x = _input().detach().contiguous(memory_format=format).requires_grad_()
    ours, theirs = (_results(_layer(n, name, options).train(training), x) for n in (vision, ops))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert ours[0].stride() == theirs[0].stride()


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layer_dtype", [torch.float32, torch.float64, None], ids=str)
@pytest.mark.parametrize("autocast", [False, True])
def test_dtypes_and_digits_are_those_of_the_twin(name, options, dtype, layer_dtype, autocast):
    layer_dtype, eps = layer_dtype or dtype, torch.finfo(dtype).eps
    truth = _results(_layer(ops, name, options), _input())
    results = []
    for namespace in (vision, ops):
        with torch.autocast("cpu", enabled=autocast):
            layer = _layer(namespace, name, options, layer_dtype)
            results.append(_results(layer, _input(dtype=dtype)))
    for ours, theirs, t in zip(*results, truth, strict=True):
        assert ours.dtype == theirs.dtype
        error, twin_error = ((v.double() - t).abs().max() for v in (ours, theirs))
        assert error <= max(2 * twin_error, 8 * eps * t.abs().max())


@EACH
@pytest.mark.parametrize("bad", [float("inf"), -float("inf"), float("nan")])
def test_bad_numbers_behave_as_in_the_twin(name, options, bad):
    for place in ("input", "cotangent"):
        x, cotangent = _input(), torch.ones(6, 3, 2, 4).double()
        (x if place == "input" else cotangent).detach()[:2, 0] = bad
        results = [_results(_layer(n, name, options), x, cotangent) for n in (vision, ops)]
        torch.testing.assert_close(*results, equal_nan=True)


@EACH
def test_is_its_twin_by_class_and_constructor(name, options):
    ours, theirs = getattr(vision, name), getattr(ops, name)
    assert issubclass(ours, theirs)
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert repr(ours(**options)) == repr(theirs(**options))
    layer = theirs(**options)
    layer.__class__ = ours
    layer.load_state_dict(theirs(**options).state_dict())
    assert "forward" in vars(ours)


@EACH
@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],
    ids=["deepcopy", "pickle"],
)
def test_copies_go_on_by_themselves(name, options, duplicate):
    layer = _layer(vision, name, options)
    other = duplicate(layer)
    assert type(other) is type(layer) is getattr(vision, name)
    torch.testing.assert_close(_results(other, _input()), _results(layer, _input()))


@EACH
def test_derivatives(name, options):
    layer = _layer(vision, name, options)

    def function(x):
        torch.manual_seed(3)
        return layer(x) * 1

    prove(function, [_input()])


@EACH
@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
def test_backward_runs_no_gradient_kernel_and_the_graph_is_our_own(name, options, create_graph):
    if options.get("p") == 0:
        x = _input()
        assert _layer(vision, name, options)(x) is x
        return
    x = _input()
    y = _layer(vision, name, options)(x)
    operations = backward_operations(y, [x], create_graph=create_graph)
    assert not [operation for operation in operations if "backward" in operation]
    assert foreign_nodes(y, Function) == set()


@EACH
def test_transforms(name, options):
    layer = _layer(vision, name, options).eval()

    def loss(x):
        return layer(x[None]).pow(3).sum()

    x = _input((2, 3, 1, 2)).detach()
    torch.testing.assert_close(hessian(loss)(x[0]), jacfwd(jacfwd(loss))(x[0]))
    torch.testing.assert_close(vmap(grad(loss))(x), torch.stack([grad(loss)(row) for row in x]))


@EACH
def test_compiles_into_one_graph(name, options):
    torch._dynamo.reset()
    layer = _layer(vision, name, options).eval()
    compiled = torch.compile(copy.deepcopy(layer), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(_results(compiled, _input()), _results(layer, _input()))


def test_stochastic_depth_draws_what_torchvision_draws():
    for mode, shape in (("row", (64, 2)), ("batch", (1, 2)), ("row", (64,)), ("batch", ())):
        drawn = []
        for namespace in (vision, ops):
            torch.manual_seed(7)
            rows = [namespace.stochastic_depth(torch.ones(shape), 0.3, mode) for _ in range(5)]
            drawn.append([*rows, torch.rand(3)])
        torch.testing.assert_close(*drawn, rtol=0, atol=0)
    values = {round(v, 4) for row in drawn[0][:5] for v in row.flatten().tolist()}
    assert values <= {0.0, round(1 / 0.7, 4)}


def test_frozen_batch_norm_takes_the_shapes_that_torchvision_takes():
    shapes = ((3, 4, 5), (2, 1, 4, 1), (0, 3, 2, 2), (2, 3, 3, 4, 5), (1, 3, 1, 1))
    for shape, features in product(shapes, (1, 3)):
        x = torch.randn(shape)
        ours, theirs = (
            _layer(n, "FrozenBatchNorm2d", {"num_features": features}, torch.float32)(x)
            for n in (vision, ops)
        )
        torch.testing.assert_close(ours, theirs)


def test_frozen_batch_norm_keeps_no_input():
    layer, x = vision.FrozenBatchNorm2d(3), _input(dtype=torch.float32)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        layer(x)
    assert x.data_ptr() not in {tensor.data_ptr() for tensor in kept}


def test_frozen_batch_norm_forgets_the_number_of_batches():
    state = torch.nn.BatchNorm2d(3).state_dict()
    assert "num_batches_tracked" in state
    vision.FrozenBatchNorm2d(3).load_state_dict(state)


@BOTH
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda n: n.StochasticDepth(1.5, "row")(torch.ones(2)), ValueError, "1, but got 1.5"),
        (lambda n: n.StochasticDepth(-0.5, "row")(torch.ones(2)), ValueError, "-0.5"),
        (lambda n: n.StochasticDepth(0.5, "col").eval()(torch.ones(2)), ValueError, "col"),
        (lambda n: n.StochasticDepth(0.5, "row")(torch.ones(2).long()), RuntimeError, "Long"),
        (lambda n: n.StochasticDepth(0.5, "row")(torch.tensor(1.0)), IndexError, "range"),
        (lambda n: n.FrozenBatchNorm2d(3)(torch.ones(2, 4, 2, 2)), RuntimeError, "4"),
        (lambda n: n.FrozenBatchNorm2d(3)(torch.ones(2, 3, 4)), RuntimeError, "2|3, 4"),
    ],
)
def test_refuses_what_torchvision_refuses(namespace, call, error, message):
    with pytest.raises(error, match=message):
        call(namespace)


def _run(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )


def test_torchvision_is_imported_on_use():
    done = _run(
        "import sys, manualnn.vision as v; assert 'torchvision' not in sys.modules;"
        "assert 'StochasticDepth' in dir(v); v.StochasticDepth; assert 'torchvision' in sys.modules"
    )
    assert done.returncode == 0, done.stderr


def test_the_package_needs_no_torchvision():
    done = _run(
        "import sys; sys.modules['torchvision'] = None\n"
        "import torch, manualnn, manualnn.vision as v\n"
        "v.sigmoid_focal_loss(torch.ones(2), torch.ones(2))\n"
        "v.complete_box_iou_loss(torch.tensor([0.0, 0, 1, 1]), torch.tensor([0.0, 0, 2, 1]))\n"
        "v.stochastic_depth(torch.ones(2), 0.5, 'row')\n"
        "try: v.FrozenBatchNorm2d\n"
        "except ImportError as error: assert 'torchvision' in str(error)\n"
        "else: raise SystemExit('imported')"
    )
    assert done.returncode == 0, done.stderr


def test_other_names_are_not_there():
    assert not hasattr(vision, "RoIAlign")
