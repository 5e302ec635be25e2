"""What the embedding refuses."""

from tests.refused.call import COMPLEX, bad, classes, function, layer

INDICES = classes([0, 2, 2], [4, 2, 1])

REFUSED = [
    bad("embedding: index", layer("Embedding", 5, 3), classes(1, 5),
        error=IndexError, value="index 5", fits="from 0 to 4"),
    bad("embedding: negative index", layer("Embedding", 5, 3), classes(1, -1),
        error=IndexError, value="index -1", fits="from 0 to 4"),
    bad("embedding: index, before rows are shortened", layer("Embedding", 5, 3, max_norm=0.1),
        classes(1, 7), error=IndexError, value="index 7", fits="from 0 to 4"),
    bad("embedding: padding", function("embedding", padding_idx=5), INDICES, (5, 3),
        error=AssertionError, value="got 5", fits="from -5 to 4"),
    bad("embedding: negative padding", function("embedding", padding_idx=-6), INDICES, (5, 3),
        error=AssertionError, value="got -6", fits="from -5 to 4"),
    bad("embedding: padding not whole", function("embedding", padding_idx=1.5), INDICES, (5, 3),
        error=TypeError, value="'float'", fits="integer"),
    bad("embedding: weight of 1 axis", function("embedding"), INDICES, (3,),
        value="(3,)", fits="2-D"),
    bad("embedding: weight of 3 axes", function("embedding"), INDICES, (1, 5, 3),
        value="(1, 5, 3)", fits="2-D"),
    bad("embedding: floats", layer("Embedding", 5, 3), (2, 3),
        value="torch.float32", fits="torch.int64 or torch.int32"),
    bad("embedding: bool", layer("Embedding", 5, 3), INDICES.bool(),
        value="torch.bool", fits="torch.int64 or torch.int32"),
    bad("embedding: complex layer", layer("Embedding", 5, 3, dtype=COMPLEX), INDICES,
        error=NotImplementedError, value="torch.complex64", fits="torch.view_as_real",
        torch_refuses=False),
]  # fmt: skip
