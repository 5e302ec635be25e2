"""Mutants of instance normalisation: what breaks, the old text, the new text."""

KEYWORD = "InstanceNorm or instance_norm or instancenorm"
MUTANTS = [
    (
        "the samples are normalised together",
        "axes = Axes(tuple(range(2, input.dim())), CHANNELS)",
        "axes = Axes((0, *range(2, input.dim())), CHANNELS)",
    ),
    (
        "one value per instance will do",
        "if use_input_stats and math.prod(input.shape[2:]) == 1:",
        "if False:",
    ),
    (
        "one value per instance never does",
        "if use_input_stats and math.prod(input.shape[2:]) == 1:",
        "if math.prod(input.shape[2:]) == 1:",
    ),
    (
        "evaluation uses the input's statistics",
        "self.training or not self.track_running_stats,",
        "True,",
    ),
    (
        "no momentum means the batch alone",
        "0.0 if self.momentum is None",
        "1.0 if self.momentum is None",
    ),
    ("one sample is taken for a batch", "input.dim() == self.axes + 1", "input.dim() == self.axes"),
    ("another number of channels with parameters", "if self.affine:", "if False:"),
]
