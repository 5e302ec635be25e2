"""Mutants of binary cross-entropy: what breaks, the old text, the new text."""

KEYWORD = "binary or BCE"
MUTANTS = [
    (
        "sign of dL/dp",
        "return delta * (input - target) / ((1",
        "return delta * (target - input) / ((1",
    ),
    ("the denominator without 1 - p", "((1 - input) * input)", "(input)"),
    (
        "a larger smallest denominator",
        "SMALLEST_DENOMINATOR = 1e-12",
        "SMALLEST_DENOMINATOR = 1e-6",
    ),
    ("sign of dL/dy", "((-input).log1p() - input.log())", "(input.log() - (-input).log1p())"),
    ("log(1 + p) for log(1 - p)", "(-input).log1p()", "input.log1p()"),
    ("sign of the log-sigmoid's slope", "-torch.expm1(output)", "torch.expm1(output)"),
    ("the log-sigmoid's slope is its rest", "-torch.expm1(output)", "torch.exp(output)"),
    ("the weight of yes counts for no", "1 + (pos_weight - 1) * target", "pos_weight"),
    (
        "the weight of yes is forgotten",
        "1.0 if pos_weight is None else 1 +",
        "1.0 if True else 1 +",
    ),
    (
        "sign of dL/dx",
        "delta * (sigmoid(input) - target)",
        "delta * (target - sigmoid(input))",
    ),
    (
        "dL/dx with the weight of yes takes the other tail",
        "yes_or_no(target, pos_weight) * sigmoid(-input))",
        "yes_or_no(target, pos_weight) * sigmoid(input))",
    ),
    ("sign of dL/dy of logits", "return -delta * input\n", "return delta * input\n"),
    (
        "dL/dy without the weight of yes",
        "log_sigmoid(-input) - pos_weight * log_sigmoid(input)",
        "log_sigmoid(-input) - log_sigmoid(input)",
    ),
    (
        "sign of dL/dw",
        "return -delta * target * log_sigmoid(input)",
        "return delta * target * log_sigmoid(input)",
    ),
]
