"""What the fully connected layer refuses."""

import torch

from tests.refused.call import FLOAT64, bad, function, layer, of_one_dtype

REFUSED = [
    bad("linear: features", layer("Linear", 3, 4), (5, 2), value="(5, 2)", fits="(4, 3)"),
    bad("linear: a number", layer("Linear", 3, 4), (), value="got ()", fits="(..., in)"),
    *of_one_dtype("linear", layer("Linear", 3, 4), (5, 3)),
    bad("linear: weight of 3 axes", function("linear"), (5, 3), (4, 3, 1),
        value="(4, 3, 1)", fits="(out, in)"),
    bad("linear: weight of 1 axis", function("linear"), (5, 3), (2,), value="(2,)", fits="(5, 3)"),
    bad("linear: bias", function("linear"), (5, 3), (4, 3), (3,), value="(3,)", fits="(4,)"),
    bad("linear: bias of 2 axes", function("linear"), (5, 3), (4, 3), (5, 4),
        value="(5, 4)", fits="(4,)", torch_refuses=False),
    bad("linear: bias of another dtype", function("linear"), (5, 3), (4, 3),
        torch.ones(4, dtype=FLOAT64), value="torch.float64", fits="one dtype"),
]  # fmt: skip
