"""Mutants of PReLU: what breaks, the old text, the new text."""

KEYWORD = "PReLU or prelu"
MUTANTS = [
    (
        "delta passes everywhere",
        "torch.where(input > 0, grad_output, weight * grad_output)",
        "grad_output",
    ),
    ("x is missing in the weight's gradient", "grad_output * input)", "grad_output)"),
    (
        "x > 0 has a share in the weight's gradient",
        "torch.where(input > 0, 0, grad_output * input)",
        "(grad_output * input)",
    ),
    (
        "the sum over the batch is missing",
        ".sum_to_size(weight.shape)",
        ".mean(0, keepdim=True).sum_to_size(weight.shape)",
    ),
    ("the tangent of w is missing", " + input * d_weight)", ")"),
    ("the tangent of x is not scaled", "weight * d_input + input", "d_input + input"),
    (
        "autocast is ignored",
        "input, weight = autocast_lower(input, weight)",
        "input, weight = input, weight",
    ),
    ("slopes lie along another axis", "if axis == 1 else 1", "if axis == 0 else 1"),
    ("any number of slopes is taken", "weight.numel() not in (1, channels)", "False"),
]
