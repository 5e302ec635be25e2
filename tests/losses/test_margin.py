"""Margin losses: the formula in plain numbers, torch's autograd of it, and where it has none."""

import math
import pickle

import pytest
import torch
from torch import nn
from torch.func import grad, hessian, jacfwd, vmap
from torch.nn import functional as F

from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, prove
from manualnn.losses.margin import (
    ArcFaceLoss,
    CosFaceLoss,
    angular_margin,
    angular_margin_slope,
    arcface_loss,
    cosface_loss,
)

LOSSES = pytest.mark.parametrize("loss", [arcface_loss, cosface_loss], ids=["arc", "cos"])
REDUCTIONS = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
TARGET = torch.tensor([0, 2, 1, 1, 3])


def _tensors(dtype=torch.float64):
    torch.manual_seed(0)
    x = torch.randn(5, 3, dtype=torch.float64).mul(2).to(dtype).requires_grad_()
    w = torch.randn(4, 3, dtype=torch.float64).mul(3).to(dtype).requires_grad_()
    return x, w


def _in_plain_torch(loss):
    """The loss as a paper prints it, by an arc cosine, for autograd to differentiate."""

    def function(x, target, w, margin, scale, reduction="mean"):
        cosines = F.normalize(x) @ F.normalize(w).T
        if loss is cosface_loss:
            moved = cosines - margin
        else:
            theta = torch.acos(cosines)
            straight = cosines - margin * math.sin(margin)
            moved = torch.where(theta + margin < math.pi, torch.cos(theta + margin), straight)
        right = F.one_hot(target, len(w)).bool()
        logits = scale * torch.where(right, moved, cosines)
        return F.cross_entropy(logits, target, reduction=reduction)

    return function


def _results(function, x, w, *options, autocast=False, **named):
    with torch.autocast("cpu", enabled=autocast):
        loss = function(x, TARGET, w, *options, **named)
    torch.manual_seed(1)
    cotangent = torch.randn(loss.shape, dtype=torch.float64).to(loss.dtype)
    return [loss, *torch.autograd.grad(loss, (x, w), cotangent)]


@LOSSES
@REDUCTIONS
@pytest.mark.parametrize(("margin", "scale"), [(0.5, 64.0), (0.3, 16.0), (0.0, 1.0), (1.5, 2.0)])
def test_equals_autograd_of_the_printed_formula(loss, reduction, margin, scale):
    results = [
        _results(function, *_tensors(), margin, scale, reduction=reduction)
        for function in (loss, _in_plain_torch(loss))
    ]
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


@LOSSES
def test_the_formula_in_plain_numbers(loss):
    x, w = (t.tolist() for t in _tensors())
    margin, scale, expected = 0.9, 5.0, []
    for vector, right in zip(x, TARGET.tolist(), strict=True):
        products = [sum(a * b for a, b in zip(vector, v, strict=True)) for v in w]
        lengths = [math.hypot(*vector) * math.hypot(*v) for v in w]
        cosines = [product / length for product, length in zip(products, lengths, strict=True)]
        angle = math.acos(cosines[right]) + margin
        if loss is cosface_loss:
            cosines[right] -= margin
        elif angle < math.pi:
            cosines[right] = math.cos(angle)
        else:
            cosines[right] -= margin * math.sin(margin)
        total = sum(math.exp(scale * cosine) for cosine in cosines)
        expected.append(math.log(total) - scale * cosines[right])
    losses = loss(*_tensors()[:1], TARGET, _tensors()[1], margin, scale, "none")
    assert losses.tolist() == pytest.approx(expected, rel=1e-12)
    mean = loss(*_tensors()[:1], TARGET, _tensors()[1], margin, scale)
    assert mean.item() == pytest.approx(sum(expected) / len(expected), rel=1e-12)


@LOSSES
@pytest.mark.parametrize("margin", [0.0, 0.4, 1.5])
def test_derivatives(loss, margin):
    for reduction in ("none", "mean"):
        prove(lambda x, w, r=reduction: loss(x, TARGET, w, margin, 4.0, r), _tensors())


def test_one_class_or_one_embedding_is_enough():
    x, w = _tensors()
    loss = arcface_loss(x, torch.zeros(5, dtype=torch.long), w[:1])
    assert loss.item() == 0
    assert torch.isfinite(arcface_loss(x[:1], TARGET[:1], w)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("sign", [1, -1])
def test_equal_and_opposite_directions_have_a_gradient(dtype, sign):
    x = torch.tensor([[3.0, 4.0]], dtype=dtype, requires_grad=True)
    w = (sign * torch.tensor([[0.6, 0.8], [0.8, -0.6]], dtype=dtype)).requires_grad_()
    loss = arcface_loss(x, torch.tensor([0]), w, 0.5, 4.0)
    first = torch.autograd.grad(loss, (x, w), create_graph=True)
    second = torch.autograd.grad(sum(g.pow(2).sum() for g in first), (x, w))
    assert all(torch.isfinite(g).all() for g in (*first, *second))


@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
def test_a_larger_angle_is_never_rewarded(margin):
    cosines = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    assert (angular_margin(cosines, margin).diff() > 0).all()
    assert (angular_margin(cosines, margin) <= cosines + 1e-7).all()


@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
def test_the_slope_is_that_of_the_margin_up_to_the_ends(margin):
    cosines = torch.tensor([-1.0, -0.99, -0.5, 0.0, 0.7, 0.999999, 1.0], dtype=torch.float64)
    cosines.requires_grad_()
    (expected,) = torch.autograd.grad(angular_margin(cosines, margin).sum(), cosines)
    torch.testing.assert_close(angular_margin_slope(cosines.detach(), margin), expected)


@LOSSES
def test_targets_may_be_ignored(loss):
    x, w = _tensors()
    target = torch.tensor([0, -100, 1, -100, 3])
    counted = target >= 0
    first = torch.autograd.grad(loss(x, target, w), (x, w))
    kept = x.detach()[counted].requires_grad_()
    expected = torch.autograd.grad(loss(kept, target[counted], w), (kept, w))
    torch.testing.assert_close(first[0][counted], expected[0])
    torch.testing.assert_close(first[1], expected[1])
    assert first[0][~counted].abs().max() == 0


@LOSSES
@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
def test_backward_runs_no_gradient_kernel_and_the_graph_is_our_own(loss, create_graph):
    x, w = _tensors()
    value = loss(x, TARGET, w)
    operations = backward_operations(value, [x, w], create_graph=create_graph)
    assert not [name for name in operations if "backward" in name]
    assert foreign_nodes(value, Function) == set()


@LOSSES
def test_transforms(loss):
    x, w = (t.detach() for t in _tensors())

    def of_one(x, target, w):
        return loss(x.unsqueeze(0), target.unsqueeze(0), w, 0.4, 4.0)

    mapped = vmap(grad(of_one, (0, 2)), (0, 0, None))(x, TARGET, w)
    for index in range(len(x)):
        alone = grad(of_one, (0, 2))(x[index], TARGET[index], w)
        torch.testing.assert_close([part[index] for part in mapped], list(alone))
    of_x = lambda x: loss(x, TARGET, w, 0.4, 4.0)  # noqa: E731
    torch.testing.assert_close(hessian(of_x)(x), jacfwd(jacfwd(of_x))(x))


@LOSSES
def test_compiles_into_one_graph(loss):
    torch._dynamo.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    results = [_results(function, *_tensors()) for function in (loss, compiled)]
    torch.testing.assert_close(*results)


@LOSSES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("autocast", [False, True])
def test_digits_of_shorter_types(loss, dtype, autocast):
    x, w = (t.detach().to(dtype).double().requires_grad_() for t in _tensors())
    truth = _results(loss, x, w, 0.4, 4.0)
    results = _results(loss, *_tensors(dtype), 0.4, 4.0, autocast=autocast)
    for actual, expected in zip(results, truth, strict=True):
        assert (actual.double() - expected).abs().max() <= 40 * torch.finfo(dtype).eps
    assert results[0].dtype == (torch.float32 if autocast else dtype)


@pytest.mark.parametrize(
    ("module", "function", "margin"),
    [(ArcFaceLoss, arcface_loss, 0.5), (CosFaceLoss, cosface_loss, 0.35)],
)
def test_modules_hold_the_directions(module, function, margin):
    torch.manual_seed(0)
    loss = module(4, 3, dtype=torch.float64)
    assert isinstance(loss, nn.Module) and [*dict(loss.named_parameters())] == ["weight"]
    assert loss.weight.shape == (4, 3)
    x, _ = _tensors()
    torch.testing.assert_close(loss(x, TARGET), function(x, TARGET, loss.weight, margin, 64.0))
    loss.margin = 0.1
    torch.testing.assert_close(loss(x, TARGET), function(x, TARGET, loss.weight, 0.1, 64.0))
    copied = pickle.loads(pickle.dumps(loss))
    torch.testing.assert_close(copied(x, TARGET), loss(x, TARGET))
    assert "num_classes=4, embedding_size=3, margin=0.1, scale=64.0" in repr(loss)
    other = module(4, 3, margin=0.1, scale=2.0, reduction="none", device="meta")
    assert other.weight.is_meta and (other.margin, other.scale) == (0.1, 2.0)
    assert module(4, 3, reduction="none", dtype=torch.float64)(x, TARGET).shape == (5,)


def test_pulls_the_embeddings_of_a_class_together():
    torch.manual_seed(0)
    x = torch.randn(60, 8, requires_grad=True)
    target = torch.arange(60) % 6
    loss = ArcFaceLoss(6, 8, margin=0.3, scale=16)
    optimizer = torch.optim.Adam([x, *loss.parameters()], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss(x, target).backward()
        optimizer.step()
    unit = F.normalize(x.detach())
    same = target.unsqueeze(0) == target.unsqueeze(1)
    similarity = unit @ unit.T
    assert similarity[same].mean() > similarity[~same].mean() + 0.8


@LOSSES
@pytest.mark.parametrize(
    ("x", "target", "w", "options", "error", "message"),
    [
        ((2, 3), [0, 1], (4, 3), {"margin": -0.1}, ValueError, "margin .* -0.1"),
        ((2, 3), [0, 1], (4, 3), {"margin": math.nan}, ValueError, "margin .* nan"),
        ((2, 3), [0, 1], (4, 3), {"scale": 0.0}, ValueError, "scale .* 0.0"),
        ((2, 3), [0, 1], (4, 3), {"reduction": "max"}, ValueError, "'max'"),
        ((2, 3), [0, 1], (4, 2), {}, ValueError, r"\(2, 3\) and \(4, 2\)"),
        ((3,), [0], (4, 3), {}, ValueError, r"\(3,\)"),
        ((2, 3), [0, 1, 2], (4, 3), {}, ValueError, r"\(3,\)"),
        ((2, 3), [0, 4], (4, 3), {}, IndexError, "from 0 to 3"),
        ((2, 3), [0.0, 1.0], (4, 3), {}, TypeError, "float32"),
    ],
)
def test_refuses_what_does_not_fit(loss, x, target, w, options, error, message):
    with pytest.raises(error, match=message):
        loss(torch.ones(x), torch.tensor(target), torch.ones(w), **options)


def test_refuses_an_angle_of_half_a_turn_and_whole_numbers():
    x, w = torch.ones(2, 3), torch.ones(4, 3)
    with pytest.raises(ValueError, match=r"below pi, but got 3\.2"):
        arcface_loss(x, TARGET[:2], w, margin=3.2)
    with pytest.raises(NotImplementedError, match="int64"):
        arcface_loss(x.long(), TARGET[:2], w)
