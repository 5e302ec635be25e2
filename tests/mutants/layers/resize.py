"""Mutants of resizing: what breaks, the old text, the new text."""

KEYWORD = "resize or Upsampl"
MUTANTS = [
    (
        "align_corners: the outer edges meet",
        "return (size - 1) / (outputs - 1) if outputs > 1 else 0.0",
        "return size / outputs",
    ),
    (
        "align_corners: one output is made of nothing",
        "if outputs > 1 else 0.0",
        "if outputs > 1 else 1.0",
    ),
    (
        "scale_factor: x[i] by the sizes",
        "if scale is None or self.recompute_scale_factor:",
        "if True:",
    ),
    (
        "recompute_scale_factor: x[i] by scale_factor",
        "if scale is None or self.recompute_scale_factor:",
        "if scale is None:",
    ),
    (
        "scale_factor: one for all axes",
        "scale[axis] if isinstance(scale, tuple)",
        "scale[0] if isinstance(scale, tuple)",
    ),
    (
        "half a scale_factor passes for a whole one",
        "float(scale) % 1 == 0",
        "float(scale) % 1 < 1",
    ),
    (
        "a column's size is not turned with it",
        "size = self.size[::-1] if",
        "size = self.size if",
    ),
    (
        "a column's scale_factor is not turned with it",
        "scale = scale[::-1] if",
        "scale = scale if",
    ),
    (
        "a column is as torch has it",
        "if resizing.antialias and output.shape[2] > 1 == output.shape[3]:",
        "if False:",
    ),
    (
        "a plane of the same size is copied by any scale_factor",
        "size == 1 or self.step(axis, size) == 1 for",
        "True for",
    ),
    (
        "a plane of the same size is not copied: 0 * inf",
        'if resizing.mode == "bicubic" and not',
        "if False and not",
    ),
    ("linear: f(t) = 1 - t", "return 1 - distance.abs()", "return 1 - distance"),
    ("cubic: the sign of a next to x", "(a + 2) * t - (a + 3)", "(a + 2) * t - (a - 3)"),
    ("cubic: the tail's factor", "((t - 5) * t + 8) * t - 4", "((t - 5) * t + 8) * t - 5"),
    ("cubic: a", "cubic_kernel, a=-0.75", "cubic_kernel, a=-0.5"),
    ("cubic with antialias: a", "cubic_kernel, a=-0.5)", "cubic_kernel, a=-0.75)"),
    (
        "lanczos: the window",
        "torch.sinc(distance / 3)",
        "torch.sinc(distance / 2)",
    ),
    (
        "nearest: torch's rounding for channels_last",
        "if resizing.mode in NEAREST and (input",
        "if False and (input",
    ),
    (
        "nearest: float64 in torch's rounding for channels_last",
        "input.dtype == torch.float64 or",
        "",
    ),
    (
        "nearest: another place",
        ".reshape(outputs, -1).narrow(1, 0, 1)",
        ".reshape(-1, outputs).narrow(0, 0, 1).mT",
    ),
    (
        "antialias: half a place off",
        "step * (i + 0.5), step, *ANTI",
        "step * i, step, *ANTI",
    ),
    (
        "align_corners: half a place off",
        "step * i if resizing.align_corners else step * (i + 0.5) - 0.5",
        "step * (i + 0.5) - 0.5",
    ),
    (
        "the outer centres meet throughout",
        "step * i if resizing.align_corners else step * (i + 0.5) - 0.5",
        "step * i",
    ),
    ("linear: an axis of the same size is left alone", "if size == outputs:", "if False:"),
    ("linear: x before the first place", "centres.clamp(min=0), *LINEAR", "centres, *LINEAR"),
    (
        "linear: X[i] + X[i] along an axis of the same size",
        "1 - torch.arange(2,",
        "1 - 0 * torch.arange(2,",
    ),
    ("the first place around x", "torch.arange(1 - reach,", "torch.arange(2 - reach,"),
    ("the last place around x", ", 1 + reach,", ", reach,"),
    ("a place outside of X", ".clamp(0, size - 1), weights", ".clamp(0, size), weights"),
    ("antialias: a kernel shrunk", "stretch = max(1.0, step)", "stretch = step"),
    ("antialias: a kernel as it is", "stretch = max(1.0, step)", "stretch = 1.0"),
    (
        "antialias: the first place",
        "(centres - radius + 0.5)",
        "(centres - radius + 1.5)",
    ),
    ("antialias: the last place", "(centres + radius + 0.5)", "(centres + radius - 0.5)"),
    ("antialias: as many places as there are", "2 * math.ceil(radius) + 1", "math.ceil(radius)"),
    ("antialias: the centre of a place", ".unsqueeze(1) + 0.5) * (1", ".unsqueeze(1)) * (1"),
    ("antialias: weights beyond the kernel", "weights.masked_fill(beyond, 0)", "weights"),
    (
        "antialias: weights that do not add up to one",
        "weights = weights / weights.sum(1, keepdim=True)",
        "weights = weights / stretch",
    ),
    (
        "antialias is forgotten",
        "antialias=resizing.antialias,",
        "antialias=False,",
    ),
    (
        "recompute_scale_factor is forgotten",
        "*options, self.recompute_scale_factor)",
        "*options)",
    ),
]
