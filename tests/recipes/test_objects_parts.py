"""The parts of the detector: boxes, assignment, selection, loss, mistakes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from manualnn.autograd import Function
from manualnn.checks import backward_operations, foreign_nodes, prove
from recipes.objects.assignment import assign, box_overlap, inside
from recipes.objects.boxes import Selection, centres, surest, to_boxes
from recipes.objects.mistakes import KINDS, Mistakes, kinds, patch
from recipes.objects.module import ObjectFinder

CLASSES = ("cup", "spoon", "plate")
CORNERS = (10.0, 6.0, 34.0, 30.0)


def finder(layers: str = "manual", **options) -> ObjectFinder:
    torch.manual_seed(0)
    small = {"channels": (8, 8, 8, 8), "blocks": (0, 1, 0, 0), "width": 8, "size": (64, 96)}
    return ObjectFinder(CLASSES, layers=layers, **small | options)


def batch() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    boxes = torch.tensor([[CORNERS, (50.0, 20, 90, 60)], [(0.0, 0, 96, 64), (0, 0, 0, 0)]])
    return torch.rand(2, 3, 64, 96), boxes, torch.tensor([[0, 2], [1, -1]])


def test_the_detector_has_less_than_a_million_parameters():
    count = sum(weight.numel() for weight in ObjectFinder().parameters())
    assert 900_000 < count < 1_000_000


@pytest.mark.parametrize("size", [(64, 96), (8, 8), (40, 104), (240, 320)])
def test_every_cell_of_any_size_has_an_output(size):
    pictures = torch.rand(1, 3, *size)
    logits, boxes = finder().eval()(pictures)
    cells = size[0] * size[1] // 64
    assert logits.shape == (1, cells, 3) and boxes.shape == (1, cells, 4)
    middle = centres(pictures, 8)
    assert (boxes[..., :2] < middle).all() and (boxes[..., 2:] > middle).all()


def test_strides_and_patches_decide_the_cells():
    module = finder(patch=2, strides=(1, 1, 2, 2)).eval()
    logits, boxes = module(torch.rand(1, 3, 64, 96))
    assert module.net.stride == 2 and logits.shape == (1, 32 * 48, 3)
    torch.testing.assert_close(
        (boxes[..., 2:] - boxes[..., :2]).mean(), torch.tensor(52.0), rtol=0.3, atol=0
    )


def test_sizes_are_made_of_whole_cells():
    with pytest.raises(ValueError, match=r"multiples of 8, got \(60, 80\)"):
        ObjectFinder(CLASSES, (60, 80))
    with pytest.raises(ValueError, match="multiples of 16"):
        finder(strides=(2, 2, 2, 2), size=(72, 80))


def test_centres_go_row_by_row():
    assert centres(torch.zeros(1, 3, 16, 24), 8).tolist() == [
        [4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]
    ]  # fmt: skip


def test_boxes_in_numbers():
    sides = torch.tensor([[[0.0, 1, 2, 3]]])
    for layers in ("manual", "torch"):
        box = to_boxes(sides, torch.tensor([[100.0, 200.0]]), 8, layers)[0, 0]
        e = torch.tensor(1.0).exp()
        expected = torch.stack([100 - 8 * e**0, 200 - 8 * e, 100 + 8 * e**2, 200 + 8 * e**3])
        torch.testing.assert_close(box, expected)


def test_boxes_are_derived_by_hand():
    sides = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    middle = torch.rand(3, 2, dtype=torch.float64)
    prove(lambda sides: to_boxes(sides, middle, 8, "manual"), [sides])


def test_both_kinds_of_layers_have_the_same_loss_and_gradients():
    pictures, boxes, labels = batch()
    results = []
    for layers in ("manual", "torch"):
        module = finder(layers).double()
        pictures = pictures.double()
        losses = module.loss(*module(pictures), centres(pictures, 8), boxes.double(), labels)
        losses["loss"].backward()
        results.append([*losses.values(), *(weight.grad for weight in module.parameters())])
    torch.testing.assert_close(*results, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("layers", ["manual", "torch"])
def test_mixed_precision_changes_the_loss_a_little(layers):
    module, (pictures, boxes, labels) = finder(layers), batch()
    middle = centres(pictures, 8)
    losses = []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            outputs = module(pictures)
            losses.append(module.loss(*outputs, middle, boxes, labels)["loss"])
        assert {output.dtype for output in outputs} == {torch.float32}
    assert losses[0] != losses[1]
    torch.testing.assert_close(*losses, rtol=0.05, atol=0)


def test_nothing_but_our_own_lies_between_the_net_and_the_loss():
    pictures, boxes, labels = batch()
    module = finder()
    loss = module.loss(*module(pictures), centres(pictures, 8), boxes, labels)["loss"]
    assert foreign_nodes(loss, Function) == set()
    operations = backward_operations(loss, list(module.parameters()))
    assert not [name for name in operations if "backward" in name]
    assert foreign_nodes(finder("torch")(pictures)[0], Function) != set()


def test_the_loss_in_numbers():
    module = finder("torch")
    boxes = torch.tensor([[CORNERS]])
    middle = centres(torch.zeros(1, 3, 64, 96), 8)
    logits = torch.full((1, len(middle), 3), -20.0)
    exact = boxes.expand(1, len(middle), 4)
    losses = module.loss(logits, exact, middle, boxes, torch.tensor([[1]]))
    assert losses["boxes"].item() == pytest.approx(0, abs=1e-6)
    assert losses["classes"].item() == pytest.approx(20, rel=1e-3)  # targets of 1 in sum over sum
    nothing = module.loss(logits, exact, middle, boxes, torch.tensor([[-1]]))
    assert nothing["boxes"] == 0 and nothing["classes"].item() == pytest.approx(0, abs=1e-6)


def test_overlap_is_torchvisions():
    first, second = (torch.rand(2, 5, 4) for _ in range(2))
    first[..., 2:] += first[..., :2]
    second[..., 2:] += second[..., :2]
    expected = torch.stack([box_iou(a, b) for a, b in zip(first, second, strict=True)])
    torch.testing.assert_close(box_overlap(first, second), expected)


def test_a_box_smaller_than_a_cell_still_has_one():
    middle = centres(torch.zeros(1, 3, 32, 32), 8)
    boxes = torch.tensor([[[9.0, 9, 10, 10], [0, 0, 16, 16]]])
    assert inside(boxes, middle, 8).sum(-1).tolist() == [[1, 4]]


def assigned(labels: list[int], truth: list[tuple[float, ...]], **options):
    boxes = torch.tensor([truth])
    middle = centres(torch.zeros(1, 3, 32, 32), 8)
    around = torch.cat([middle - 8, middle + 8], 1)[None]
    scores = torch.full((1, 16, 3), 0.1)
    scores[0, 5, 0] = 0.9
    return assign(scores, around, middle, boxes, torch.tensor([labels]), 8, **options)


def test_the_cells_that_see_an_object_best_answer_for_it():
    target = assigned([0], [(4.0, 4, 20, 20)], cells=2)
    assert target.chosen.sum() == 2
    assert target.chosen[0, 5] and target.classes[0, 5, 0] == 1  # the middle, and surest
    other = target.chosen[0].nonzero().flatten().tolist()
    other.remove(5)
    assert 0.5 <= target.classes[0, other[0], 0] < 1
    assert target.boxes[0, 5].tolist() == [4, 4, 20, 20]
    assert target.classes[..., 1:].sum() == 0


def test_a_cell_that_two_objects_want_goes_to_the_one_it_overlaps_more():
    target = assigned([1, 2], [(4.0, 4, 20, 20), (2.0, 2, 22, 22)], cells=1)
    assert target.chosen.sum() == 1 and target.classes[0, 5].tolist() == [0, 1, 0]


def test_pictures_without_objects_have_no_targets():
    target = assigned([-1], [(0.0, 0, 0, 0)])
    assert not target.chosen.any() and target.classes.sum() == 0


def test_selection_keeps_the_surest_of_overlapping_boxes_of_a_class():
    boxes = torch.tensor([[CORNERS, (11.0, 6, 34, 30), (11.0, 6, 34, 30), (60.0, 5, 200, 90)]])
    scores = torch.tensor([[[0.9, 0], [0.8, 0], [0, 0.7], [0.005, 0.3]]])
    (found,) = Selection()(scores, boxes, (64, 96))
    assert found["labels"].tolist() == [0, 1, 1]
    torch.testing.assert_close(found["scores"], torch.tensor([0.9, 0.7, 0.3]))
    assert found["boxes"][2].tolist() == [60, 5, 96, 64]  # cut at the border
    assert len(Selection(detections=2)(scores, boxes, (64, 96))[0]["scores"]) == 2
    assert len(Selection(overlap=0.99)(scores, boxes, (64, 96))[0]["scores"]) == 4


def test_flips_average_what_is_seen_from_four_sides():
    pictures, *_ = batch()
    module = finder(flips=True).eval()
    mirrored = module.detect(pictures.flip(-1))
    upside_down = module.detect(pictures.flip(-2))
    for one, mirror, turned in zip(module.detect(pictures), mirrored, upside_down, strict=True):
        torch.testing.assert_close(one["scores"], mirror["scores"])
        torch.testing.assert_close(one["scores"], turned["scores"])
        best = one["boxes"][0]
        assert (mirror["boxes"][:, [2, 0]] - (96 - best[[0, 2]])).abs().sum(1).min() < 1e-2
        assert (turned["boxes"][:, [3, 1]] - (64 - best[[1, 3]])).abs().sum(1).min() < 1e-2


def test_one_detection_of_each_place_is_shown_whatever_its_class():
    boxes = torch.tensor([(0.0, 0, 10, 10), (1.0, 0, 11, 10), (6.0, 0, 16, 10), (40.0, 0, 50, 9)])
    scores, labels = torch.tensor([0.5, 0.6, 0.4, 0.2]), torch.tensor([0, 1, 2, 0])
    shown = surest({"boxes": boxes, "scores": scores, "labels": labels}, 0.3)
    assert shown["labels"].tolist() == [1, 2]
    assert torch.equal(shown["boxes"], boxes[1:3])
    assert len(surest({"boxes": boxes, "scores": scores, "labels": labels}, 0.9)["boxes"]) == 0


TRUTH = {"boxes": torch.tensor([CORNERS, (50.0, 20, 90, 60)]), "labels": torch.tensor([0, 2])}


@pytest.mark.parametrize(
    ("boxes", "labels", "expected", "matched"),
    [
        ([CORNERS], [0], ["right"], [True, False]),
        ([CORNERS, CORNERS], [0, 0], ["right", "found twice"], [True, False]),
        ([CORNERS], [1], ["wrong class"], [False, False]),
        ([(20.0, 16, 44, 40)], [0], ["box off"], [False, False]),
        ([(20.0, 16, 44, 40)], [2], ["background"], [False, False]),
        ([(0.0, 50, 9, 64)], [0], ["background"], [False, False]),
        ([], [], [], [False, False]),
    ],
)
def test_kinds_of_mistakes(boxes, labels, expected, matched):
    found = {
        "boxes": torch.tensor(boxes).view(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.long),
    }
    kind, hit = kinds(found, TRUTH)
    assert [KINDS[place] for place in kind] == expected
    assert hit.tolist() == matched


def test_mistakes_are_counted_with_a_patch_of_each():
    metric = Mistakes(shown=0.5)
    found = {
        "boxes": torch.tensor([(5.0, 6, 29, 30), (15.0, 6, 39, 30), (0.0, 0, 5, 5)]),
        "labels": torch.tensor([0, 0, 1]),
        "scores": torch.tensor([0.9, 0.8, 0.4]),
    }
    metric.update(torch.rand(1, 3, 64, 96), [found], [TRUTH])
    counts, patches, kind, scores = metric.compute()
    assert dict(zip(KINDS, counts.tolist(), strict=True)) == {
        "right": 1, "missed": 1, "found twice": 1, "wrong class": 0, "box off": 0, "background": 0
    }  # fmt: skip
    assert patches.shape == (2, 3, 64, 64)
    assert [KINDS[place] for place in kind] == ["found twice", "missed"]
    torch.testing.assert_close(scores, torch.tensor([0.8, 1.0]))


def test_a_flawless_test_set_has_no_patches():
    metric = Mistakes()
    objects = TRUTH | {"scores": torch.ones(2)}
    metric.update(torch.rand(1, 3, 64, 96), [objects], [TRUTH])
    counts, patches, *_ = metric.compute()
    assert counts.tolist() == [2, 0, 0, 0, 0, 0] and len(patches) == 0


def test_a_patch_shows_the_box_in_its_middle():
    picture = torch.zeros(3, 64, 96)
    picture[2, 6:30, 10:34] = 1
    (cut,) = patch(picture, torch.tensor(CORNERS))
    assert cut[:, 32, 32].tolist() == [0, 0, 1] and cut[:, 2, 2].tolist() == [0, 0, 0]
