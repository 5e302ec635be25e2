"""Mutants of torchvision's layers: what breaks, the old text, the new text."""

KEYWORD = "vision"
MUTANTS = [
    ("eps is forgotten", "eps=eps)", "eps=0.0)"),
    ("gamma is forgotten", "mean, var, weight, bias, eps=", "mean, var, None, bias, eps="),
    (
        "the dtype of the statistics does not count",
        "torch.promote_types(input.dtype, weight.dtype)",
        "input.dtype",
    ),
    ("survivors are not enlarged", "drawn.div_(1 - p) if p < 1 else drawn", "drawn"),
    ("p drawn for 1 - p", ".bernoulli_(1 - p)", ".bernoulli_(p)"),
    ("each sample for itself in a batch", 'if mode == "row":', 'if mode == "batch":'),
    ("drops in evaluation", "if not training or p == 0:", "if p == 0:"),
]
