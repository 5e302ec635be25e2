"""Mutants of the activations in straight pieces: what breaks, the old text, the new text."""

KEYWORD = "Hardtanh or ReLU6 or LeakyReLU or Hardsigmoid or Hardswish or hardtanh"
MUTANTS = [
    (
        "hardtanh: delta passes at the lower bound",
        "(input > min_val) & (input < max_val)",
        "(input >= min_val) & (input < max_val)",
    ),
    (
        "hardtanh: delta passes above the upper bound",
        "(input > min_val) & (input < max_val)",
        "(input > min_val)",
    ),
    (
        "hardtanh: an infinite delta times 0",
        "torch.where((input > min_val) & (input < max_val), grad_output, 0)",
        "grad_output * ((input > min_val) & (input < max_val))",
    ),
    ("hardtanh: any bounds are taken", "if min_val > max_val:", "if False:"),
    (
        "leaky_relu: >= for > at the bend",
        "torch.where(input > 0, grad_output, negative_slope * grad_output)",
        "torch.where(input >= 0, grad_output, negative_slope * grad_output)",
    ),
    (
        "leaky_relu: the slope is missing",
        "torch.where(input > 0, grad_output, negative_slope * grad_output)",
        "torch.where(input > 0, grad_output, 0)",
    ),
    ("hardsigmoid: a factor", "grad_output / 6, 0)", "grad_output / 3, 0)"),
    (
        "hardsigmoid: <= for < at the upper bend",
        "(input > -3) & (input < 3)",
        "(input > -3) & (input <= 3)",
    ),
    ("hardswish: a term is missing", "(input / 3 + 0.5)", "(input / 6 + 0.5)"),
    (
        "hardswish: the line does not end",
        "torch.where(input >= 3, grad_output, grad_output * (input / 3 + 0.5))",
        "grad_output * (input / 3 + 0.5)",
    ),
    (
        "hardswish: < for <= at the lower bend",
        "torch.where(input <= -3, 0, rising)",
        "torch.where(input < -3, 0, rising)",
    ),
    ("relu6: 6 is 3", "hardtanh(input, 0.0, 6.0, inplace)", "hardtanh(input, 0.0, 3.0, inplace)"),
]
