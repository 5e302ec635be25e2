"""Mutants of the smooth activations: what breaks, the old text, the new text."""

KEYWORD = "ELU or Softplus or elu or softplus"
MUTANTS = [
    ("elu: the scale is missing above 0", "scale * grad_output,", "grad_output,"),
    ("elu: the scale is missing below 0", "scale * alpha * rate", "alpha * rate"),
    ("elu: the inner derivative is missing", "scale * alpha * rate", "scale * alpha"),
    ("elu: the rate is missing in the exponent", "torch.exp(rate * input", "torch.exp(input"),
    ("elu: exp of a large x makes the second order nan", "input.clamp(max=0)", "input"),
    ("elu: >= for > at the bend", "torch.where(input > 0", "torch.where(input >= 0"),
    ("celu: the rate is alpha", "1.0 / alpha, inplace", "alpha, inplace"),
    ("celu: alpha may be 0", "if alpha == 0:", "if False:"),
    ("softplus: beta is missing", "z = beta * input", "z = 1 * input"),
    (
        "softplus: no straight line",
        "torch.where(z > threshold, grad_output, grad_output * sigmoid(z))",
        "grad_output * sigmoid(z)",
    ),
    ("softplus: the derivative of the sigmoid", "* sigmoid(z))", "* sigmoid(z) * sigmoid(-z))"),
]
