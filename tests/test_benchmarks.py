"""The benchmark measures what it says; no test looks at a clock."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from torch import nn

from benchmarks import __main__ as command
from benchmarks import floor, layers, measure, nets
from manualnn import convert


def test_a_ratio_is_that_of_pairs():
    ratio = measure.Ratio.of([(1.0, 2.0), (3.0, 2.0), (2.0, 2.0)])
    assert (ratio.ours, ratio.theirs) == (2.0, 2.0)
    assert (ratio.low, ratio.median, ratio.high) == (0.75, 1.0, 1.25)


def test_steps_take_turns_and_who_begins_changes():
    order = []

    def step(name, seconds):
        return lambda: order.append(name) or dict.fromkeys(measure.PASSES, seconds)

    found = measure.in_turns(step("ours", 3.0), step("theirs", 2.0), pairs=3, warm_up=0)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert {ratio.median for ratio in found.values()} == {1.5}


def test_what_is_saved_is_counted_once_and_whole():
    x = torch.randn(4, 6, requires_grad=True)
    assert measure.saved_bytes(nn.Linear(6, 3), (x,)) == 0  # input and weight
    assert measure.saved_bytes(nn.ReLU(), (x,)) == 4 * 6 * 4
    assert measure.saved_bytes(
        nn.Sequential(nn.Linear(6, 3), nn.Tanh(), nn.Linear(3, 2)), (x,)
    ) == (
        4 * 3 * 4  # the output of tanh, which the next layer saves as well
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_peak_is_seen():
    def step():
        torch.zeros(50_000_000).add_(1)
        return {}

    assert 190e6 < measure.peak_bytes(step, torch.device("cpu")) < 300e6


def test_a_step_gives_gradients_and_moves_the_parameters():
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    before = model.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    seconds = measure.training_step(model, (x,), lambda y: y.square().mean(), optimizer)()
    assert tuple(seconds) == measure.PASSES and seconds["step"] >= seconds["forward"] > 0
    assert not torch.equal(before, model.weight)
    model.zero_grad()
    measure.training_step(model, (x,))()
    torch.testing.assert_close(model.bias.grad, model(x).sum(0))


def test_the_exponent_of_a_power_is_found():
    assert layers.slope((2, 4, 8), [3 * size**1.5 for size in (2, 4, 8)]) == pytest.approx(1.5)


@pytest.mark.parametrize("name", nets.NETS)
def test_nets_are_the_same_each_time(name):
    net = nets.NETS[name]
    first, again = net.model().state_dict(), net.model().state_dict()
    assert all(torch.equal(values, again[key]) for key, values in first.items())
    images, labels = net.batch(torch.device("cpu"))
    assert images.shape == net.shape and len(labels) == len(images)


def test_figures_are_written_and_compared(tmp_path, monkeypatch, capsys):
    small = nets.Net(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 10), nn.ReLU()), (3, 1, 2, 2))
    monkeypatch.setattr(nets, "NETS", {"small": small})
    monkeypatch.setattr(nets, "peak_apart", lambda *_: None)
    monkeypatch.setattr(layers, "CASES", [layers.Case("ReLU", nn.ReLU, (2, 3, 4, 4))])
    monkeypatch.setattr(layers, "GROWING", {"ReLU": lambda channels: nn.ReLU()})
    monkeypatch.setattr(layers, "SIZES", {"batch": (1, 2)})

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["benchmarks", "--pairs", "2", *arguments])
        command.main()
        return capsys.readouterr().out

    out = run("--variants", "converted", "fused", "--output", str(tmp_path), "--channels-last")
    assert "| small | converted |" in out and "| ReLU 2x3x4x4 |" in out
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert figures["surroundings"]["nets"]["threads"] == torch.get_num_threads()
    for table in command.TABLES:
        assert (tmp_path / f"{table}.png").stat().st_size > 1000
        assert len((tmp_path / f"{table}.csv").read_text("utf-8").splitlines()) > 1
    old = tmp_path / "old.json"
    old.write_text(json.dumps(figures), "utf-8")
    out = run("--only", "layers", "--compare", str(old), "--output", str(tmp_path))
    assert "| before | change |" in out and "% |" in out
    assert json.loads((tmp_path / "figures.json").read_text("utf-8"))["nets"] == figures["nets"]


def test_the_floor_is_of_all_products_and_functions():
    net = nets.Net(
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 10)),
        (3, 1, 4, 4),
    )
    products = floor.products_of(net)
    assert [type(product.layer) for product in products] == [nn.Conv2d, nn.Linear]
    assert [product.needs_input for product in products] == [False, True]
    for make in (floor.by_formula, floor.by_kernel):
        assert floor.step(products, make)()["step"] > 0
    assert len(products) == 2  # none is noted twice
    converted, fused = (floor.functions_of(c(net.model()), net) for c in (convert, nets.fused))
    assert (converted, fused) == (3, 1)
    loss = nn.functional.cross_entropy
    assert 0 < floor.operations_of(nets.fused(net.model()), net, loss) < 200
