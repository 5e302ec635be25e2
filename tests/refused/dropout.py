"""What dropout refuses."""

import torch

from tests.refused.call import bad, function, layer

REFUSED = [
    bad("dropout: more than all", function("dropout", 1.5), (3,),
        error=ValueError, value="got 1.5", fits="between 0 and 1"),
    bad("dropout: less than nothing", function("dropout2d", -0.5), (1, 1, 2, 2),
        error=ValueError, value="got -0.5", fits="between 0 and 1"),
    bad("dropout: integers", layer("Dropout"), torch.arange(3),
        value="torch.int64", fits="floating-point"),
    bad("dropout2d: no channels", layer("Dropout2d"), (3,), value="(3,)", fits="2 dimensions"),
]  # fmt: skip
