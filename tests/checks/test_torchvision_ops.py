"""torchvision.ops are found right, but for what is named here."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch

from manualnn.checks import check_function

ops = pytest.importorskip("torchvision.ops")

# Where torchvision is wrong: the checks that say so, and why.
IN_FORWARD_MODE = {"forward-mode"}, "it is silently zero"
HELD = {"first-order", "forward-over-reverse"}, "a weight is held constant, as its paper has it"
DEFECTS = {
    **dict.fromkeys(("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"), IN_FORWARD_MODE),
    **dict.fromkeys(("deform_conv2d", "deform_conv2d, masked", "DeformConv2d"), IN_FORWARD_MODE),
    "complete_box_iou_loss": HELD,
}

generator = torch.Generator().manual_seed(0)


def random(*shape):
    return torch.randn(shape, generator=generator)


def boxes():
    corners = torch.rand(4, 2, generator=generator)
    return torch.cat([corners, corners + 0.5 + torch.rand(4, 2, generator=generator)], 1)


images, places = (
    random(1, 4, 6, 6),
    torch.tensor([[0, 0.3, 0.4, 4.1, 3.7], [0, 1.2, 1.1, 5.2, 4.9]]),
)
pyramid = OrderedDict(one=random(1, 3, 6, 6), two=random(1, 4, 3, 3))
offsets, weight, bias = 0.3 * random(1, 18, 4, 4), random(2, 4, 3, 3), random(2)
CASES = {
    "roi_align": (lambda x: ops.roi_align(x, places, (2, 2)), images),
    "roi_pool": (lambda x: ops.roi_pool(x, places, (2, 2)), images),
    "ps_roi_align": (lambda x: ops.ps_roi_align(x, places, (2, 2)), images),
    "ps_roi_pool": (lambda x: ops.ps_roi_pool(x, places, (2, 2)), images),
    "deform_conv2d": (ops.deform_conv2d, images, offsets, weight, bias),
    "deform_conv2d, masked": (
        lambda x, o, w, b, m: ops.deform_conv2d(x, o, w, b, mask=m),
        *(images, offsets, weight, bias, random(1, 9, 4, 4)),
    ),
    "DeformConv2d": (ops.DeformConv2d(4, 2, 3), images, offsets),
    "sigmoid_focal_loss": (ops.sigmoid_focal_loss, random(5, 4), (random(5, 4) > 0).float()),
    "generalized_box_iou_loss": (ops.generalized_box_iou_loss, boxes(), boxes()),
    "distance_box_iou_loss": (ops.distance_box_iou_loss, boxes(), boxes()),
    "complete_box_iou_loss": (ops.complete_box_iou_loss, boxes(), boxes()),
    "DropBlock2d": (ops.DropBlock2d(0.3, 3), images),
    "DropBlock3d": (ops.DropBlock3d(0.3, 3), random(1, 2, 4, 4, 4)),
    "StochasticDepth": (ops.StochasticDepth(0.5, "row"), images),
    "FrozenBatchNorm2d": (ops.FrozenBatchNorm2d(4), images),
    "SqueezeExcitation": (ops.SqueezeExcitation(4, 2), images),
    "MLP": (ops.MLP(4, [6, 3]), random(5, 4)),
    "Permute": (ops.Permute([0, 2, 1]), random(2, 3, 4)),
    "Conv2dNormActivation": (ops.Conv2dNormActivation(4, 3), images),
    "Conv3dNormActivation": (ops.Conv3dNormActivation(2, 2), random(1, 2, 4, 4, 3)),
    "FeaturePyramidNetwork": (ops.FeaturePyramidNetwork([3, 4], 2), pyramid),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_wrong_with_torchvisions_own(name):
    # The places of RoIs name a picture each; without pictures, torchvision reads outside of memory.
    report = check_function(*CASES[name], without=["empty-batch"])
    wrong = {finding.check for finding in report.findings if finding.level == "wrong"}
    assert wrong == (DEFECTS[name][0] if name in DEFECTS else set()), report
