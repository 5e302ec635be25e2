"""What softmax and log-softmax refuse."""

from tests.refused.call import INTEGERS, bad, function, layer, of_floating_point


def _either(name):
    return [
        bad(f"{name}: axis", layer(name, 2), (3, 2),
            error=IndexError, value="got 2", fits="[-2, 1]"),
        bad(f"{name}: negative axis", layer(name, -3), (3, 2),
            error=IndexError, value="got -3", fits="[-2, 1]"),
        bad(f"{name}: axis of a number", layer(name, 1), (),
            error=IndexError, value="got 1", fits="[-1, 0]"),
        *of_floating_point(name, layer(name, 1), (3, 2)),
    ]  # fmt: skip


REFUSED = [
    *(call for name in ("Softmax", "LogSoftmax") for call in _either(name)),
    bad("softmax: to integers", function("softmax", 1, dtype=INTEGERS), (3, 2),
        error=NotImplementedError, value="torch.int64", fits="floating-point"),
]  # fmt: skip
