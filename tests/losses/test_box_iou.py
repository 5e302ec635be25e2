"""Box losses: values and gradients of torchvision's, and of the formulas in plain numbers."""

from math import atan, pi

import pytest
import torch
import torchvision
from torch.func import grad, hessian, jacfwd, jvp, vmap

from manualnn import vision
from manualnn.autograd import Function, apply
from manualnn.checks import backward_operations, foreign_nodes, prove
from manualnn.losses.box_iou import DistanceBoxFunction, proportion_weight
from tests.losses.literal import assert_same_under_transforms

LOSSES = ("generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss")
EVERY_LOSS = pytest.mark.parametrize("name", LOSSES)
REDUCTIONS = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])


def _both(name):
    return getattr(vision, name), getattr(torchvision.ops, name)


def _boxes(count=12, dtype=torch.float64):
    """Pairs that overlap, lie apart, inside one another, and miss along one axis."""
    torch.manual_seed(0)
    boxes = []
    for _ in range(2):
        low = torch.rand(count, 2, dtype=torch.float64) * 4
        side = 0.5 + torch.rand(count, 2, dtype=torch.float64) * 4
        boxes.append(torch.cat([low, low + side], -1))
    special = [
        ([0.0, 0.0, 4.0, 5.0], [1.0, 1.5, 2.0, 3.0]),
        ([0.1, 0.2, 1.0, 1.2], [3.0, 4.0, 6.0, 5.0]),
        ([0.0, 0.3, 2.0, 6.0], [2.5, 1.0, 3.0, 4.0]),
    ]
    for number, corners in enumerate(zip(*special, strict=True)):
        corners = torch.tensor(corners, dtype=torch.float64)
        boxes[number] = torch.cat([boxes[number], corners])
    return [tensor.to(dtype).requires_grad_() for tensor in boxes]


def _results(function, boxes, **options):
    loss = function(*boxes, **options)
    torch.manual_seed(1)
    cotangent = torch.randn(loss.shape, dtype=torch.float64).to(loss.dtype)
    return [loss, *torch.autograd.grad(loss, boxes, cotangent)]


@EVERY_LOSS
@REDUCTIONS
@pytest.mark.parametrize("eps", [1e-7, 0.1])
def test_equals_torchvision(name, reduction, eps):
    results = [_results(f, _boxes(), reduction=reduction, eps=eps) for f in _both(name)]
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


@EVERY_LOSS
def test_second_order_equals_torchvision(name):
    results = []
    for function in _both(name):
        boxes = _boxes()
        first = torch.autograd.grad(function(*boxes).pow(2).sum(), boxes, create_graph=True)
        torch.manual_seed(1)
        total = sum((torch.randn_like(g) * g).sum() for g in first)
        results.append(torch.autograd.grad(total, boxes))
    torch.testing.assert_close(*results, rtol=1e-8, atol=1e-10)


@EVERY_LOSS
def test_equals_torchvision_where_corners_tie(name):
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 1, 2, 3], [0, 0, 1, 1], [1, 0, 2, 1]])
    others = torch.tensor([[0.0, 0, 2, 2], [0, 1, 2, 2], [1, 1, 3, 3], [1, 0, 2, 1], [1, 1, 2, 2]])
    results = [
        _results(f, [boxes.double().requires_grad_(), others.double().requires_grad_()])
        for f in _both(name)
    ]
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


def _literal(name, a, b, eps):
    own_eps, eps = eps, 1e-7 if name == "complete_box_iou_loss" else eps
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    hull = [max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])]
    iou = shared / (area + eps)
    if name == "generalized_box_iou_loss":
        return 1 - iou + (hull[0] * hull[1] - area) / (hull[0] * hull[1] + eps)
    apart = [(a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2]
    loss = 1 - iou + (apart[0] ** 2 + apart[1] ** 2) / (hull[0] ** 2 + hull[1] ** 2 + eps)
    if name == "distance_box_iou_loss":
        return loss
    angles = [atan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
    v = 4 / pi**2 * (angles[1] - angles[0]) ** 2
    return loss + v * v / (1 - iou + v + own_eps)


@EVERY_LOSS
@pytest.mark.parametrize("eps", [1e-7, 0.1])
def test_the_formula_in_plain_numbers(name, eps):
    boxes = _boxes()
    expected = [
        _literal(name, a, b, eps) for a, b in zip(*(t.tolist() for t in boxes), strict=True)
    ]
    ours = _both(name)[0](*boxes, eps=eps)
    assert ours.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES[:2])
@REDUCTIONS
def test_derivatives(name, reduction):
    function = _both(name)[0]
    prove(lambda a, b: function(a, b, reduction, 0.01), _boxes(4))


@REDUCTIONS
def test_derivatives_with_the_weight_of_the_proportions_held(reduction):
    boxes = _boxes(4)
    weight = proportion_weight(*boxes, 0.01)
    assert weight.min() > 0 and not weight.requires_grad
    prove(lambda a, b: apply(DistanceBoxFunction, a, b, weight, 0.01, reduction), boxes)


@EVERY_LOSS
@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
def test_backward_runs_no_gradient_kernel_and_the_graph_is_our_own(name, create_graph):
    boxes = _boxes()
    loss = _both(name)[0](*boxes, reduction="mean")
    operations = backward_operations(loss, boxes, create_graph=create_graph)
    assert not [name for name in operations if "backward" in name or "autograd" in name]
    assert foreign_nodes(loss, Function) == set()


@EVERY_LOSS
def test_only_the_boxes_are_kept(name):
    kept = set()

    def pack(tensor):
        kept.add(tensor.untyped_storage().data_ptr())
        return tensor

    boxes = _boxes()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        _both(name)[0](*boxes, reduction="sum")
    assert {box.data_ptr() for box in boxes} <= kept
    assert len(kept) == (3 if name == "complete_box_iou_loss" else 2)


@EVERY_LOSS
@pytest.mark.parametrize("which", [0, 1])
def test_one_box_may_be_a_constant(name, which):
    boxes = _boxes()
    boxes[which] = boxes[which].detach()
    results = [
        torch.autograd.grad(function(*boxes, reduction="mean"), boxes[1 - which])
        for function in _both(name)
    ]
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


@EVERY_LOSS
def test_transforms(name):
    function = _both(name)[0]
    boxes, others = (t.detach() for t in _boxes())
    assert_same_under_transforms(function, boxes, others)

    def loss(box):
        return function(box, others[0], reduction="sum")

    torch.testing.assert_close(hessian(loss)(boxes[0]), jacfwd(jacfwd(loss))(boxes[0]))
    torch.testing.assert_close(vmap(grad(loss))(boxes)[0], grad(loss)(boxes[0]))
    tangent = torch.randn_like(boxes)
    _, forward = jvp(lambda box: function(box, others), (boxes,), (tangent,))
    (slope,) = torch.func.vjp(lambda box: function(box, others), boxes)[1](torch.ones(15).double())
    torch.testing.assert_close(forward, (slope * tangent).sum(-1))


@EVERY_LOSS
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_compiles_into_one_graph(name, reduction):
    torch._dynamo.reset()
    function = _both(name)[0]
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    results = [_results(f, _boxes(), reduction=reduction) for f in (function, compiled)]
    torch.testing.assert_close(*results)


@EVERY_LOSS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("autocast", [False, True])
def test_dtypes_are_those_of_torchvision_and_digits_at_least_as_many(name, dtype, autocast):
    ours, theirs = _both(name)
    boxes = _boxes(dtype=dtype)
    truth = _results(theirs, [box.detach().double().requires_grad_() for box in boxes])
    results = []
    for function in (ours, theirs):
        with torch.autocast("cpu", enabled=autocast):
            results.append(_results(function, boxes))
    for mine, twin, true in zip(*results, truth, strict=True):
        assert mine.dtype == twin.dtype
        error, twin_error = ((value.double() - true).abs().max() for value in (mine, twin))
        assert error <= max(2 * twin_error, 8 * torch.finfo(mine.dtype).eps * true.abs().max())


@EVERY_LOSS
@REDUCTIONS
def test_no_boxes(name, reduction):
    nothing = torch.zeros(0, 4, requires_grad=True)
    for function in _both(name):
        loss = function(nothing, nothing, reduction=reduction)
        assert loss.shape == ((0,) if reduction == "none" else ())
        assert loss.sum() == 0
        assert torch.autograd.grad(loss.sum(), nothing)[0].shape == (0, 4)


@EVERY_LOSS
def test_whole_numbers_other_shapes_and_dtypes(name):
    whole = torch.tensor([[0, 0, 4, 3], [1, 1, 2, 5]])
    for boxes in (
        (whole, whole.flip(0)),
        (whole[0], whole[1]),
        (whole.double(), whole.flip(0).float()),
        (whole.view(1, 2, 4).half(), whole.flip(0).view(1, 2, 4)),
    ):
        ours, theirs = (function(*boxes) for function in _both(name))
        torch.testing.assert_close(ours, theirs)


@EVERY_LOSS
@pytest.mark.parametrize(
    ("boxes", "reduction", "error", "message"),
    [
        (torch.ones(2, 4), "max", ValueError, "'max'"),
        (torch.ones(2, 5), "none", ValueError, r"\(2, 5\)"),
        (torch.tensor(1.0), "none", (ValueError, IndexError), r"\(\)"),
        (torch.ones(3, 4), "none", (RuntimeError, IndexError), "3"),
    ],
)
def test_refuses_what_torchvision_refuses(name, boxes, reduction, error, message):
    ours, theirs = _both(name)
    with pytest.raises(error):
        theirs(boxes, torch.ones(2, 4), reduction=reduction)
    with pytest.raises(error, match=message):
        ours(boxes, torch.ones(2, 4), reduction=reduction)
