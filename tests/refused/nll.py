"""What the negative log-likelihood refuses."""

from functools import partial

import torch

from tests.refused.call import COMPLEX, FLOAT64, bad, classes, function, layer

LOSS = partial(layer, "NLLLoss")

REFUSED = [
    bad(f"nll: target {target}, {reduction}, {len(size) + 2} axes", LOSS(reduction=reduction),
        (1, 3, *size), torch.full((1, *size), target),
        error=IndexError, value=f"Target {target} ", fits="from 0 to 2")
    for target in (3, -1)
    for reduction in ("mean", "sum", "none")
    for size in ((), (2,), (2, 2))
] + [
    bad("nll: a number", LOSS(), (), torch.tensor(0),
        error=ValueError, value="a number", fits="(N, C, ...)"),
    bad("nll: targets of one sample", LOSS(), (3,), classes(1, 2),
        error=ValueError, value="(2,)", fits="class indices ()"),
    bad("nll: batch size", LOSS(), (2, 3), classes(0, 1, 2),
        error=ValueError, value="(3,)", fits="class indices (2,)"),
    bad("nll: no target", LOSS(), (2, 3), torch.tensor(1),
        error=ValueError, value="()", fits="class indices (2,)"),
    bad("nll: two targets", LOSS(), (2, 3), classes([0], [1]),
        value="(2, 1)", fits="class indices (2,)"),
    bad("nll: pixels", LOSS(), (2, 3, 2, 2), classes(0, 1),
        value="(2,)", fits="class indices (2, 2, 2)"),
    bad("nll: plane", LOSS(), (1, 3, 2, 2), classes([[0, 1]]),
        value="(1, 1, 2)", fits="class indices (1, 2, 2)"),
    bad("nll: int32 target", LOSS(), (2, 3), classes(0, 1, dtype=torch.int32),
        value="torch.int32", fits="Long or Byte"),
    bad("nll: probabilities", LOSS(), (2, 3), (2, 3),
        value="(2, 3) of torch.float32", fits="class indices (2,)"),
    bad("nll: integers", LOSS(), classes([0, 1], [2, 3]), classes(0, 1),
        error=NotImplementedError, value="torch.int64", fits="floating-point"),
    bad("nll: complex input", LOSS(), torch.ones(2, 3, dtype=COMPLEX), classes(0, 1),
        error=NotImplementedError, value="torch.complex64", fits="floating-point"),
    bad("nll: reduction", LOSS(reduction="max"), (2, 3), classes(0, 1),
        error=ValueError, value="'max'", fits="'none', 'mean' or 'sum'"),
    bad("nll: weight", function("nll_loss"), (2, 3), classes(0, 1), (2,),
        value="(2,)", fits="3 class weights"),
    bad("nll: weight of another dtype", function("nll_loss"), (2, 3), classes(0, 1),
        torch.ones(3, dtype=FLOAT64), value="is torch.float64", fits="should be torch.float32"),
    bad("nll: weight to be differentiated", function("nll_loss"), (2, 3), classes(0, 1),
        torch.ones(3, requires_grad=True), value="requires a gradient", fits="weight.detach()"),
]  # fmt: skip
