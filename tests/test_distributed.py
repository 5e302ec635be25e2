"""Two processes give what one process with the whole batch gives."""

import warnings

import pytest
import torch
from torch import nn

import manualnn
from manualnn.lightning import LayerSync
from tests.processes import (
    SETTINGS,
    fitted,
    layer_of,
    net,
    net_gradients,
    part,
    random,
    results,
    work,
)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each of the two processes computed."""
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(work, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def _assert_same(actual, expected):
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        scale = max(1.0, e.abs().max().item())
        torch.testing.assert_close(a, e, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_are_one_with_the_whole_batch(both, name):
    options = SETTINGS[name][1]
    whole = results(layer_of(manualnn.BatchNorm1d, options), lambda values: values)
    parts = [each[name] for each in both]
    for what, expected in whole.items():
        first, second = (each[what] for each in parts)
        if what == "statistics":
            _assert_same(first, expected)
            _assert_same(second, expected)
        elif what.endswith("order"):  # of gamma and beta: each process has its share
            _assert_same([a + b for a, b in zip(first, second, strict=True)], expected)
        elif what != "evaluation" or options.get("track_running_stats", True):
            _assert_same([torch.cat([*first, *second])], expected)


def test_evaluation_is_not_synchronised(both):
    sizes, options = SETTINGS["without running statistics"]
    for rank, each in enumerate(both):
        layer = layer_of(manualnn.BatchNorm1d, options).eval()
        expected = layer(part(random(10, 6, 3, 2), sizes, rank))
        _assert_same(each["without running statistics"]["evaluation"], [expected.detach()])


def test_the_first_order_is_that_of_torch(both):
    layer, x = layer_of(nn.BatchNorm1d, {}), random(10, 6, 3, 2).requires_grad_()
    output = layer(x)
    gradients = torch.autograd.grad(output, [x, *layer.parameters()], random(11, 6, 3, 2))
    parts = [each["halves"] for each in both]
    _assert_same([torch.cat([each["output"][0] for each in parts])], [output.detach()])
    _assert_same([torch.cat([each["first order by x"][0] for each in parts])], gradients[:1])
    shares = zip(*(each["first order"] for each in parts), strict=True)
    _assert_same([a + b for a, b in shares], gradients[1:])
    _assert_same(parts[0]["statistics"], list(layer.buffers()))


def test_a_group_of_one_process_is_plain_batch_norm(both):
    for rank, each in enumerate(both):
        alone = layer_of(manualnn.BatchNorm1d, {})(part(random(10, 6, 3, 2), (3, 3), rank))
        _assert_same([each["alone"]], [alone.detach()])
        assert "more than one value" in each["refused alone"]


def test_the_gradients_of_a_net_add_up_to_those_of_the_whole_batch(both):
    expected = net_gradients(net(nn, nn.BatchNorm1d), lambda values: values)
    shares = zip(*(each["net"] for each in both), strict=True)
    _assert_same([a + b for a, b in shares], expected)


def test_distributed_data_parallel_averages_the_gradients_of_a_converted_net(both):
    expected = [g / 2 for g in net_gradients(net(nn, nn.BatchNorm1d), lambda values: values)]
    for each in both:
        _assert_same(each["parallel"], expected)


def test_a_trainer_with_our_plugin_fits_on_two_devices_as_on_one(tmp_path):
    plugin = LayerSync()
    options = {"devices": 2, "strategy": "ddp_spawn", "plugins": [plugin]}
    model = fitted(str(tmp_path), 3, **options)
    alone = fitted(str(tmp_path), 6)
    states = (each.state_dict() for each in (model, alone))
    torch.testing.assert_close(*states, rtol=0, atol=1e-12)


def test_the_plugin_changes_classes_and_back():
    model = nn.Sequential(nn.BatchNorm2d(3), manualnn.BatchNorm1d(3), nn.ReLU())
    plugin, layers, group = LayerSync(object()), list(model), object()
    model[1].process_group = group
    assert plugin.apply(model) is model
    assert list(model) == layers
    assert [type(m) for m in model] == [manualnn.SyncBatchNorm, manualnn.SyncBatchNorm, nn.ReLU]
    assert model[0].process_group is model[1].process_group is plugin.process_group
    assert plugin.revert(model) is model
    assert "process_group" not in vars(model[0])
    assert model[1].process_group is group
    assert [type(m) for m in model] == [nn.BatchNorm2d, manualnn.BatchNorm1d, nn.ReLU]


def test_torchs_layers_in_a_converted_net_are_warned_about():
    whole = nn.Sequential(manualnn.convert(net(nn, nn.BatchNorm1d)))
    with pytest.warns(UserWarning, match="LayerSync"):
        nn.SyncBatchNorm.convert_sync_batchnorm(whole)


def test_half_precision_is_summed_in_float32(both):
    x = random(10, 6, 3, 2).bfloat16()
    expected = manualnn.BatchNorm1d(3)(x)
    actual = torch.cat([each["bfloat16"] for each in both])
    torch.testing.assert_close(actual, expected, rtol=1e-2, atol=1e-2)  # one unit in the last place


def test_a_model_is_converted_to_our_class():
    model = manualnn.convert(net(nn, nn.BatchNorm1d))
    layers, state = list(model), model.state_dict()
    with warnings.catch_warnings(action="error"):
        assert manualnn.SyncBatchNorm.convert_sync_batchnorm(model, "group") is model
    assert list(model) == layers
    assert type(model[1]) is manualnn.SyncBatchNorm
    assert model[1].process_group == "group"
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)


@pytest.mark.parametrize("namespace", [nn, manualnn], ids=["torch", "manualnn"])
@pytest.mark.parametrize("shape", [(3,), (2, 0, 4)])
def test_refuses_what_torch_refuses(namespace, shape):
    with pytest.raises(ValueError, match=r"2D|non-zero"):
        namespace.SyncBatchNorm(3)(torch.ones(shape))
