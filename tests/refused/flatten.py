"""What flattening refuses."""

from tests.refused.call import bad, layer

REFUSED = [
    bad("flatten: axis", layer("Flatten", 2), (3, 2),
        error=IndexError, value="got 2", fits="[-2, 1]"),
    bad("flatten: order", layer("Flatten", 2, 1), (3, 2, 2),
        value="start_dim", fits="cannot come after end_dim"),
]  # fmt: skip
