"""What cross-entropy refuses."""

from functools import partial

import torch

from tests.refused.call import COMPLEX, FLOAT64, bad, classes, function, layer

LOSS = partial(layer, "CrossEntropyLoss")
EITHER = "class indices (2,) or of class probabilities (2, 3)"

TARGETS = [
    bad(f"cross_entropy: target {target}, {reduction}, smoothing {smoothing}",
        LOSS(reduction=reduction, label_smoothing=smoothing), (2, 3), classes(0, target),
        error=IndexError, value=f"Target {target} ", fits="from 0 to 2")
    for target in (3, -1)
    for reduction in ("mean", "sum", "none")
    for smoothing in (0.0, 0.1)
] + [
    bad("cross_entropy: target of one sample", LOSS(), (3,), torch.tensor(3),
        error=IndexError, value="Target 3 ", fits="from 0 to 2"),
    bad("cross_entropy: target of pixels", LOSS(), (1, 3, 2, 2), classes([[0, -2], [2, 1]]),
        error=IndexError, value="Target -2 ", fits="from 0 to 2"),
    bad("cross_entropy: weighted target", lambda n: n.CrossEntropyLoss(weight=torch.ones(3)),
        (2, 3), classes(0, 3), error=IndexError, value="Target 3 ", fits="from 0 to 2"),
]  # fmt: skip

SHAPES = [
    bad("cross_entropy: batch size", LOSS(), (2, 3), classes(0, 1, 2),
        error=ValueError, value="(3,) of torch.int64", fits=EITHER),
    bad("cross_entropy: two targets", LOSS(), (2, 3), classes([0], [1]),
        value="(2, 1) of torch.int64", fits=EITHER),
    bad("cross_entropy: no target", LOSS(), (2, 3), torch.tensor(1),
        error=ValueError, value="() of torch.int64", fits=EITHER),
    bad("cross_entropy: targets of one sample", LOSS(), (3,), classes(1, 2),
        error=ValueError, value="(2,) of torch.int64", fits="class indices ()"),
    bad("cross_entropy: pixels", LOSS(), (2, 3, 2, 2), classes(0, 1),
        value="(2,) of torch.int64", fits="class indices (2, 2, 2)"),
    bad("cross_entropy: plane", LOSS(), (1, 3, 2, 2), classes([[0, 1]]),
        value="(1, 1, 2) of torch.int64", fits="class indices (1, 2, 2)"),
    bad("cross_entropy: probabilities", LOSS(), (2, 3), (2, 4),
        value="(2, 4) of torch.float32", fits=EITHER),
    bad("cross_entropy: indices as floats", LOSS(), (2, 3), (2,),
        value="(2,) of torch.float32", fits=EITHER),
    bad("cross_entropy: a number", LOSS(), (), torch.tensor(0),
        value="a number", fits="(N, C, ...)"),
]  # fmt: skip

DTYPES = [
    bad("cross_entropy: int32 target", LOSS(), (2, 3), classes(0, 1, dtype=torch.int32),
        value="Int", fits="Long or Byte"),
    bad("cross_entropy: integers", LOSS(), classes([0, 1], [2, 3]), classes(0, 1),
        error=NotImplementedError, value="torch.int64", fits="floating-point"),
    bad("cross_entropy: complex input", LOSS(), torch.ones(2, 3, dtype=COMPLEX), classes(0, 1),
        error=NotImplementedError, value="torch.complex64", fits="floating-point"),
]  # fmt: skip

OPTIONS = [
    bad("cross_entropy: ignored probabilities", LOSS(ignore_index=1), (2, 3), (2, 3),
        value="ignore_index=1", fits="class indices"),
    bad("cross_entropy: smoothing", LOSS(label_smoothing=1.5), (2, 3), classes(0, 1),
        value="1.5", fits="from 0 to 1"),
    bad("cross_entropy: smoothing of probabilities", LOSS(label_smoothing=1.5), (2, 3), (2, 3),
        value="1.5", fits="from 0 to 1"),
    bad("cross_entropy: negative smoothing", LOSS(label_smoothing=-0.5), (2, 3), classes(0, 1),
        value="-0.5", fits="from 0 to 1", torch_refuses=False),
    bad("cross_entropy: smoothing not a number", LOSS(label_smoothing=float("nan")),
        (2, 3), (2, 3), value="nan", fits="from 0 to 1", torch_refuses=False),
    bad("cross_entropy: reduction", LOSS(reduction="max"), (2, 3), classes(0, 1),
        error=ValueError, value="'max'", fits="'none', 'mean' or 'sum'"),
]  # fmt: skip

WEIGHTS = [
    bad("cross_entropy: weight", function("cross_entropy"), (2, 3), classes(0, 1), (2,),
        value="(2,)", fits="3 class weights"),
    bad("cross_entropy: weight of probabilities", function("cross_entropy"), (2, 3), (2, 3), (2,),
        value="(2,)", fits="3 class weights"),
    bad("cross_entropy: weight of pixels", function("cross_entropy"),
        (1, 3, 1, 1), classes([[1]]), (2,), value="(2,)", fits="3 class weights"),
    bad("cross_entropy: weight of another dtype", function("cross_entropy"), (2, 3),
        classes(0, 1), torch.ones(3, dtype=FLOAT64),
        value="is torch.float64", fits="should be torch.float32"),
    bad("cross_entropy: weight to be differentiated", function("cross_entropy"), (2, 3),
        classes(0, 1), torch.ones(3, requires_grad=True),
        value="requires a gradient", fits="weight.detach()"),
]  # fmt: skip

REFUSED = [*TARGETS, *SHAPES, *DTYPES, *OPTIONS, *WEIGHTS]
