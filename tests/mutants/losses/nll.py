"""Mutants of the negative log-likelihood: what breaks, the old text, the new text."""

KEYWORD = "nll or NLL"
MUTANTS = [
    ("sign of dL/dx", "return -target_mass(grad_loss", "return target_mass(grad_loss"),
    (
        "class weights forgotten in dL/dx",
        "target_mass(grad_loss, input, target, weight,",
        "target_mass(grad_loss, input, target, None,",
    ),
    (
        "class weights forgotten in the tangent",
        "target_mass(one, input, target, weight,",
        "target_mass(one, input, target, None,",
    ),
    ("sign of the tangent", "d_losses = -(mass * d_input)", "d_losses = (mass * d_input)"),
    (
        "the mean's gradient does not divide by the weights",
        "count = mean_count(input, target, weight, ctx.options)\n        grad_loss",
        "count = target.numel()\n        grad_loss",
    ),
    (
        "the mean's tangent does not divide by the weights",
        "count = mean_count(input, target, weight, ctx.options)\n        return reduce(",
        "count = target.numel()\n        return reduce(",
    ),
    ("the ignored class is forgotten", "ignore_index=options.ignore_index,", "ignore_index=-100,"),
]
