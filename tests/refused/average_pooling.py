"""What average pooling refuses, and both adaptive poolings."""

from functools import partial

import torch

from tests.refused.call import COMPLEX, INTEGERS, bad, layer, plane


def _sliding(d):
    name, pool = f"avg_pool{d}d", partial(layer, f"AvgPool{d}d")
    return [
        bad(f"{name}: too few axes", pool(2), plane(d),
            error=IndexError if d == 2 else RuntimeError,
            value=str(plane(d)), fits=f"{d + 2} (batch)"),
        bad(f"{name}: too many axes", pool(2), plane(d, 1, 1, 2),
            value=str(plane(d, 1, 1, 2)), fits=f"{d + 1} (one sample)"),
        bad(f"{name}: padding over half of the kernel", pool(2, padding=2), plane(d, 1, 2),
            value="2", fits="at most half of"),
        bad(f"{name}: negative padding", pool(2, padding=-1), plane(d, 1, 2),
            value="got (-1", fits="at least 0"),
        bad(f"{name}: stride", pool(2, stride=0), plane(d, 1, 2),
            value="got (0", fits="at least 1"),
        bad(f"{name}: kernel", pool(0), plane(d, 1, 2), value="got (0", fits="at least 1"),
        bad(f"{name}: kernel of too many numbers", pool((2,) * 4), plane(d, 1, 2),
            value="(2, 2, 2, 2)", fits=f"one number or {d}"),
        bad(f"{name}: kernel not whole", pool(2.5), plane(d, 1, 2),
            error=TypeError, value="'float'", fits="integer"),
        bad(f"{name}: kernel larger than input", pool(6), plane(d, 1, 2), value="5", fits="small"),
        bad(f"{name}: no channels", pool(2), plane(d, 1, 0), value="[1, 0", fits="xpected"),
        bad(f"{name}: complex input", pool(2), torch.ones(plane(d, 1, 2), dtype=COMPLEX),
            error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
    ]  # fmt: skip


def _adaptive(kind, d):
    name, pool = f"adaptive_{kind.lower()}_pool{d}d", partial(layer, f"Adaptive{kind}Pool{d}d")
    return [
        bad(f"{name}: too few axes", pool(2), plane(d),
            value=str(plane(d)), fits=f"{d + 2} (batch)"),
        bad(f"{name}: too many axes", pool(2), plane(d, 1, 1, 2),
            value=str(plane(d, 1, 1, 2)), fits=f"{d + 1} (one sample)"),
        bad(f"{name}: negative size", pool(-1), plane(d, 1, 2), value="got (-1", fits="at least 0"),
        bad(f"{name}: no size", pool(None), plane(d, 1, 2),
            error=TypeError, value="'NoneType'", fits="integer"),
        bad(f"{name}: size not whole", pool(2.5), plane(d, 1, 2),
            error=TypeError, value="'float'", fits="integer"),
        bad(f"{name}: too many numbers", pool((2,) * (d + 1)), plane(d, 1, 2),
            value=f"got {(2,) * (d + 1)}", fits=f"one number or {d}"),
        bad(f"{name}: no pixels", pool(2), plane(d, 1, 2, size=0), value="[1, 2, 0", fits="xpected")
        if kind == "Max" or d > 1 else
        bad(f"{name}: no pixels", pool(2), (1, 2, 0), value="1, 0]", fits="xpected"),
        bad(f"{name}: integers", pool(2), torch.ones(plane(d, 1, 2), dtype=INTEGERS),
            error=NotImplementedError, value="Long", fits="not implemented for"),
        bad(f"{name}: complex input", pool(2), torch.ones(plane(d, 1, 2), dtype=COMPLEX),
            error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real"),
    ]  # fmt: skip


REFUSED = [
    *(call for d in (1, 2, 3) for call in _sliding(d)),
    *(call for kind in ("Avg", "Max") for d in (1, 2, 3) for call in _adaptive(kind, d)),
    *(
        bad(f"avg_pool{d}d: divisor", layer(f"AvgPool{d}d", 2, divisor_override=0),
            plane(d, 1, 2), value="zero", fits="divisor must be not")
        for d in (2, 3)
    ),
    *(
        bad(f"adaptive_{kind.lower()}_pool{d}d: too few numbers",
            layer(f"Adaptive{kind}Pool{d}d", (2,)), plane(d, 1, 2),
            value="got (2,)", fits=f"one number or {d}")
        for kind in ("Avg", "Max") for d in (2, 3)
    ),
    *(
        bad(f"adaptive_{kind.lower()}_pool{d}d: more numbers than axes",
            layer(f"Adaptive{kind}Pool{d}d", (2,) * 5), plane(d, 1, 2),
            error=ValueError, value="got (2, 2, 2, 2, 2)", fits=f"one number or {d}")
        for kind in ("Avg", "Max") for d in (2, 3)
    ),
]  # fmt: skip
