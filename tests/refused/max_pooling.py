"""What the max-poolings refuse."""

from functools import partial

import torch

from tests.refused.call import COMPLEX, bad, layer, plane


def _of_axes(d):
    name, pool = f"max_pool{d}d", partial(layer, f"MaxPool{d}d")
    return [
        bad(f"{name}: too few axes", pool(2), plane(d),
            value=str(plane(d)), fits=f"{d + 2} (batch)"),
        bad(f"{name}: too many axes", pool(2), plane(d, 1, 1, 2),
            value=str(plane(d, 1, 1, 2)), fits=f"{d + 1} (one sample)"),
        bad(f"{name}: padding over half of the kernel", pool(2, padding=2), plane(d, 1, 2),
            value="2", fits="at most half of"),
        bad(f"{name}: negative padding", pool(2, padding=-1), plane(d, 1, 2),
            value="got (-1", fits="at least 0"),
        bad(f"{name}: stride", pool(2, stride=0), plane(d, 1, 2),
            value="got (0", fits="at least 1"),
        bad(f"{name}: dilation", pool(2, dilation=0), plane(d, 1, 2),
            value="got (0", fits="at least 1"),
        bad(f"{name}: kernel", pool(0), plane(d, 1, 2), value="got (0", fits="at least 1"),
        bad(f"{name}: kernel of too many numbers", pool((2,) * 4), plane(d, 1, 2),
            value="(2, 2, 2, 2)", fits=f"one number or {d}"),
        bad(f"{name}: kernel not whole", pool(2.5), plane(d, 1, 2),
            error=TypeError, value="'float'", fits="integer"),
        bad(f"{name}: kernel larger than input", pool(6), plane(d, 1, 2),
            value="output size: (2x", fits="too small"),
        bad(f"{name}: no channels", pool(2), plane(d, 1, 0), value="[1, 0", fits="xpected"),
        bad(f"{name}: complex input", pool(2), torch.ones(plane(d, 1, 2), dtype=COMPLEX),
            error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
    ]  # fmt: skip


REFUSED = [call for d in (1, 2, 3) for call in _of_axes(d)]
