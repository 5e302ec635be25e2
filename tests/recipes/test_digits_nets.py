from __future__ import annotations

import pytest
import torch
from torch import nn

import manualnn
from recipes.digits.nets import NETS


@pytest.mark.parametrize("layers", [manualnn, nn], ids=["manual", "torch"])
@pytest.mark.parametrize(
    ("name", "parameters"), [("cnn", 154_764), ("fully_connected", 170_666), ("small", 9_454)]
)
def test_has_the_documented_number_of_parameters(name, parameters, layers):
    assert sum(weight.numel() for weight in NETS[name](layers).parameters()) == parameters


@pytest.mark.parametrize("name", NETS)
def test_every_layer_comes_from_the_namespace(name):
    layers = list(NETS[name](manualnn))
    assert all(type(layer).__module__.startswith("manualnn.") for layer in layers)


@pytest.mark.parametrize("name", NETS)
def test_both_namespaces_start_equal_and_exchange_weights(name):
    torch.manual_seed(0)
    ours = NETS[name](manualnn).eval()
    torch.manual_seed(0)
    theirs = NETS[name](nn).eval()
    images = torch.rand(3, 1, 28, 28)
    logits = ours(images)
    assert logits.shape == (3, 10)
    torch.testing.assert_close(logits, theirs(images))
    theirs.load_state_dict(ours.state_dict())
