"""Mutants of batch norm in evaluation: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    ("gamma forgotten", "a = times(istd, gamma)", "a = istd"),
    ("beta forgotten", "shift if beta is None else shift + beta", "shift"),
    ("bias forgotten", "-mean * a if bias is None else (bias - mean) * a", "-mean * a"),
    ("training mode is taken for evaluation", "and not norm.is_batch", ""),
    ("the batch norm comes again", "            place += 1\n        x, _", "        x, _"),
    (
        "columns of rows are taken for channels",
        "(isinstance(piece, Product) and x.dim() == 2)",
        "isinstance(piece, Product)",
    ),
    (
        "any number of channels is absorbed",
        "and len(piece.layer.weight) == norm.layer.num_features",
        "",
    ),
]
