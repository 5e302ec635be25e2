"""Mutants of dropout: what breaks, the old text, the new text."""

KEYWORD = "dropout or Dropout"
MUTANTS = [
    ("what is kept is not enlarged", "(kept / (1 - p) if p < 1 else kept)", "kept"),
    ("enlarged by p", "kept / (1 - p)", "kept / p"),
    ("p and 1 - p exchanged", "mask.bernoulli_(1 - p)", "mask.bernoulli_(p)"),
    ("the mask in another order in memory", "input.shape == shape", "False"),
    (
        "delta passes where x did not",
        "apply(DropoutFunction, grad_output, mask, ctx.p)",
        "grad_output",
    ),
    (
        "a tangent passes where x did not",
        "apply(DropoutFunction, d_input, mask, ctx.p)",
        "d_input",
    ),
    ("a mask for each value of a channel", "*(1 for _ in input.shape[2:])", "*input.shape[2:]"),
    ("evaluation forgets too", "p == 0 or not training", "p == 0"),
    ("the input is not overwritten", "input.copy_(apply(", "(apply("),
    ("a leaf is overwritten", "    refuse_leaf(input)\n", ""),
    ("any p is taken", "if not 0 <= p <= 1:", "if False:"),
]
