"""What the activations refuse."""

import torch

from tests.refused.call import COMPLEX, FLOAT64, bad, function, layer

REFUSED = [
    bad("relu: bool", layer("ReLU"), torch.ones(3, dtype=torch.bool),
        value="Boolean", fits="not supported"),
    bad("relu: complex", layer("ReLU"), torch.ones(3, dtype=COMPLEX),
        error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
    bad("sigmoid: complex", layer("Sigmoid"), torch.ones(3, dtype=COMPLEX),
        error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real",
        torch_refuses=False),
    bad("hardtanh: bounds", function("hardtanh", 1.5, -0.5), (3,),
        error=ValueError, value="1.5 and -0.5", fits="exchange them"),
    bad("celu: alpha", layer("CELU", alpha=0.0), (3,), value="got 0.0", fits="any number but 0"),
    bad("gelu: approximation", layer("GELU", approximate="sigmoid"), (3,),
        value="'sigmoid'", fits="'none' or 'tanh'"),
    bad("prelu: channels", layer("PReLU", 3), (2, 4), value="(3,)", fits="(4,)"),
    bad("prelu: one axis", layer("PReLU", 3), (3,), value="(3,)", fits="(1,)"),
    bad("prelu: a number", layer("PReLU", 3), (), value="(3,)", fits="(1,)"),
    bad("prelu: weight of 2 axes", function("prelu"), (2, 3), (1, 3), value="(1, 3)", fits="(3,)"),
    bad("prelu: weight of another dtype", function("prelu"), (2, 3), torch.ones(3, dtype=FLOAT64),
        value="torch.float64", fits="one dtype"),
]  # fmt: skip
