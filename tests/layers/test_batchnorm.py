"""Batch normalisation: its table of settings, and what is its own."""

import copy

import pytest
import torch

import manualnn
from manualnn.functional import batch_norm
from tests.case import Case


def _case(axes, shape, training=True, memory_format=torch.contiguous_format, **options):
    arguments = {"num_features": 3} | options
    return Case(f"BatchNorm{axes}d", arguments, (shape,), training, memory_format)


CASES = [
    _case(1, (5, 3)),
    _case(1, (4, 3, 2), momentum=0.7, eps=0.3),
    _case(1, (5, 3), training=False),
    _case(1, (1, 3), training=False),
    _case(2, (2, 3, 2, 3)),
    _case(2, (2, 3, 2, 3), memory_format=torch.channels_last),
    _case(2, (2, 3, 2, 3), training=False),
    _case(2, (1, 3, 2, 3), momentum=None),
    _case(2, (2, 3, 2, 2), affine=False),
    _case(2, (2, 3, 2, 2), affine=False, training=False),
    _case(2, (2, 3, 2, 2), bias=False),
    _case(2, (2, 3, 2, 2), bias=False, training=False),
    _case(2, (2, 3, 2, 2), track_running_stats=False),
    _case(2, (2, 3, 2, 2), track_running_stats=False, training=False),
    _case(2, (0, 3, 2, 2)),
    _case(2, (0, 3, 2, 2), training=False),
    Case("SyncBatchNorm", {"num_features": 3}, ((2, 3, 2),)),  # of one process
    Case("SyncBatchNorm", {"num_features": 3, "momentum": None}, ((5, 3),), training=False),
    _case(3, (2, 3, 2, 1, 2)),
    _case(3, (2, 3, 2, 1, 2), training=False, eps=0.0),
]


def _batches(count=3):
    torch.manual_seed(0)
    return [torch.randn(4, 3, 2, dtype=torch.float64) + i for i in range(count)]


@pytest.mark.parametrize("momentum", [None, 0.1, 0.0, 1.0])
def test_running_statistics_over_several_batches(momentum):
    ours, theirs = (n.BatchNorm1d(3, momentum=momentum).double() for n in (manualnn, torch.nn))
    for batch in _batches():
        ours(batch), theirs(batch)
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-12, atol=1e-12)
    assert ours.num_batches_tracked == 3


def test_without_momentum_every_batch_counts_the_same():
    layer = manualnn.BatchNorm1d(3, momentum=None).double()
    for batch in _batches():
        layer(batch)
    means = torch.stack([batch.mean((0, 2)) for batch in _batches()])
    unbiased = torch.stack([batch.var((0, 2), correction=1) for batch in _batches()])
    torch.testing.assert_close(layer.running_mean, means.mean(0))
    torch.testing.assert_close(layer.running_var, unbiased.mean(0))


def test_an_empty_batch_leaves_the_statistics_and_is_counted():
    for namespace in (manualnn, torch.nn):
        layer = namespace.BatchNorm1d(3)
        layer(torch.randn(5, 3))
        before = [layer.running_mean.clone(), layer.running_var.clone()]
        output = layer(torch.empty(0, 3, requires_grad=True))
        assert output.shape == (0, 3)
        output.sum().backward()
        assert torch.equal(layer.running_mean, before[0])
        assert torch.equal(layer.running_var, before[1])
        assert layer.num_batches_tracked == 2
        assert not layer.weight.grad.any()


def test_evaluation_changes_nothing():
    layer = manualnn.BatchNorm1d(3).eval()
    before = copy.deepcopy(layer.state_dict())
    layer(torch.randn(5, 3))
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)


def test_vmap_may_not_update_shared_statistics():
    layer, batches = manualnn.BatchNorm1d(3), torch.randn(2, 5, 3)
    with pytest.raises(RuntimeError, match=r"running_mean.*track_running_stats=False, evaluation"):
        torch.vmap(layer)(batches)
    assert layer.num_batches_tracked == 0
    torch.testing.assert_close(
        torch.vmap(layer.eval())(batches), layer(batches.flatten(0, 1)).view(2, 5, 3)
    )


def test_vmap_updates_statistics_that_are_mapped_over():
    x, mean, var = torch.randn(2, 5, 3), torch.randn(2, 3), torch.rand(2, 3)
    one_by_one = [mean.clone(), var.clone()]
    looped = [batch_norm(*each, training=True) for each in zip(x, *one_by_one, strict=True)]
    mapped = torch.vmap(lambda *each: batch_norm(*each, training=True))(x, mean, var)
    torch.testing.assert_close([mapped, mean, var], [torch.stack(looped), *one_by_one])
