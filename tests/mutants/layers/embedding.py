"""Mutants of the embedding: what breaks, the old text, the new text."""

KEYWORD = "embedding or Embedding"
MUTANTS = [
    ("a row keeps its last delta alone", ".index_add(0,", ".index_copy(0,"),
    ("the padding counts", "torch.where(is_padding, 0, grad_output)", "grad_output"),
    (
        "an infinite delta times 0",
        "torch.where(is_padding, 0, grad_output)",
        "grad_output * ~is_padding",
    ),
    ("frequency is ignored", "grad_output / torch.embedding(times, indices)", "grad_output"),
    (
        "times how often",
        "grad_output / torch.embedding(times, indices)",
        "grad_output * torch.embedding(times, indices)",
    ),
    ("the adjoint's lookup has padding too", "Lookup(ctx.rows)", "Lookup(ctx.rows, 0, True)"),
    (
        "a sparse gradient counts the padding",
        "if lookup.padding_idx is not None:\n        counts",
        "if False:\n        counts",
    ),
    (
        "the sparse adjoint's derivative counts the padding",
        "return embedding_share(rows, indices, lookup), None, None",
        "return rows, None, None",
    ),
    ("a sparse gradient is dense", "if lookup.sparse:", "if False:"),
    (
        "a sparse gradient forgets the frequency",
        "        if lookup.by_frequency:\n            raise",
        "        if False:\n            raise",
    ),
    (
        "the tangent of the weight, doubled",
        "return apply(EmbeddingFunction, d_weight",
        "return 2 * apply(EmbeddingFunction, d_weight",
    ),
    (
        "the tangent of delta, doubled",
        "return apply(EmbeddingAdjointFunction, d_output",
        "return 2 * apply(EmbeddingAdjointFunction, d_output",
    ),
    ("a negative padding is none", "padding_idx %= rows", "padding_idx += 0"),
    ("any padding is taken", "if not -rows <= index(padding_idx) < rows:", "if False:"),
    (
        "the weight is changed before an index is refused",
        "        _refuse_out_of_range(input, rows)\n        with",
        "        with",
    ),
    (
        "any kind of index is taken",
        "input.dtype not in (torch.int64, torch.int32)",
        "input.dtype == torch.complex64",
    ),
    ("rows keep their length", "max_norm is not None", "False"),
]
