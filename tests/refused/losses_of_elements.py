"""What the losses refuse that compare element by element."""

import torch

from tests.refused.call import COMPLEX, FLOAT64, bad, classes, layer, of_floating_point, weighted

HALF = torch.full((2,), 0.5)
WHOLE = classes(0, 1)
COMPLEX_ONES = torch.ones(2, dtype=COMPLEX)

DISTANCES = ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "KLDivLoss")
OF_PROBABILITIES = ("BCELoss", "BCEWithLogitsLoss")


def _every(name):
    """What every one of them refuses."""
    broadcasts = name in DISTANCES
    return [
        bad(f"{name}: reduction", layer(name, reduction="max"), HALF, HALF,
            error=ValueError, value="'max'", fits="'none', 'mean' or 'sum'"),
        bad(f"{name}: shapes", layer(name, reduction="sum"), (3, 2), (3, 4),
            error=RuntimeError if broadcasts else ValueError,
            value="(4)" if broadcasts else "(3, 4)",
            fits="must match" if broadcasts else "(3, 2)"),
    ]  # fmt: skip


def _of_probabilities(name):
    """What both forms of binary cross-entropy refuse."""

    def loss(weight):
        return lambda n: getattr(n, name)(weight)

    return [
        bad(f"{name}: integer target", layer(name), HALF, WHOLE,
            value="torch.int64", fits="float"),
        bad(f"{name}: weight", loss(torch.ones(3)), HALF, HALF, value="3", fits="must match"),
        bad(f"{name}: wider weight", loss(torch.ones(3, 2)), HALF, HALF, value="3, 2", fits="[2]"),
        bad(f"{name}: weight to be differentiated", loss(torch.ones(2, requires_grad=True)),
            HALF, HALF, value="requires a gradient", fits="weight.detach()"),
    ]  # fmt: skip


REFUSED = [
    *(call for name in (*DISTANCES, *OF_PROBABILITIES) for call in _every(name)),
    *(call for name in OF_PROBABILITIES for call in _of_probabilities(name)),
    *(call for name in ("MSELoss", "SmoothL1Loss", "HuberLoss", *OF_PROBABILITIES)
      for call in of_floating_point(name, layer(name), (2,), (2,))),
    bad("mse: weight", weighted("mse_loss"), (3, 2), (3, 2), (2,),
        error=ValueError, value="(2,)", fits="(3, 2)"),
    bad("l1: weight", weighted("l1_loss"), (3, 2), (3, 2), (2,),
        error=ValueError, value="(2,)", fits="(3, 2)"),
    bad("l1: mean of integers", layer("L1Loss"), WHOLE, WHOLE,  # torch 2.14: a RuntimeError
        value="torch.int64", fits="floating-point"),
    bad("l1: truth values", layer("L1Loss"), HALF, WHOLE.bool(),
        error=NotImplementedError, value="torch.bool", fits="another type"),
    bad("huber: weight", weighted("huber_loss"), (3, 2), (3, 2), (2,),
        error=ValueError, value="(2,)", fits="(3, 2)"),
    bad("huber: delta", layer("HuberLoss", delta=0.0), HALF, HALF, value="0.0", fits="above 0"),
    bad("huber: integer input", layer("HuberLoss"), WHOLE, HALF,
        value="torch.int64", fits="torch.float32"),
    bad("smooth_l1: beta", layer("SmoothL1Loss", beta=-1.0), HALF, HALF,
        value="-1.0", fits="at least 0"),
    bad("bce: input", layer("BCELoss"), torch.tensor([0.5, 1.5]), HALF,
        value="to 1.5", fits="between 0 and 1"),
    bad("bce: target", layer("BCELoss"), HALF, torch.tensor([-0.5, 1.0]),
        value="-0.5", fits="between 0 and 1"),
    bad("bce: float64 target", layer("BCELoss"), HALF, HALF.to(FLOAT64),
        value="torch.float64", fits="torch.float32"),
    bad("bce_with_logits: truth values", layer("BCEWithLogitsLoss"), HALF, WHOLE.bool(),
        error=NotImplementedError, value="torch.bool", fits="floating-point"),
    bad("bce_with_logits: pos_weight",
        lambda n: n.BCEWithLogitsLoss(pos_weight=torch.ones(3, 2)), HALF, HALF,
        value="3, 2", fits="[2]"),
    bad("bce_with_logits: pos_weight to be differentiated",
        lambda n: n.BCEWithLogitsLoss(pos_weight=torch.ones(2, requires_grad=True)), HALF, HALF,
        value="requires a gradient", fits="pos_weight.detach()"),
    bad("kl_div: integer input", layer("KLDivLoss", reduction="sum"), WHOLE, HALF,
        value="input is torch.int64", fits="floating-point"),
    bad("kl_div: integer target", layer("KLDivLoss", reduction="sum"), HALF, WHOLE,
        value="target is torch.int64", fits="floating-point"),
    bad("kl_div: complex", layer("KLDivLoss", reduction="sum"), COMPLEX_ONES, COMPLEX_ONES,
        value="torch.complex64", fits="floating-point"),
]  # fmt: skip
