"""Every kind of departure from torch's model is found, in the mode in which it happens."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import manualnn
from manualnn import prove
from manualnn.equivalence import Equivalence


def _model():
    return nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 2))


def _inputs():
    return torch.arange(15.0).reshape(5, 3).sin()


def _with_twice_the_gradient(tensor):
    return 2 * tensor - tensor.detach()


def _counting_one_more(layer, input):
    layer.num_batches_tracked += 1
    return nn.BatchNorm1d.forward(layer, input)


PARAMETER = "a gradient of an input or parameter, or a buffer,"
WRONG = {  # kind: (a class, a forward pass of it that departs in this kind, what departs first)
    "output": (
        "Linear", lambda layer, x: 2 * F.linear(x, layer.weight, layer.bias),
        "the output of 1"),
    "input gradient": (
        "Linear", lambda layer, x: nn.Linear.forward(layer, _with_twice_the_gradient(x)),
        "the gradient by the output of [12]"),
    "parameter gradient": (
        "Linear", lambda layer, x: F.linear(
            x, layer.weight, _with_twice_the_gradient(layer.bias)), PARAMETER),
    "buffer": ("BatchNorm1d", _counting_one_more, PARAMETER),
}  # fmt: skip


def _departures(report):
    return {key for key, distance in report.distances.items() if not distance < 1e-12}


def test_a_model_with_random_layers_is_the_same_model():
    report = prove(_model(), _inputs())
    assert report.ok, report
    assert not _departures(report)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("kind", WRONG)
def test_a_departure_is_found_in_its_mode(monkeypatch, kind, mode):
    name, wrong, first = WRONG[kind]
    right = getattr(manualnn, name).forward

    def forward(self, input):
        return (wrong if self.training == (mode == "train") else right)(self, input)

    monkeypatch.setattr(getattr(manualnn, name), "forward", forward)
    report = prove(_model(), _inputs())
    assert not report.ok
    assert (mode, kind) in {key[:2] for key in _departures(report)}
    assert {key[0] for key in _departures(report)} == {mode}
    assert report.first_departure.keys() == {mode}
    assert re.fullmatch(first, report.first_departure[mode])


def test_a_gradient_that_is_missing_is_infinitely_far(monkeypatch):
    monkeypatch.setattr(
        manualnn.BatchNorm1d, "forward", lambda self, x: nn.BatchNorm1d.forward(self, x.detach())
    )
    report = prove(_model(), _inputs())
    assert report.distances["train", "input gradient", "0"] == float("inf")
    assert not report.ok


def test_a_departure_of_few_roundings_is_rounding():
    key = ("train", "output", "0")
    assert Equivalence({key: 9e-6}, {key: 1e-6}, 1e-8).ok
    assert not Equivalence({key: 1e-3}, {key: 1e-6}, 1e-8).ok
    assert not Equivalence({key: float("nan")}, {key: 1e-6}, 1e-8).ok


def test_a_gradient_that_torch_has_not_is_infinitely_far(monkeypatch):
    model = nn.Sequential(nn.BatchNorm1d(3))
    monkeypatch.setattr(
        nn.BatchNorm1d, "forward", lambda self, x: F.batch_norm(x, None, None, training=True)
    )
    report = prove(model, _inputs())
    assert report.distances["train", "parameter gradient", "0.weight"] == float("inf")


def test_rounding_is_told_from_a_departure_where_the_input_holds_integers():
    torch.manual_seed(0)
    layers = nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 4), nn.BatchNorm1d(4)
    report = prove(nn.Sequential(*layers), torch.tensor([[0, 1], [2, 3], [4, 1], [3, 3]]))
    assert report.ok, report
    assert ("train", "parameter gradient", "2.bias") in report.sensitivity


@pytest.mark.parametrize("inplace", [False, True])
def test_torchs_single_precision_is_no_departure(inplace):
    layers = nn.Linear(3, 4), nn.Hardsigmoid(inplace), nn.CELU(0.7, inplace)
    report = prove(nn.Sequential(*layers), _inputs())
    assert report.worst < 1e-12
    assert report.written_out == ("celu", "hardsigmoid")
    assert "torch's celu" in str(report)


def test_nan_is_not_equal(monkeypatch):
    monkeypatch.setattr(
        manualnn.Linear, "forward", lambda self, x: nn.Linear.forward(self, x) * float("nan")
    )
    report = prove(nn.Sequential(nn.Linear(3, 2)), _inputs())
    assert not report.ok
    assert report.first_departure == dict.fromkeys(("train", "eval"), "the output of 0")
    assert "NOT EQUAL" in str(report)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_same_nan_is_equal_and_hides_nothing(monkeypatch, value):
    model = nn.Sequential(nn.Linear(3, 2))
    model[0].bias.data = torch.tensor([value, 1.0])
    assert prove(model, _inputs()).ok
    right = nn.Linear.forward
    monkeypatch.setattr(manualnn.Linear, "forward", lambda self, x: 1.1 * right(self, x))
    assert not prove(model, _inputs()).ok


def test_another_dtype_is_not_equal(monkeypatch):
    right = nn.Linear.forward
    monkeypatch.setattr(manualnn.Linear, "forward", lambda self, x: right(self, x).float())
    report = prove(nn.Sequential(nn.Linear(3, 2)), _inputs())
    assert report.distances["eval", "output", "0"] == float("inf")


def test_an_output_that_torch_gives_in_single_precision_is_rounded_to_it():
    class Asked(nn.Linear):
        def forward(self, input):
            logits = F.linear(input, self.weight)
            target = torch.linspace(0, 1, 200).reshape(5, 40)  # the losses have its dtype
            return F.binary_cross_entropy_with_logits(logits, target, reduction="none")

    torch.manual_seed(0)
    report = prove(Asked(3, 40), _inputs())
    assert report.ok, report
    assert 1e-8 < report.worst < 1e-6
    assert set(report.sensitivity.values()) == {torch.finfo(torch.float32).eps}


def test_what_is_zero_but_for_rounding_is_equal(monkeypatch):
    class Centre(nn.Module):
        def forward(self, input):
            return input - input.mean(0)

    right = nn.Linear.forward
    monkeypatch.setattr(manualnn.Linear, "forward", lambda self, x: right(self, x) + 1e-20)
    report = prove(nn.Sequential(Centre(), nn.Linear(3, 2, bias=False)), torch.ones(5, 3))
    assert report.ok, report
    assert report.sensitivity


def test_the_model_stays_as_it_is():
    model, random_state = _model(), torch.get_rng_state()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    prove(model, _inputs(), lambda output: output.square().sum())
    assert model.training
    assert type(model[0]) is nn.BatchNorm1d
    assert model[0].weight.dtype == torch.float32
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), random_state)
