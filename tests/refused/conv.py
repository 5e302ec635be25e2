"""What the convolutions refuse."""

from functools import partial

import torch

from tests.refused.call import COMPLEX, FLOAT64, bad, function, layer, of_one_dtype, plane


def _of_axes(d):
    name, conv = f"conv{d}d", partial(layer, f"Conv{d}d", 2, 4, 3)
    return [
        bad(f"{name}: too few axes", conv(), plane(d),
            value=str(plane(d)), fits=f"{d + 2} (batch)"),
        bad(f"{name}: too many axes", conv(), plane(d, 1, 1, 2),
            value=str(plane(d, 1, 1, 2)), fits=f"{d + 1} (one sample)"),
        bad(f"{name}: too few axes to reflect", conv(padding=1, padding_mode="reflect"), plane(d),
            value=str(plane(d)), fits=f"{d + 2} (batch)"),
        bad(f"{name}: channels", conv(), plane(d, 1, 3),
            value=str(plane(d, 1, 3)), fits="expected 2 channels"),
        bad(f"{name}: channels of one sample", conv(), plane(d, 3),
            value="(1, 3,", fits="expected 2 channels"),
        bad(f"{name}: kernel larger than input", conv(), plane(d, 1, 2, size=2),
            value="(2", fits="Kernel size can't be greater than actual input size"),
        bad(f"{name}: dilated kernel larger than input", conv(dilation=3), plane(d, 1, 2),
            value="(7", fits="Kernel size can't be greater than actual input size"),
        bad(f"{name}: stride", conv(stride=0), plane(d, 1, 2), value="got (0", fits="at least 1"),
        bad(f"{name}: negative padding", conv(padding=-1), plane(d, 1, 2),
            value="got (-1", fits="at least 0"),
        bad(f"{name}: dilation", conv(dilation=0), plane(d, 1, 2),
            value="got (0", fits="at least 1"),
        bad(f"{name}: too much to reflect", conv(padding=5, padding_mode="reflect"),
            plane(d, 1, 2), value="(5, 5)", fits="less than the corresponding input dimension"),
        bad(f"{name}: too much to wrap around", conv(padding=6, padding_mode="circular"),
            plane(d, 1, 2), value="(6, 6)", fits="5 elements"),
        *of_one_dtype(name, conv(), plane(d, 1, 2)),
    ]  # fmt: skip


REFUSED = [
    *(call for d in (1, 2, 3) for call in _of_axes(d)),
    bad("conv2d: weight of 3 axes", function("conv2d"), (1, 2, 5, 5), (4, 2, 3),
        value="(4, 2, 3)", fits="4 axes"),
    bad("conv2d: empty kernel", function("conv2d"), (1, 2, 5, 5), (4, 2, 0, 3),
        value="0", fits="greater than zero"),
    bad("conv2d: bias", function("conv2d"), (1, 2, 5, 5), (4, 2, 3, 3), (3,),
        value="[3]", fits="4 elements"),
    bad("conv2d: bias of another dtype", function("conv2d"), (1, 2, 5, 5), (4, 2, 3, 3),
        torch.ones(4, dtype=FLOAT64), value="torch.float64", fits="one dtype"),
    bad("conv2d: complex layer", layer("Conv2d", 2, 4, 3, dtype=COMPLEX),
        torch.ones(1, 2, 5, 5, dtype=COMPLEX), error=NotImplementedError,
        value="torch.complex64", fits="torch.view_as_real", torch_refuses=False),
    bad("conv2d: padding's name", function("conv2d", padding="full"), (1, 2, 5, 5), (4, 2, 3, 3),
        value="'full'", fits="'valid' or 'same'"),
    bad("conv2d: same with stride", function("conv2d", padding="same", stride=2),
        (1, 2, 5, 5), (4, 2, 3, 3), value="(2, 2)", fits="stride 1"),
    bad("conv2d: no groups", function("conv2d", groups=0), (1, 2, 5, 5), (4, 2, 3, 3),
        value="got 0", fits="at least 1"),
    bad("conv2d: groups", function("conv2d", groups=3), (1, 2, 5, 5), (4, 2, 3, 3),
        value="got 3", fits="divide the weight's 4 output channels"),
    bad("conv2d: channels of groups", function("conv2d", groups=2), (1, 2, 5, 5), (4, 2, 3, 3),
        value="(1, 2, 5, 5)", fits="4 channels"),
] + [
    bad(f"conv2d: three numbers for {option}", function("conv2d", **{option: (1, 1, 1)}),
        (1, 2, 5, 5), (4, 2, 3, 3), value=f"{option} to be", fits="one number or 2")
    for option in ("stride", "padding", "dilation")
]  # fmt: skip
