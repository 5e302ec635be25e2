"""Mutants of the Kullback-Leibler divergence: what breaks, the old text, the new text."""

KEYWORD = "kl_div or KLDiv"
MUTANTS = [
    ("y log y is forgotten", "torch.xlogy(target, target) - target * input", "-target * input"),
    ("sign of dL/dx", "return -delta * target\n", "return delta * target\n"),
    (
        "the 1 in dL/dy",
        "delta * target.log() + delta - delta * input",
        "delta * (target.log() - input)",
    ),
    ("sign of x in dL/dy", "+ delta - delta * input", "+ delta + delta * input"),
    (
        "the divergence the other way round",
        "target.exp() * (target - input)\n",
        "target.exp() * (input - target)\n",
    ),
    ("sign of dL/dx of logarithms", "return -delta * target.exp()", "return delta * target.exp()"),
    ("exp forgotten in dL/dx", "return -delta * target.exp()", "return -delta * target"),
    (
        "the 1 in dL/dy of logarithms",
        "delta * p * (target - input) + delta * p",
        "delta * p * (target - input)",
    ),
    (
        "logarithms and probabilities change places",
        "LogKLDivFunction if log_target else KLDivFunction",
        "KLDivFunction if log_target else LogKLDivFunction",
    ),
]
