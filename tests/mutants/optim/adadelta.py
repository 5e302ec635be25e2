"""Mutants of Adadelta: what breaks, the old text, the new text."""

KEYWORD = "adadelta"
MUTANTS = [
    (
        "rho and 1 - rho change places",
        "rho * square_avg + (1 - rho) * grad.square()",
        "(1 - rho) * square_avg + rho * grad.square()",
    ),
    ("the gradient is not squared", "(1 - rho) * grad.square()", "(1 - rho) * grad.abs()"),
    ("eps outside the root of the steps", "(acc_delta + eps).sqrt()", "(acc_delta.sqrt() + eps)"),
    (
        "eps outside the root of the gradients",
        "(square_avg + eps).sqrt()",
        "(square_avg.sqrt() + eps)",
    ),
    ("sign of the step", "step = -(acc_delta", "step = (acc_delta"),
    ("the learning rate is forgotten", "return param + lr * step", "return param + step"),
    (
        "the average of the steps takes the gradient",
        "rho * acc_delta + (1 - rho) * step.square()",
        "rho * acc_delta + (1 - rho) * grad.square()",
    ),
    ("sign of weight decay", "grad + weight_decay * param", "grad - weight_decay * param"),
    ("maximize does nothing", "grad = -grad", "grad = grad"),
]
