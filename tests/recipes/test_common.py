from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD

from recipes.common.averaging import RunningAverage
from recipes.common.pictures import learning_curves
from recipes.common.schedule import warmup_cosine


def rates(steps: int, warmup: float) -> list[float]:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = warmup_cosine(optimizer, steps, warmup)
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


def test_learning_rate_rises_in_a_line_and_falls_along_a_cosine():
    values = rates(100, 0.2)
    assert values[:20] == pytest.approx([2 * (step + 1) / 20 for step in range(20)])
    assert values[59] == pytest.approx(1.0)
    assert values[99] == pytest.approx(0.0)
    assert values[19:] == sorted(values[19:], reverse=True)


def test_warmup_may_be_nothing():
    assert rates(10, 0.0) == sorted(rates(10, 0.0), reverse=True)


@pytest.mark.parametrize("warmup", [-0.1, 1.0])
def test_refuses_a_warmup_that_leaves_no_time(warmup):
    with pytest.raises(ValueError, match=f"below 1, got {warmup}"):
        rates(10, warmup)


def test_running_average_weighs_the_latest_steps():
    average = RunningAverage(0.5).average
    zero, one = torch.zeros(1), torch.ones(1)
    assert average(zero, one, torch.tensor(1)).item() == pytest.approx(1 - 2 / 11)
    assert average(zero, one, torch.tensor(1000)).item() == pytest.approx(0.5)
    assert average(torch.tensor(3), torch.tensor(4), torch.tensor(1000)).item() == 4


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_running_average_refuses_a_decay_that_never_forgets(decay):
    with pytest.raises(ValueError, match=f"below 1, got {decay}"):
        RunningAverage(decay)


def test_learning_curves_show_what_was_measured(tmp_path):
    metrics = tmp_path / "metrics.csv"
    metrics.write_text(
        "epoch,step,train_accuracy,train_loss,val_accuracy,val_loss\n"
        "0,9,,,0.8,0.5\n0,9,0.6,0.9,,\n1,19,,,0.9,0.3\n1,19,0.7,0.6,,\n"
    )
    losses, scores = learning_curves(metrics, "accuracy").axes
    assert [line.get_xydata().tolist() for line in losses.lines] == [
        [[1, 0.9], [2, 0.6]],
        [[1, 0.5], [2, 0.3]],
    ]
    assert [line.get_ydata().tolist() for line in scores.lines] == [[0.6, 0.7], [0.8, 0.9]]
    assert [line.get_label() for line in scores.lines] == ["learning", "validation"]
