"""Runs of layers as one Function: the same results as layer by layer, proved like a layer."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.func import functional_call, jacfwd, vmap
from torchvision.models import mobilenetv3, resnet
from torchvision.ops import Conv2dNormActivation, SqueezeExcitation

import manualnn
from benchmarks.measure import saved_bytes
from manualnn import convert, fuse, revert, unfuse
from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, graph_nodes, layouts, prove
from manualnn.fused.norm_conv import NormConv
from manualnn.fused.run import Run, RunFunction


def _inverted_residual():
    config = mobilenetv3.InvertedResidualConfig(8, 3, 8, 8, True, "HS", 1, 1, 1.0)
    return mobilenetv3.InvertedResidual(config, nn.BatchNorm2d)


def _block(block, channels, **options):
    return block(channels, 1 if block is resnet.Bottleneck else channels, **options)


def _downsample():
    return nn.Sequential(nn.Conv2d(2, 2, 1, stride=2, bias=False), nn.BatchNorm2d(2))


def _frozen(*layers):
    layers[0].requires_grad_(False)
    return nn.Sequential(*layers)


# name: layers, the input's shape, how many runs
CHAINS = {
    "norm, convolution, ReLU, pooling": (
        lambda: nn.Sequential(
            nn.BatchNorm2d(2), nn.Conv2d(2, 3, 2), nn.ReLU(), nn.MaxPool2d(2, 1), nn.Flatten()
        ),
        (2, 2, 4, 4), 1,
    ),
    "few channels, then many": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 5, 2, bias=False), nn.BatchNorm2d(5), nn.ReLU(),
            nn.Conv2d(5, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(inplace=True),
        ),
        (2, 2, 3, 4), 1,
    ),
    "norm folded twice": (
        lambda: nn.Sequential(
            nn.BatchNorm2d(5, affine=False), nn.Conv2d(5, 5, 2, bias=False), nn.ReLU(),
            nn.BatchNorm2d(5), nn.Conv2d(5, 2, 1), nn.Tanh(),
        ),
        (2, 5, 3, 3), 1,
    ),
    "norm after padding": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4, momentum=None), nn.SiLU(),
            nn.Conv2d(4, 4, 3, groups=2, padding=1, stride=2), nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(), nn.Linear(8, 3),
        ),
        (2, 2, 5, 4), 1,
    ),
    "products": (
        lambda: nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(6), nn.Linear(6, 4), nn.ReLU(), nn.BatchNorm1d(4),
            nn.Linear(4, 3, bias=False), nn.Hardswish(), nn.Linear(3, 2), nn.Sigmoid(),
        ),
        (4, 2, 3), 1,
    ),
    "products of rows of rows": (
        lambda: nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2)), (2, 3, 3), 1
    ),
    "one axis": (
        lambda: nn.Sequential(
            nn.Conv1d(2, 5, 3), nn.BatchNorm1d(5), nn.LeakyReLU(0.2), nn.Conv1d(5, 3, 1),
            nn.ReLU(), nn.MaxPool1d(2),
        ),
        (3, 2, 6), 1,
    ),
    "three axes": (
        lambda: nn.Sequential(
            nn.BatchNorm3d(2), nn.Conv3d(2, 3, (1, 2, 2)), nn.ReLU6(), nn.MaxPool3d((1, 2, 1))
        ),
        (2, 2, 1, 3, 3), 1,
    ),
    "ReLU and pooling alone": (
        lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), (2, 2, 4, 4), 1
    ),
    "a run after an activation": (
        lambda: nn.Sequential(nn.Tanh(), nn.Conv2d(2, 3, 2), nn.Hardsigmoid()), (2, 2, 3, 3), 1
    ),
    "flattened": (
        lambda: nn.Sequential(
            nn.Conv2d(5, 2, 2), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(8), nn.Linear(8, 2)
        ),
        (3, 5, 3, 3), 1,
    ),
    "norm before groups": (
        lambda: nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1, groups=2), nn.ReLU()),
        (2, 4, 2, 3), 1,
    ),
    "pooled, then more": (
        lambda: nn.Sequential(
            nn.Conv2d(5, 2, 2), nn.ReLU(), nn.MaxPool2d(1), nn.Conv2d(2, 2, 1), nn.Tanh()
        ),
        (2, 5, 4, 3), 1,
    ),
    "other padding": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 2, 2), nn.ReLU(),
            nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), nn.Sigmoid(),
        ),
        (2, 2, 4, 3), 1,
    ),
    "large planes": (
        lambda: nn.Sequential(nn.BatchNorm2d(1), nn.ReLU(), nn.Conv2d(1, 1, 8)), (2, 1, 8, 8), 1
    ),
    "a frozen norm": (
        lambda: _frozen(nn.BatchNorm2d(5).eval(), nn.Conv2d(5, 2, 2), nn.ReLU()), (2, 5, 3, 3), 1
    ),
    "nested": (
        lambda: nn.Sequential(
            nn.Sequential(nn.Conv2d(5, 2, 1), nn.BatchNorm2d(2)),
            Conv2dNormActivation(2, 2, 3, activation_layer=nn.Hardtanh),
        ),
        (2, 5, 3, 3), 1,
    ),
    "squeeze and excitation": (
        lambda: nn.Sequential(nn.Conv2d(5, 4, 1), nn.ReLU(), SqueezeExcitation(4, 2)),
        (2, 5, 2, 3), 1,
    ),
    "inverted residual": (_inverted_residual, (2, 8, 2, 2), 1),
    "residual": (lambda: _block(resnet.BasicBlock, 2), (2, 2, 3, 3), 1),
    "residual with a step": (
        lambda: _block(resnet.BasicBlock, 2, stride=2, downsample=_downsample()), (2, 2, 4, 3), 2
    ),
    "bottleneck": (lambda: _block(resnet.Bottleneck, 4), (2, 4, 3, 3), 1),
}  # fmt: skip
names = pytest.mark.parametrize("name", CHAINS)


def _models(name):
    """The layers one by one, and fused; an input."""
    build, shape, _ = CHAINS[name]
    torch.manual_seed(0)
    model = convert(build()).double()
    with torch.no_grad():
        for values in [*model.parameters(), *model.buffers()]:
            if values.is_floating_point():
                values.uniform_(0.5, 1.5).mul_(torch.randint(0, 2, values.shape) * 2 - 1)
        for key, values in model.named_buffers():
            if key.endswith("running_var"):
                values.abs_()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    return model, fuse(copy.deepcopy(model)), x


def _results(model, x, cotangent):
    """Output, gradients and buffers of one pass in both directions."""
    x = x.detach().clone().requires_grad_(x.requires_grad)
    y = model(x)
    y.backward(cotangent(y))
    gradients = [values.grad for values in (x, *model.parameters())]
    return [y, *gradients, *model.buffers()]


def _assert_same(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        assert (a is None) == (e is None)
        if e is not None:
            torch.testing.assert_close(a, e, rtol=1e-9, atol=1e-9)


@names
@pytest.mark.parametrize("needs_input", [False, True])
def test_results_are_those_of_the_layers(name, needs_input):
    plain, fused, x = _models(name)
    x.requires_grad_(needs_input)
    if not needs_input and not list(plain.parameters()):
        return
    found, expected = (_results(m, x, torch.cos) for m in (fused, plain))
    _assert_same(found, expected)
    for seen in layouts(torch.randn_like(expected[0])).values():
        for model in (plain, fused):
            model.zero_grad()
        _assert_same(*(_results(m, x, lambda y, seen=seen: seen) for m in (fused, plain)))


@pytest.mark.parametrize(
    "name", [name for name, (_, shape, _) in CHAINS.items() if len(shape) == 4]
)
def test_results_in_channels_last(name):
    plain, fused, x = _models(name)
    for model in (plain, fused):
        model.to(memory_format=torch.channels_last)
    x = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    found, expected = (_results(m, x, torch.cos) for m in (fused, plain))
    _assert_same(found, expected)
    assert found[0].stride() == expected[0].stride()


@names
def test_results_in_evaluation_mode(name):
    plain, fused, x = (m.eval() if isinstance(m, nn.Module) else m for m in _models(name))
    _assert_same(*(_results(m, x, torch.cos) for m in (fused, plain)))
    with torch.no_grad():
        torch.testing.assert_close(fused(x), plain(x))


@names
def test_without_gradients_training_mode_still_moves_the_statistics(name):
    plain, fused, x = _models(name)
    with torch.no_grad():
        _assert_same([fused(x), *fused.buffers()], [plain(x), *plain.buffers()])


@names
def test_derivatives_at_two_orders(name):
    _, fused, x = _models(name)
    prove(fused, [x])


@names
@pytest.mark.parametrize("create_graph", [False, True])
def test_no_gradient_kernel_runs(name, create_graph):
    _, fused, x = _models(name)
    variables = [v for v in (x, *fused.parameters()) if v.requires_grad]
    operations = backward_operations(fused(x), variables, create_graph=create_graph)
    assert operations and not [n for n in operations if "backward" in n or n.startswith("torch.")]
    assert foreign_nodes(fused(x), Function) == set()


@names
def test_a_run_is_one_node_of_the_graph(name):
    _, fused, x = _models(name)
    nodes = [node for node in graph_nodes(fused(x)) if hasattr(node, "_forward_cls")]
    assert [node._forward_cls for node in nodes].count(RunFunction) == CHAINS[name][2]


@names
def test_less_is_kept(name):
    plain, fused, x = _models(name)
    alone = {
        "ReLU and pooling alone", "large planes", "a frozen norm", "a run after an activation",
        "products of rows of rows", "squeeze and excitation",
    }  # fmt: skip
    kept, kept_before = saved_bytes(fused, (x,)), saved_bytes(plain, (x,))
    assert kept < kept_before or name in alone


@names
def test_transforms_go_layer_by_layer(name):
    plain, fused, x = (m.eval() if isinstance(m, nn.Module) else m for m in _models(name))
    for model in (plain, fused):
        model.requires_grad_(False)
    state = {key: value.clone() for key, value in plain.state_dict().items()}
    results = [
        (
            vmap(lambda x, m=model: functional_call(m, state, (x.unsqueeze(0),)))(x),
            jacfwd(lambda t, m=model: functional_call(m, state, (x * t,)))(
                torch.tensor(1.0).double()
            ),
        )
        for model in (fused, plain)
    ]
    for a, e in zip(*results, strict=True):
        torch.testing.assert_close(a, e)


@pytest.mark.parametrize("name", ["few channels, then many", "residual", "inverted residual"])
def test_a_fused_model_compiles_whole_and_once(name):
    torch.compiler.reset()
    plain, fused, x = _models(name)
    counted = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(fused, fullgraph=True, backend=counted)
    for _ in range(2):
        plain.zero_grad(), fused.zero_grad()
        _assert_same(_results(compiled, x, torch.cos)[:2], _results(plain, x, torch.cos)[:2])
    assert counted.frame_count == 1


def test_float32_is_as_close_to_float64_as_layer_by_layer():
    for offset in (0.0, 3.0, 1e3):  # far from 0, batch norm is not taken into the convolution
        plain, fused, x = _models("norm folded twice")
        x = x.detach() + offset
        truth = _results(plain, x.requires_grad_(), torch.cos)
        errors = []
        for model in (fused, plain):
            model.float().zero_grad()
            found = _results(model, x.float(), torch.cos)
            pairs = [(f.double(), t) for f, t in zip(found, truth, strict=True) if f is not None]
            errors.append(max(((f - t).norm() / (t.norm() + 1)).item() for f, t in pairs[:4]))
        assert errors[0] < 4 * errors[1] + 1e-5, offset


def test_far_from_zero_the_norm_acts_apart():
    plain, fused, x = _models("norm, convolution, ReLU, pooling")
    x = (x.detach() + 100).requires_grad_()
    _assert_same(*(_results(m, x, torch.cos) for m in (fused, plain)))
    prove(fused, [x])


def test_a_hooked_layer_acts_alone():
    plain, fused, x = _models("few channels, then many")
    seen = []
    handle = fused[2].register_forward_hook(lambda *_: seen.append(1))
    _assert_same(*(_results(m, x, torch.cos) for m in (fused, plain)))
    assert seen == [1]
    handle.remove()
    fused(x)
    assert seen == [1]
    with nn.modules.module.register_module_forward_hook(lambda m, *_: seen.append(type(m))):
        fused(x)
    assert manualnn.Conv2d in seen


def test_a_hook_inside_squeeze_and_excitation_is_called():
    plain, fused, x = _models("squeeze and excitation")
    seen = []
    fused[2].fc1.register_forward_hook(lambda *_: seen.append(1))
    _assert_same(*(_results(m, x, torch.cos) for m in (fused, plain)))
    assert seen == [1]


def test_what_is_put_in_later_is_seen():
    plain, fused, x = _models("few channels, then many")
    for model in (plain, fused):
        model(x)
        model[2] = nn.Softplus()
    _assert_same(*(_results(m, x, torch.cos) for m in (fused, plain)))


def test_a_layer_that_is_parametrized_later_acts_alone():
    plain, fused, x = _models("few channels, then many")
    for model in (plain, fused):
        model(x)
        nn.utils.parametrizations.weight_norm(model[3])
    _assert_same(*(_results(m, x, torch.cos) for m in (fused, plain)))


def test_taken_apart_again():
    plain, fused, x = _models("nested")
    classes = [type(module) for module in plain.modules()]
    assert [type(module) for module in fused.modules()] != classes
    assert list(fused.state_dict()) == list(plain.state_dict())
    assert fuse(fused) is fused and [m for m in fused.modules() if isinstance(m, nn.Sequential)]
    fused(x)
    assert [type(module) for module in unfuse(fused).modules()] == classes
    assert "_stages" not in vars(fused)
    torch.testing.assert_close(fused(x), plain(x))
    again = revert(fuse(fused))
    assert {type(m).__module__.partition(".")[0] for m in again.modules()} <= {
        "torch",
        "torchvision",
    }


def test_copies_and_pickles_stay_fused():
    _, fused, x = _models("nested")
    y = fused(x)
    for copied in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused))):
        assert type(copied) is type(fused) and "_stages" not in vars(copied)
        torch.testing.assert_close(copied(x), y)
    buffer = io.BytesIO()
    torch.save(fused.state_dict(), buffer)
    buffer.seek(0)
    fused.load_state_dict(torch.load(buffer, weights_only=True))


@pytest.mark.parametrize(
    ("shape", "error"),
    [((2, 3, 4, 4), RuntimeError), ((1, 2, 2, 2), ValueError), ((2, 2, 4), ValueError)],
)
def test_errors_are_those_of_the_layers(shape, error):
    layers = [nn.BatchNorm2d(2), nn.Conv2d(2, 2, 2), nn.BatchNorm2d(2), nn.ReLU()]
    plain = convert(nn.Sequential(*layers)).double()
    messages = []
    for model in (plain, fuse(copy.deepcopy(plain))):
        with pytest.raises(error) as caught:
            model(torch.randn(shape, dtype=torch.float64, requires_grad=True))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_one_sample_an_empty_batch_and_autocast_go_layer_by_layer():
    plain, fused, x = _models("few channels, then many")
    plain, fused = plain.float(), fused.float()
    for model in (plain, fused):
        model[1].eval(), model[4].eval()
    for value in (x[0].float(), x[:0].float()):
        if value.dim() == 4:
            torch.testing.assert_close(fused(value), plain(value))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(fused(x.float()), plain(x.float()))


def test_two_passes_before_the_backward_pass():
    plain, fused, x = _models("few channels, then many")
    for model in (fused, plain):
        (model(x).cos().sum() + model(2 * x).sin().sum()).backward()
    _assert_same(*([p.grad for p in m.parameters()] for m in (fused, plain)))


def test_what_is_changed_between_the_passes_is_noticed():
    _, fused, x = _models("few channels, then many")
    y = fused(x)
    with torch.no_grad():
        fused[3].weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_batch_norm_is_part_of_the_layer_before_it_in_evaluation():
    _, fused, x = _models("few channels, then many")
    fused.eval()
    with torch.no_grad(), torch.profiler.profile() as profile:
        fused(x)
    assert not [event for event in profile.key_averages() if "batch_norm" in event.key]


def test_costly_values_are_kept_and_cheap_ones_computed_again():
    _, fused, x = _models("few channels, then many")
    fused(x)
    (run,) = fused._stages[1]
    assert isinstance(run, Run)  # x, conv, norm, ReLU, conv, norm, ReLU
    assert run.keeps == [True, False, False, False, True, False, False]
    _, fused, x = _models("norm folded twice")
    fused(x)
    (run,) = fused._stages[1]
    assert isinstance(run.pieces[0], NormConv)  # norm and convolution, ReLU, again, tanh
    assert run.keeps == [True, False, True, False, True]


def test_what_cannot_be_fused_is_refused():
    with pytest.raises(TypeError, match=r"takes an nn\.Module, but got list"):
        fuse([manualnn.ReLU()])
    with pytest.raises(ValueError, match="none of the layers of this Sequential"):
        fuse(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU()))


@pytest.mark.parametrize(
    ("model", "shape"),
    [(lambda: resnet.resnet18(num_classes=5), (2, 3, 33, 40)), (resnet.resnet50, (2, 3, 64, 64)),
     (lambda: mobilenetv3.mobilenet_v3_small(num_classes=5, dropout=0.0), (2, 3, 64, 64))],
)  # fmt: skip
def test_whole_models(model, shape):
    torch.manual_seed(0)
    plain = convert(model()).double()
    fused, x = fuse(copy.deepcopy(plain)), torch.randn(shape, dtype=torch.float64)
    found, expected = (_results(m, x, torch.cos) for m in (fused, plain))
    for a, e in zip(found, expected, strict=True):
        if e is not None:
            torch.testing.assert_close(a, e, rtol=1e-6, atol=1e-6)
    assert saved_bytes(fused, (x,)) < 0.8 * saved_bytes(plain, (x,))


def _pair(*layers):
    """The layers one by one, and fused, after a first call."""
    torch.manual_seed(0)
    plain = convert(nn.Sequential(*layers).double())
    return plain, fuse(copy.deepcopy(plain))


def _assert_same_models(plain, fused, x):
    _assert_same(*(_results(m, x, torch.cos) for m in (fused, plain)))


@pytest.mark.parametrize("frozen", [1, 2, 3])
def test_frozen_layers_before_others(frozen):
    plain, fused = _pair(
        nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)
    )
    for model in (plain, fused):
        model[:frozen].requires_grad_(False)
        model[3].requires_grad_(frozen < 3)
    _assert_same_models(plain, fused, torch.randn(6, 5, dtype=torch.float64))
    norm_first = _pair(nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 3, 1))
    for model in norm_first:
        model[0].requires_grad_(False)
    _assert_same_models(*norm_first, torch.randn(2, 2, 3, 3, dtype=torch.float64))
    only_norm = _pair(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1))
    for model in only_norm:
        model[1].requires_grad_(False)
    _assert_same_models(*only_norm, torch.randn(2, 2, 3, 3, dtype=torch.float64))


def test_frozen_products_keep_no_more_than_layer_by_layer():
    models = _pair(nn.Linear(5, 6), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))
    x = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    plain, fused = (saved_bytes(model.requires_grad_(False), (x,)) for model in models)
    assert fused == plain


def test_numbers_of_two_types_are_refused_as_by_the_layers():
    plain, fused = _pair(nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    messages = []
    for model in (plain, fused):
        model[0].float()
        with pytest.raises(RuntimeError) as caught:
            model(torch.randn(4, 3, dtype=torch.float64, requires_grad=True))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("training", [False, True])
def test_the_mode_is_that_of_the_forward_pass(training):
    gradients = []
    for model in _pair(nn.Conv2d(5, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1)):
        torch.manual_seed(0)
        x = torch.randn(4, 5, 5, 5, dtype=torch.float64, requires_grad=True)
        y = model.train(training)(x).square().sum()
        model.train(not training)
        model[1].running_mean = model[1].running_mean + 1
        (first,) = torch.autograd.grad(y, x, create_graph=True)
        gradients.append((first, *torch.autograd.grad(first.square().sum(), x)))
    torch.testing.assert_close(*gradients)


def test_columns_of_rows_are_no_channels():
    for norm, width in ((nn.BatchNorm1d(5), 5), (nn.BatchNorm1d(5), 7)):
        plain, fused = _pair(nn.Linear(8, width), norm)
        x = torch.randn(2, 5, 8, dtype=torch.float64)
        with torch.no_grad():
            norm_of = plain.eval()[1].running_mean.normal_()
            fused.eval()[1].running_mean.copy_(norm_of)
            torch.testing.assert_close(fused(x), plain(x))


def test_too_few_channels_are_refused_in_evaluation():
    for model in _pair(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(1)):
        with torch.no_grad(), pytest.raises(RuntimeError, match="running_mean should contain 8"):
            model.eval()(torch.randn(2, 3, 6, 6, dtype=torch.float64))


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        (lambda: [nn.ReLU(), nn.MaxPool2d(2)], (3, 8, 8)),
        (lambda: [nn.Linear(8, 8), nn.MaxPool2d(2)], (3, 8, 8)),
        (lambda: [nn.Linear(8, 8), nn.Conv2d(3, 2, 3)], (3, 8, 8)),
        (lambda: [nn.SiLU(), nn.Linear(8, 2)], (8,)),
    ],
)
def test_a_sample_without_its_batch_goes_layer_by_layer(layers, shape):
    _assert_same_models(*_pair(*layers()), torch.randn(shape, dtype=torch.float64).requires_grad_())


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.SiLU(inplace=True), nn.Linear(8, 8)],
        lambda: [nn.ReLU(inplace=True), nn.MaxPool2d(1)],
        lambda: [nn.Hardtanh(inplace=True), nn.Linear(8, 8), nn.ReLU(inplace=True)],
    ],
)
def test_what_writes_over_its_input_does_so_where_a_run_begins(layers):
    results = []
    for model in _pair(*layers()):
        torch.manual_seed(0)
        h = torch.randn(2, 3, 8, 8, dtype=torch.float64)
        results.append(h + model(h))
    torch.testing.assert_close(*results)


def test_options_that_are_changed_later_are_seen():
    plain, fused = _pair(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3), nn.LeakyReLU(), nn.Conv2d(2, 2, 1))
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64)
    changes = [
        lambda m: setattr(m[2], "negative_slope", 0.5),
        lambda m: setattr(m[1], "padding", (1, 1)),
        lambda m: setattr(m[1], "stride", (2, 2)),
        lambda m: setattr(m[0], "track_running_stats", False),
        lambda m: setattr(m[0], "momentum", None),
    ]
    for change in changes:
        change(plain), change(fused)
        _assert_same_models(plain, fused, x)
    for model in (plain, fused):
        model[0].eps = 0.0
        with pytest.raises(ValueError, match="eps must be above 0"):
            model(x)


def test_an_average_of_batches_that_nobody_counts():
    plain, fused = _pair(nn.BatchNorm1d(3, momentum=None), nn.ReLU())
    for model in (plain, fused):
        model[0].num_batches_tracked = None
    _assert_same_models(plain, fused, torch.randn(4, 3, dtype=torch.float64))


def test_hooks_inside_that_come_later_are_called():
    for model in _pair(nn.Conv2d(3, 4, 1), SqueezeExcitation(4, 2)):
        x, seen = torch.randn(2, 3, 4, 4, dtype=torch.float64), []
        model(x)
        model[1].fc1.register_forward_hook(lambda *_, seen=seen: seen.append(1))
        model(x)
        assert seen == [1]


def test_reverted_nothing_of_ours_is_left():
    _, fused = _pair(nn.Linear(2, 2), nn.BatchNorm1d(2))
    fused(torch.randn(4, 2, dtype=torch.float64))
    assert b"manualnn" not in pickle.dumps(revert(fused))


def test_a_kept_value_is_not_overwritten_through_a_view():
    for model in _pair(nn.Linear(5, 6), nn.Tanh(), nn.Flatten(), nn.ReLU(), nn.Linear(6, 1)):
        y = model(torch.randn(4, 5, dtype=torch.float64)).sum()
        y.backward(retain_graph=True)
        y.backward()


def test_a_shortcut_of_another_shape_is_broadcast():
    shortcut = nn.Sequential(nn.AdaptiveAvgPool2d(1))
    plain = convert(resnet.BasicBlock(4, 4, downsample=shortcut).double())
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    _assert_same_models(plain, fuse(copy.deepcopy(plain)), x)
