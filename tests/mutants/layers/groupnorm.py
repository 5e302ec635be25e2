"""Mutants of group normalisation: what breaks, the old text, the new text."""

KEYWORD = "GroupNorm or group_norm or groupnorm"
MUTANTS = [
    (
        "channels of all groups are normalised together",
        "tuple(range(2, input.dim() + 1))",
        "tuple(range(1, input.dim() + 1))",
    ),
    (
        "the pixels alone are normalised over",
        "tuple(range(2, input.dim() + 1))",
        "tuple(range(3, input.dim() + 1)) or (2,)",
    ),
    (
        "groups and channels of a group change places",
        "grouped = (num_groups, channels // num_groups)",
        "grouped = (channels // num_groups, num_groups)",
    ),
    (
        "gamma is taken for beta",
        "for v in (weight, bias))\n    axes",
        "for v in (bias, weight))\n    axes",
    ),
    ("one value will do", "* math.prod(pixels) == 1:", "* math.prod(pixels) < 0:"),
    ("any number of groups", "if channels < 1 or channels % num_groups:", "if channels < 1:"),
]
