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
    ("a negative padding is none", "padding_idx %= rows", "padding_idx += 0"),
    ("any padding is taken", "if not -rows <= padding_idx < rows:", "if False:"),
    (
        "the weight is changed before an index is refused",
        "        _refuse_out_of_range(input, rows)\n        with",
        "        with",
    ),
    ("rows keep their length", "max_norm is not None", "False"),
]
