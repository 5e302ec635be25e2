"""Mutants of the squared error: what breaks, the old text, the new text."""

KEYWORD = "mse or squared_error"
MUTANTS = [
    (
        "no factor 2 (Eq. 30)",
        "2 * grad_loss * (input - target)",
        "grad_loss * (input - target)",
    ),
    (
        "a norm for a vector (Eq. 30 as printed)",
        "2 * grad_loss * (input - target)",
        "2 * grad_loss * (input - target).norm().expand_as(input)",
    ),
    ("sign of dL/dy", "-grad_input if needs_target", "grad_input if needs_target"),
    (
        "the weight is forgotten in dL/dyhat",
        "return grad_input if weight is None else grad_input * weight",
        "return grad_input",
    ),
    (
        "dL/dv forgets that the mean divides by sum v",
        "(errors - (weight * errors).sum() / weight.sum())",
        "errors",
    ),
    (
        "dL/dv takes the mean without the weights",
        "(weight * errors).sum() / weight.sum()",
        "errors.mean()",
    ),
    (
        "the weighted mean divides by the number of elements",
        "losses.numel() if weight is None else weight.sum()",
        "losses.numel()",
    ),
    ("sign of the target's tangent", "(d_input - d_target)", "(d_input + d_target)"),
    (
        "the tangent of the weight is dropped",
        "return d_output + reduce(by_weight, ctx.reduction, 1)",
        "return d_output",
    ),
]
