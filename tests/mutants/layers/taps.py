"""Mutants of the maps made of taps: what breaks, the old text, the new text."""

KEYWORD = "average_pooling or AvgPool or avg_pool or resize or Upsampl"
MUTANTS = [
    (
        "the first axis alone",
        "enumerate(taps, start=-len(taps)):",
        "enumerate(taps[:1], start=-len(taps)):",
    ),
    (
        "axes exchanged",
        "enumerate(taps, start=-len(taps)):",
        "enumerate(taps[::-1], start=-len(taps)):",
    ),
    (
        "weights forgotten",
        "shares = w * grad_output",
        "shares = grad_output",
    ),
    (
        "the first tap's weight for all",
        "taps.weights.select(1, t)",
        "taps.weights.select(1, 0)",
    ),
    (
        "the last tap at a place instead of the sum",
        "grad_input.index_add_(axis, m, shares)",
        "grad_input.index_copy_(axis, m, shares)",
    ),
    (
        "summed in half precision",
        "grad_output.to(precise(grad_output.dtype))",
        "grad_output.clone()",
    ),
    (
        "float64 in single precision",
        "torch.float64 if dtype == torch.float64 else torch.float32",
        "torch.float32",
    ),
]
