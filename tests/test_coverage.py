"""What is counted of a model: every node once, and nothing of the model changes."""

import torch
from torch import nn
from torch.nn import functional as F

from manualnn import convert, coverage


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.heads = nn.ModuleList([nn.Linear(4, 1), nn.Linear(4, 2)])
        self.rest = nn.Bilinear(1, 2, 2)

    def forward(self, x):
        h = F.dropout(self.norm(self.body(x)).view(-1, 4))
        a, b = (head(h) for head in self.heads)
        return {"a": a, "both": [b, self.rest(a, b)]}


def test_what_two_outputs_share_is_counted_once():
    report = coverage(convert(TwoHeads()), torch.randn(5, 3))
    assert report.modules == {"Linear": 3, "BatchNorm1d": 1}
    assert report.other_modules == {"rest": "Bilinear has no hand-derived twin"}
    assert report.nodes == {
        "LinearFunctionBackward": 3,
        "NormalisationFunctionBackward": 1,
        "DropoutFunctionBackward": 1,
    }
    assert not {name for name in report.other_nodes if "View" in name or "Accumulate" in name}


def test_the_reason_why_a_layer_is_not_ours_is_told():
    class MyLinear(nn.Linear):
        pass

    class OwnLinear(nn.Linear):
        def forward(self, x):
            return -super().forward(x)

    classes = nn.Linear, nn.Linear, MyLinear, OwnLinear, nn.Linear
    model, x = nn.Sequential(*(cls(3, 3) for cls in classes)), torch.ones(2, 3)
    nn.utils.parametrizations.weight_norm(model[1])
    would = "Linear is torch's; convert(model) would replace it"
    assert coverage(model, x).other_modules == {
        "0": would,
        "1": would,
        "2": "MyLinear is a Linear of its own",
        "3": "OwnLinear is a Linear with a forward pass of its own",
        "4": would,
    }
    report = coverage(convert(model, exclude=["4"]), x)
    assert report.modules == {"Linear": 1, "ParametrizedLinear": 1}
    assert report.other_modules["4"] == "Linear was left out"


def test_functions_of_others_are_not_ours():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, delta):
            return 2 * delta

    class Model(nn.Module):
        def forward(self, x):
            return Double.apply(x.sigmoid())

    report = coverage(convert(Model()), torch.ones(2, requires_grad=True))
    assert report.nodes == {"SigmoidFunctionBackward": 1}
    assert report.other_nodes == {"DoubleBackward": 1}
    assert report.share_of_nodes == 0.5
    assert "1 x DoubleBackward: torch's own" in str(report)


def test_counting_changes_nothing():
    model, random_state = TwoHeads(), torch.get_rng_state()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.ones(5, 3)
    coverage(nn.Sequential(nn.ReLU(inplace=True), nn.Threshold(2, 7, inplace=True), model), x)
    assert torch.equal(x, torch.ones(5, 3))
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), random_state)
