"""Mutants of Adam: what breaks, the old text, the new text."""

KEYWORD = "adam"
MUTANTS = [
    (
        "beta1 and 1 - beta1 change places",
        "beta1 * exp_avg + (1 - beta1) * grad",
        "(1 - beta1) * exp_avg + beta1 * grad",
    ),
    ("the gradient is not squared", "(1 - beta2) * grad.square()", "(1 - beta2) * grad.abs()"),
    ("m is not corrected for its start", "lr / (1 - beta1**step)", "lr"),
    ("v is not corrected for its start", "size.sqrt() / sqrt(1 - beta2**step)", "size.sqrt()"),
    ("no root of the correction", "sqrt(1 - beta2**step)", "(1 - beta2**step)"),
    (
        "eps under the root",
        "size.sqrt() / sqrt(1 - beta2**step) + eps",
        "(size / (1 - beta2**step) + eps).sqrt()",
    ),
    ("sign of the step", "return param - step_size", "return param + step_size"),
    (
        "AMSGrad takes the smallest",
        "torch.maximum(max_exp_avg_sq, exp_avg_sq)",
        "torch.minimum(max_exp_avg_sq, exp_avg_sq)",
    ),
    (
        "AMSGrad remembers, but does not divide",
        "size = max_exp_avg_sq = torch",
        "max_exp_avg_sq = torch",
    ),
    ("AMSGrad is forgotten", "largest is not None", "largest is None"),
    ("sign of weight decay", "grad + weight_decay * param", "grad - weight_decay * param"),
    (
        "decoupled decay without the learning rate",
        "(1 - lr * weight_decay) * param",
        "(1 - weight_decay) * param",
    ),
    ("decay is never decoupled", "if decoupled_weight_decay:", "if False:"),
    ("maximize does nothing", "grad = -grad", "grad = grad"),
    (
        "the step does not count",
        'state["step"] = state["step"] + 1',
        'state["step"] = torch.ones(())',
    ),
]
