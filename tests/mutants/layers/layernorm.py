"""Mutants of layer normalisation: what breaks, the old text, the new text."""

KEYWORD = "LayerNorm or layer_norm or layernorm"
MUTANTS = [
    (
        "the last axis alone is normalised over",
        "last = tuple(range(input.dim() - len(shape), input.dim()))",
        "last = (input.dim() - 1,)",
    ),
    (
        "gamma is taken for beta",
        "for v in (weight, bias))\n    output",
        "for v in (bias, weight))\n    output",
    ),
    (
        "the first axes are compared",
        "input.shape[-len(shape) :] != shape",
        "input.shape[: len(shape)] != shape",
    ),
    ("any gamma will do", "if value is not None and value.shape != shape", "if False"),
    ("no axis at all", "if not shape:", "if False:"),
]
