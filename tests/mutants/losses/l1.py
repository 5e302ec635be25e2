"""Mutants of the absolute, the smooth and Huber's error: what breaks, the old text, the new."""

KEYWORD = "l1 or huber or L1 or Huber"
MUTANTS = [
    (
        "sign of dL/dz",
        "return delta * (input - target).sign()",
        "return -delta * (input - target).sign()",
    ),
    ("the sign is an error", "(input - target).sign()", "(input - target)"),
    ("the smooth slope is not cut off", ".clamp(-1, 1)", ""),
    ("the smooth slope without 1 / beta", "((input - target) / beta)", "(input - target)"),
    ("the smooth parabola is too steep", "error * error / (2 * beta)", "error * error / beta"),
    ("the smooth line has a step", "error - beta / 2", "error - beta"),
    ("the parabola of beta ends elsewhere", "error < beta,", "error < 1,"),
    ("Huber's parabola is too steep", "error * error / 2,", "error * error,"),
    ("Huber's line has a step", "bound * (error - bound / 2)", "bound * error"),
    ("Huber's line has slope 1", "bound * (error - bound / 2)", "error - bound / 2"),
    ("Huber's slope is not cut off", ".clamp(-bound, bound)", ""),
    ("dL/dy is not the opposite", "opposite(huber_grad)", "huber_grad"),
    (
        "the weighted mean divides by the elements",
        '"weighted mean" if reduction == "mean" else reduction',
        "reduction",
    ),
    ("no absolute error for beta = 0", "if beta == 0:", "if beta == -1:"),
]
