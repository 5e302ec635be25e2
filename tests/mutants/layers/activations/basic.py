"""Mutants of the report's activations: what breaks, the old text, the new text."""

KEYWORD = "relu or sigmoid or tanh"
MUTANTS = [
    ("relu by bits: delta does not pass where y is nan", "output.abs().view", "output.view"),
    ("relu by bits: everything passes", ".neg_()", ".bitwise_not_()"),
    ("sigmoid: sign (Eq. 11)", "(output * (1 - output))", "(output * (1 + output))"),
    ("sigmoid: a factor is missing (Eq. 11)", "(output * (1 - output))", "(1 - output)"),
    ("tanh: exponent (Eq. 12)", "(1 - output * output)", "(1 - output)"),
    (
        "relu: < for <= lets everything pass",
        "grad_output.masked_fill(output <= 0, 0)",
        "grad_output.masked_fill(output < 0, 0)",
    ),
    (
        "relu: delta does not pass where y is nan",
        "grad_output.masked_fill(output <= 0, 0)",
        "torch.where(output > 0, grad_output, 0)",
    ),
    (
        "relu: nan of delta passes where y is 0",
        "grad_output.masked_fill(output <= 0, 0)",
        "grad_output * (output > 0)",
    ),
    (
        "the tangent is handed on as it is",
        "return grad_input(d_input, kept, *ctx.options)",
        "return d_input",
    ),
    (
        "in place: the tangent is handed on as it is",
        "d_input.copy_(relu_grad_input(d_input, output))",
        "d_input",
    ),
    (
        "in place under a transform: the input is not overwritten",
        "return input.copy_(apply(function, input.clone(), *options))",
        "return apply(function, input.clone(), *options)",
    ),
    (
        "in place: what is kept is overwritten",
        "apply(function, input.clone(), *options)",
        "apply(function, input, *options)",
    ),
]
