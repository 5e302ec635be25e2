"""What batch normalisation refuses."""

from functools import partial

import torch

from tests.refused.call import FLOAT64, bad, function, layer, of_floating_point, plane


def _of_axes(d):
    name, norm, shape = f"batch_norm {d}d", partial(layer, f"BatchNorm{d}d"), plane(d, 4, 3)
    return [
        bad(f"{name}: axes", norm(3), plane(d, 2, 4, 3), error=ValueError,
            value=f"{d + 3}D input", fits=f"{d + 2}D"),
        bad(f"{name}: channels", norm(5), shape, value="has 5", fits="3 elements"),
        bad(f"{name}: channels in evaluation", norm(5, training=False), shape,
            value="has 5", fits="3 elements"),
        bad(f"{name}: one value per channel", norm(3), plane(d, 1, 3, size=1), error=ValueError,
            value=str(plane(d, 1, 3, size=1)), fits="more than one value"),
        bad(f"{name}: eps", norm(3, eps=0.0), shape,
            error=ValueError, value="got 0.0", fits="above 0"),
        bad(f"{name}: eps in evaluation", norm(3, eps=-1.0, training=False), shape,
            error=ValueError, value="-1.0", fits="at least 0"),
        bad(f"{name}: float64 input", norm(3), torch.ones(shape, dtype=FLOAT64),
            value="is torch.float32", fits="should be torch.float64"),
        bad(f"{name}: float16 layer", norm(3, dtype=torch.float16), torch.ones(shape),
            value="is torch.float16", fits="should be torch.float32"),
        *of_floating_point(name, norm(3), shape),
    ]  # fmt: skip


REFUSED = [
    *(call for d in (1, 2, 3) for call in _of_axes(d)),
    bad("batch_norm: no statistics", function("batch_norm", None, None), (4, 3),
        value="None", fits="needed in evaluation"),
    bad("batch_norm: no variance", function("batch_norm", None), (4, 3), (3,),
        value="None", fits="needed in evaluation"),
    bad("batch_norm: no variance in training", function("batch_norm", None, training=True),
        (4, 3), (3,), error=ValueError, value="running_var is None", fits="both"),
    bad("batch_norm: weight", function("batch_norm"), (4, 3), (3,), (3,), (2,),
        value="weight should contain 3", fits="has 2"),
    bad("batch_norm: bias", function("batch_norm"), (4, 3), (3,), (3,), (3,), (4,),
        value="bias should contain 3", fits="has 4"),
    bad("batch_norm: variance", function("batch_norm"), (4, 3), (3,), (2,),
        value="running_var should contain 3", fits="has 2"),
    bad("batch_norm: weight of another dtype", function("batch_norm"), (4, 3), (3,), (3,),
        torch.ones(3, dtype=FLOAT64), value="torch.float64", fits="should be torch.float32"),
    bad("batch_norm: mean to be differentiated", function("batch_norm"), (4, 3),
        torch.zeros(3, requires_grad=True), (3,), value="requires a gradient", fits="detached"),
    bad("batch_norm: no channels", function("batch_norm"), (4,), (4,), (4,),
        value="(4,)", fits="(R, C, ...)"),
]  # fmt: skip
