"""Mutants of the focal loss: what breaks, the old text, the new text."""

KEYWORD = "focal"
MUTANTS = [
    ("sign of the cross-entropy", "return -(target * log", "return (target * log"),
    (
        "yes for no in the cross-entropy",
        "(1 - target) * log_sigmoid(-input)",
        "(1 - target) * log_sigmoid(input)",
    ),
    (
        "the hit for the miss",
        "target * sigmoid(-input) + (1 - target) * sigmoid(input)",
        "target * sigmoid(input) + (1 - target) * sigmoid(-input)",
    ),
    (
        "a miss may be 0",
        "torch.where(missed == 0, torch.finfo(missed.dtype).tiny, missed)",
        "missed",
    ),
    (
        "alpha and 1 - alpha change places",
        "target * alpha + (1 - target) * (1 - alpha)",
        "target * (1 - alpha) + (1 - target) * alpha",
    ),
    ("the exponent is not lowered", "missed ** (gamma - 1)", "missed**gamma"),
    ("no factor gamma", "by_miss = gamma * surprise", "by_miss = surprise"),
    ("the miss does not weigh the slope", "missed**gamma * d_surprise", "d_surprise"),
    ("the miss is not differentiated", " + by_miss * d_miss", ""),
    ("sign of dq/dx", "(1 - 2 * target) * yes * no", "(2 * target - 1) * yes * no"),
    ("sign of dc/dx", "(1 - target) * yes - target * no", "target * no - (1 - target) * yes"),
    ("sign of dc/dy", "= -input, sigmoid", "= input, sigmoid"),
    ("sign of dq/dy", "sigmoid(-input) - sigmoid(input)", "sigmoid(input) - sigmoid(-input)"),
    ("alpha is not differentiated", "slope + (2 * alpha - 1) * focal", "slope + 0 * focal"),
]
