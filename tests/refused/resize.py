"""What resizing refuses."""

import torch

from tests.refused.call import COMPLEX, INTEGERS, bad, function, layer

LINE, PLANE, VOLUME = (1, 2, 4), (1, 2, 4, 4), (1, 2, 4, 4, 4)


def _no_such_mode(shape, *modes):
    return [
        bad(f"interpolate: {mode} for {len(shape)} axes", layer("Upsample", 3, mode=mode), shape,
            error=NotImplementedError, value=f"{len(shape)}D", fits=fits)
        for mode, fits in modes
    ]  # fmt: skip


REFUSED = [
    *_no_such_mode((4,), ("nearest", "Only 3D, 4D and 5D")),
    *_no_such_mode((4, 4), ("nearest", "Only 3D, 4D and 5D")),
    *_no_such_mode((1, 1, 1, 2, 2, 2), ("nearest", "Only 3D, 4D and 5D")),
    *_no_such_mode(LINE, ("bilinear", "needs 4D"), ("trilinear", "needs 5D")),
    *_no_such_mode(PLANE, ("linear", "needs 3D"), ("trilinear", "needs 5D")),
    *_no_such_mode(VOLUME, ("linear", "needs 3D"), ("bilinear", "needs 4D")),
    bad("interpolate: bicubic for a line", layer("Upsample", 3, mode="bicubic"), LINE,
        error=NotImplementedError, value="got bicubic", fits="nearest-exact"),
    bad("interpolate: unknown mode", layer("Upsample", 3, mode="cubic"), PLANE,
        error=NotImplementedError, value="got cubic", fits="bicubic"),
    bad("interpolate: no size", layer("Upsample"), PLANE,
        error=ValueError, value="either", fits="size or scale_factor"),
    bad("interpolate: size and scale_factor", layer("Upsample", 3, 2.0), PLANE,
        error=ValueError, value="only one of", fits="size or scale_factor"),
    bad("interpolate: size of too many numbers", layer("Upsample", (3, 3, 3)), PLANE,
        error=ValueError, value="(3, 3, 3)", fits="[4, 4]"),
    bad("interpolate: scale_factor of too few numbers", layer("Upsample", None, (2.0,)), PLANE,
        error=ValueError, value="(2.0,)", fits="[4, 4]"),
    bad("interpolate: size not whole", layer("Upsample", (2.5, 3)), PLANE,
        error=TypeError, value="'float'", fits="int"),
    bad("interpolate: size no number", layer("Upsample", "3"), PLANE,
        error=TypeError, value="list", fits="tuple of ints"),
    bad("interpolate: scale_factor no number", function("interpolate", None, "2"), PLANE,
        error=TypeError, value="list", fits="tuple of floats"),
    bad("interpolate: size of zero", layer("Upsample", (3, 0), mode="bilinear"), PLANE,
        value="output (H: 3, W: 0)", fits="greater than 0"),
    bad("interpolate: negative size", layer("UpsamplingNearest2d", -1), PLANE,
        value="output (H: -1, W: -1)", fits="greater than 0"),
    bad("interpolate: negative size of parts", layer("Upsample", (-1, 3), mode="area"), PLANE,
        value="{-1, 3}", fits="greater than or equal to 0"),
    bad("interpolate: scale_factor too small", layer("UpsamplingBilinear2d", None, 0.1), PLANE,
        value="output (H: 0, W: 0)", fits="greater than 0"),
    bad("interpolate: negative scale_factor", layer("Upsample", None, -1.0), PLANE,
        value="output (H: -4, W: -4)", fits="greater than 0"),
    bad("interpolate: no rows", layer("Upsample", 3), (1, 2, 0, 4),
        value="input (H: 0, W: 4)", fits="greater than 0"),
    bad("interpolate: no channels", layer("Upsample", 3), (1, 0, 4, 4),
        value="[1, 0, 4, 4]", fits="Non-empty 4D"),
    bad("interpolate: corners of nearest", layer("Upsample", 3, align_corners=True), PLANE,
        error=ValueError, value="align_corners", fits="linear | bilinear | bicubic"),
    bad("interpolate: size to recompute a scale from",
        layer("Upsample", 3, recompute_scale_factor=True), PLANE,
        error=ValueError, value="recompute_scale_factor", fits="explicit size"),
    bad("interpolate: nearest with antialias", function("interpolate", 3, antialias=True), PLANE,
        error=ValueError, value="Anti-alias", fits="bilinear, bicubic"),
    bad("interpolate: a line with antialias",
        function("interpolate", 3, mode="linear", antialias=True), LINE,
        error=ValueError, value="Anti-alias", fits="requires a 4-D tensor"),
    bad("interpolate: integers", layer("Upsample", 3), torch.ones(PLANE, dtype=INTEGERS),
        error=NotImplementedError, value="'Long'", fits="not implemented"),
    bad("interpolate: complex input", layer("Upsample", 3), torch.ones(PLANE, dtype=COMPLEX),
        error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
]  # fmt: skip
