"""What instance, layer, group and local response normalisation refuse."""

from functools import partial

import torch

from tests.refused.call import COMPLEX, FLOAT64, bad, function, layer, of_floating_point, plane


def _instance_norm(d):
    name, norm, shape = f"instance_norm {d}d", partial(layer, f"InstanceNorm{d}d"), plane(d, 4, 3)
    return [
        bad(f"{name}: axes", norm(3), plane(d, 2, 4, 3), error=ValueError,
            value=f"{d + 3}D input", fits=f"{d + 2}D"),
        bad(f"{name}: channels", norm(5, affine=True), shape, error=ValueError,
            value=str(shape), fits="num_features = 5"),
        bad(f"{name}: one value per instance", norm(3), plane(d, 4, 3, size=1), error=ValueError,
            value=str(plane(d, 4, 3, size=1)), fits="more than one value"),
        bad(f"{name}: float64 input", norm(3, affine=True), torch.ones(shape, dtype=FLOAT64),
            value="is torch.float32", fits="should be torch.float64"),
        *of_floating_point(name, norm(3), shape),
    ]  # fmt: skip


INSTANCE_NORM = [
    *(call for d in (1, 2, 3) for call in _instance_norm(d)),
    bad("instance_norm: no statistics", function("instance_norm", use_input_stats=False),
        (4, 3, 2), value="None", fits="needed in evaluation"),
    bad("instance_norm: no variance", function("instance_norm"), (4, 3, 2), (3,),
        error=ValueError, value="running_var is None", fits="both"),
    bad("instance_norm: mean", function("instance_norm"), (4, 3, 2), (2,), (3,),
        value="has 2", fits="running_mean should contain 3"),
    bad("instance_norm: weight", function("instance_norm"), (4, 3, 2), (3,), (3,), (2,),
        value="has 2", fits="weight should contain 3"),
    bad("instance_norm: no pixels", function("instance_norm"), (4, 3), error=ValueError,
        value="(4, 3)", fits="more than one value"),
]  # fmt: skip

LAYER_NORM = [
    bad("layer_norm: shape", layer("LayerNorm", 3), (2, 4), value="got (2, 4)", fits="(..., 3)"),
    bad("layer_norm: axes", layer("LayerNorm", (2, 3)), (3,), value="(3,)", fits="(..., 2, 3)"),
    bad("layer_norm: order of axes", layer("LayerNorm", (2, 3)), (2, 3, 4),
        value="(2, 3, 4)", fits="(..., 2, 3)"),
    bad("layer_norm: no axis", function("layer_norm", ()), (2, 3),
        value="()", fits="at least one axis"),
    bad("layer_norm: weight", lambda n: lambda x, w: n.functional.layer_norm(x, (3,), w),
        (2, 3), (2,), value="has (2,)", fits="(3,)"),
    bad("layer_norm: bias", lambda n: lambda x, b: n.functional.layer_norm(x, (3,), None, b),
        (2, 3), (1, 3), value="has (1, 3)", fits="(3,)"),
    bad("layer_norm: float64 input", layer("LayerNorm", 3), torch.ones(2, 3, dtype=FLOAT64),
        value="is torch.float32", fits="should be torch.float64"),
    *of_floating_point("layer_norm", function("layer_norm", (3,)), (2, 3)),
]  # fmt: skip

GROUP_NORM = [
    bad("group_norm: channels", layer("GroupNorm", 2, 4), (2, 6, 3), value="is (4,)", fits="(6,)"),
    bad("group_norm: groups", function("group_norm", 2), (2, 5, 3), value="got 5", fits="2 groups"),
    bad("group_norm: negative groups", function("group_norm", -1), (2, 4, 3),
        value="got -1", fits="at least 1"),
    bad("group_norm: one axis", layer("GroupNorm", 2, 4), (4,), value="(4,)", fits="(R, C, ...)"),
    bad("group_norm: one value", layer("GroupNorm", 4, 4), (1, 4), error=ValueError,
        value="(1, 4)", fits="more than one value"),
    bad("group_norm: no channels", function("group_norm", 2), (2, 0, 3),
        value="(2, 0, 3)", fits="divided into 2 groups"),
    bad("group_norm: no pixels", layer("GroupNorm", 2, 4), (2, 4, 0),
        value="(2, 4, 0)", fits="at least one pixel"),
    bad("group_norm: bias", lambda n: lambda x, b: n.functional.group_norm(x, 2, None, b),
        (2, 4, 3), (4, 1), value="(4, 1)", fits="(4,)"),
    bad("group_norm: float64 input", layer("GroupNorm", 2, 4), torch.ones(2, 4, dtype=FLOAT64),
        value="is torch.float32", fits="should be torch.float64"),
    *of_floating_point("group_norm", function("group_norm", 2), (2, 4)),
]  # fmt: skip

LOCAL_RESPONSE_NORM = [
    bad("local_response_norm: axes", layer("LocalResponseNorm", 3), (2, 3), error=ValueError,
        value="(2, 3)", fits="(R, C, ...)"),
    bad("local_response_norm: empty window", layer("LocalResponseNorm", 0), (2, 3, 4),
        value="got 0", fits="at least 1"),
    bad("local_response_norm: size not whole", layer("LocalResponseNorm", 2.5), (2, 3, 4),
        error=TypeError, value="float", fits="int"),
    bad("local_response_norm: complex input", layer("LocalResponseNorm", 3),
        torch.ones(2, 3, 4, dtype=COMPLEX),
        error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
]  # fmt: skip

REFUSED = [*INSTANCE_NORM, *LAYER_NORM, *GROUP_NORM, *LOCAL_RESPONSE_NORM]
