"""Mutants of batch norm in a run: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    ("evaluation takes the batch's statistics", "layer.training or not has_statistics", "True"),
    ("the batch is not counted", "seen.add_(1)", "seen.add_(0)"),
    (
        "the average of all batches",
        "1 / int(seen)",
        "1 / (1 + int(seen))",
    ),
    (
        "running statistics stay, large planes",
        "            update_running(",
        "            (lambda *_: None)(",
    ),
    (
        "running statistics stay, small planes",
        "mean, var = (layer.running_mean, layer.running_var) if self.tracks",
        "mean, var = (None, None) if self.tracks",
    ),
    ("istd again: exponent", "var = istd.pow(-2)", "var = istd.pow(-1)"),
    (
        "batch norm: the mean forgotten (Eq. 65)",
        "share * istd * s1, share * s0)",
        "share * istd * s1, 0 * s0)",
    ),
    (
        "batch norm: along xhat forgotten (Eq. 65)",
        "share * istd * s1, share * s0)",
        "0 * istd * s1, share * s0)",
    ),
    (
        "batch norm: gamma forgotten (Eq. 65)",
        "a = x - mean, sample_axes(x), times(istd, gamma)",
        "a = x - mean, sample_axes(x), istd",
    ),
    ("given statistics: taken for the batch's", "if not is_batch:", "if False:"),
    ("what the layer refuses is taken", "            self.layer(x)\n", "            pass\n"),
]
