"""What the transposed convolutions refuse."""

from functools import partial

import torch

from tests.refused.call import COMPLEX, FLOAT64, bad, function, layer, of_one_dtype, plane


def _of_axes(d):
    name, conv = f"conv_transpose{d}d", partial(layer, f"ConvTranspose{d}d", 2, 4, 3)
    return [
        bad(f"{name}: too few axes", conv(), plane(d),
            value=str(plane(d)), fits=f"{d + 2} (batch)"),
        bad(f"{name}: too many axes", conv(), plane(d, 1, 1, 2),
            value=str(plane(d, 1, 1, 2)), fits=f"{d + 1} (one sample)"),
        bad(f"{name}: channels", conv(), plane(d, 1, 3),
            value=str(plane(d, 1, 3)), fits="expected 2 channels"),
        bad(f"{name}: channels of one sample", conv(), plane(d, 3),
            value="(1, 3,", fits="expected 2 channels"),
        bad(f"{name}: all is cut off", conv(padding=4), plane(d, 1, 2),
            value="-1", fits="Output size is too small"),
        bad(f"{name}: no pixels", conv(), plane(d, 1, 2, size=0),
            value="0]", fits="zero batch"),
        bad(f"{name}: stride", conv(stride=0), plane(d, 1, 2), value="got (0", fits="at least 1"),
        bad(f"{name}: negative padding", conv(padding=-1), plane(d, 1, 2),
            value="got (-1", fits="at least 0"),
        bad(f"{name}: dilation", conv(dilation=0), plane(d, 1, 2),
            value="got (0", fits="at least 1"),
        bad(f"{name}: negative output padding", conv(output_padding=-1), plane(d, 1, 2),
            value="got (-1", fits="at least 0"),
        bad(f"{name}: output padding", conv(output_padding=1), plane(d, 1, 2),
            value="got (1", fits="less than the stride or the dilation"),
        bad(f"{name}: output padding of a stride", conv(output_padding=2, stride=2, dilation=2),
            plane(d, 1, 2), value="got (2", fits="less than the stride or the dilation"),
        *of_one_dtype(name, conv(), plane(d, 1, 2)),
    ]  # fmt: skip


REFUSED = [
    *(call for d in (1, 2, 3) for call in _of_axes(d)),
    bad("conv_transpose2d: weight of 3 axes", function("conv_transpose2d"),
        (1, 2, 5, 5), (2, 4, 3), value="(2, 4, 3)", fits="4 axes"),
    bad("conv_transpose2d: empty kernel", function("conv_transpose2d"),
        (1, 2, 5, 5), (2, 4, 0, 3), value="0", fits="greater than zero"),
    bad("conv_transpose2d: bias", function("conv_transpose2d"),
        (1, 2, 5, 5), (2, 4, 3, 3), (2,), value="[2]", fits="4 elements"),
    bad("conv_transpose2d: bias of another dtype", function("conv_transpose2d"),
        (1, 2, 5, 5), (2, 4, 3, 3), torch.ones(4, dtype=FLOAT64),
        value="torch.float64", fits="one dtype", torch_refuses=False),
    bad("conv_transpose2d: complex layer", layer("ConvTranspose2d", 2, 4, 3, dtype=COMPLEX),
        torch.ones(1, 2, 5, 5, dtype=COMPLEX), error=NotImplementedError,
        value="torch.complex64", fits="torch.view_as_real", torch_refuses=False),
    bad("conv_transpose2d: no groups", function("conv_transpose2d", groups=0),
        (1, 2, 5, 5), (2, 4, 3, 3), value="got 0", fits="at least 1"),
    bad("conv_transpose2d: groups", function("conv_transpose2d", groups=3),
        (1, 2, 5, 5), (2, 4, 3, 3), value="got 3", fits="divide the weight's 2 input channels"),
    bad("conv_transpose2d: padding by name", function("conv_transpose2d", padding="same"),
        (1, 2, 5, 5), (2, 4, 3, 3), error=TypeError, value="'str'", fits="integer"),
] + [
    bad(f"conv_transpose2d: three numbers for {option}",
        function("conv_transpose2d", **{option: (1, 1, 1)}),
        (1, 2, 5, 5), (2, 4, 3, 3), value=f"{option} to be", fits="one number or 2")
    for option in ("stride", "padding", "output_padding", "dilation")
]  # fmt: skip
