"""Instance normalisation: its table of settings, and what is its own."""

import pytest
import torch

import manualnn
from manualnn.functional import instance_norm
from tests.case import Case


def _case(axes, shape, training=True, memory_format=torch.contiguous_format, **options):
    arguments = {"num_features": 3} | options
    return Case(f"InstanceNorm{axes}d", arguments, (shape,), training, memory_format)


CASES = [
    _case(1, (2, 3, 4)),
    _case(1, (3, 4), affine=True),
    _case(1, (2, 3, 4), affine=True, bias=False, eps=0.3),
    _case(1, (2, 3, 4), track_running_stats=True, momentum=0.7),
    _case(1, (2, 3, 1), track_running_stats=True, training=False),
    _case(2, (2, 3, 2, 3), affine=True),
    _case(2, (2, 3, 2, 3), affine=True, memory_format=torch.channels_last),
    _case(2, (3, 2, 3)),
    _case(2, (2, 3, 2, 2), affine=True, track_running_stats=True),
    _case(2, (2, 3, 2, 2), affine=True, track_running_stats=True, training=False),
    _case(2, (2, 3, 2, 2), track_running_stats=True, momentum=None),
    _case(2, (2, 3, 2, 2), training=False),
    _case(2, (0, 3, 2, 2)),
    _case(3, (2, 3, 2, 1, 2), affine=True),
    _case(3, (3, 2, 1, 2), affine=True, track_running_stats=True),
]


def test_running_statistics_are_averaged_over_the_samples():
    x = torch.randn(5, 3, 4, dtype=torch.float64) + 2
    layer = manualnn.InstanceNorm1d(3, momentum=0.3, track_running_stats=True).double()
    layer(x)
    torch.testing.assert_close(layer.running_mean, 0.3 * x.mean(2).mean(0))
    torch.testing.assert_close(layer.running_var, 0.7 + 0.3 * x.var(2, correction=1).mean(0))
    assert layer.num_batches_tracked == 0  # as torch leaves it


@pytest.mark.parametrize("options", [{}, {"affine": True, "track_running_stats": True}])
def test_an_empty_batch_leaves_the_statistics(options):
    layer = manualnn.InstanceNorm1d(3, **options)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    assert layer(torch.empty(0, 3, 4)).shape == (0, 3, 4)
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("namespace", [torch.nn, manualnn], ids=["torch", "manualnn"])
def test_another_number_of_channels_is_only_warned_about_without_parameters(namespace):
    layer = namespace.InstanceNorm1d(5)
    with pytest.warns(UserWarning, match="num_features"):
        y = layer(torch.ones(2, 3, 4))
    assert y.shape == (2, 3, 4)


def test_vmap_may_not_update_shared_statistics():
    layer, batches = manualnn.InstanceNorm1d(3, track_running_stats=True), torch.randn(2, 5, 3, 4)
    with pytest.raises(RuntimeError, match=r"running_mean.*track_running_stats=False, evaluation"):
        torch.vmap(layer)(batches)
    torch.testing.assert_close(
        torch.vmap(layer.eval())(batches), layer(batches.flatten(0, 1)).view(2, 5, 3, 4)
    )


def test_vmap_updates_statistics_that_are_mapped_over():
    x, mean, var = torch.randn(2, 5, 3, 4), torch.randn(2, 3), torch.rand(2, 3)
    one_by_one = [mean.clone(), var.clone()]
    looped = [instance_norm(*each) for each in zip(x, *one_by_one, strict=True)]
    mapped = torch.vmap(instance_norm)(x, mean, var)
    torch.testing.assert_close([mapped, mean, var], [torch.stack(looped), *one_by_one])
