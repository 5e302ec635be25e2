"""Mutants of stochastic gradient descent: what breaks, the old text, the new text."""

KEYWORD = "sgd"
MUTANTS = [
    (
        "sign of the step (Eq. 20)",
        "return param - lr * grad, velocity",
        "return param + lr * grad, velocity",
    ),
    ("sign of weight decay", "grad + weight_decay * param", "grad - weight_decay * param"),
    ("maximize does nothing", "grad = -grad", "grad = grad"),
    ("dampening added", "(1 - dampening) * grad", "(1 + dampening) * grad"),
    (
        "dampening of the first gradient",
        "grad.clone() if velocity",
        "(1 - dampening) * grad if velocity",
    ),
    (
        "momentum and 1 - dampening change places",
        "momentum * velocity + (1 - dampening) * grad",
        "(1 - dampening) * velocity + momentum * grad",
    ),
    (
        "Nesterov's step without the gradient",
        "direction = grad + momentum * velocity if",
        "direction = momentum * velocity if",
    ),
    (
        "Nesterov's step without momentum",
        "direction = grad + momentum * velocity if",
        "direction = grad + velocity if",
    ),
    (
        "sign of the step with momentum",
        "return param - lr * direction",
        "return param + lr * direction",
    ),
]
