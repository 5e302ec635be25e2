"""Mutants of the fully connected layer: what breaks, the old text, the new text."""

KEYWORD = "linear"
MUTANTS = [
    (
        "sign of dL/dX (Eq. 31)",
        "return linear(grad_output, weight.t())",
        "return -linear(grad_output, weight.t())",
    ),
    (
        "dL/dW transposed (Eq. 32)",
        "linear(rows(grad_output).t(), rows(input).t())",
        "linear(rows(input).t(), rows(grad_output).t())",
    ),
    (
        "dL/dW divided by the number of rows",
        "linear(rows(grad_output).t(), rows(input).t())",
        "linear(rows(grad_output).t(), rows(input).t()) / len(rows(input))",
    ),
    (
        "no sum over the rows in dL/db (Eq. 33 as printed)",
        "rows(grad_output).sum(0)",
        "rows(grad_output)[0]",
    ),
    ("mean for the sum in dL/db", "rows(grad_output).sum(0)", "rows(grad_output).mean(0)"),
    (
        "the bias is left out of the forward pass",
        "torch.nn.functional.linear(input, weight, bias)",
        "torch.nn.functional.linear(input, weight)",
    ),
    (
        "input and weight are saved for each other's gradient",
        "input if needs_weight else None, weight if needs_input else None",
        "input if needs_input else None, weight if needs_weight else None",
    ),
    (
        "the tangent of the input is dropped",
        "return linear(d_input, weight) + linear(input, d_weight, d_bias)",
        "return linear(input, d_weight, d_bias)",
    ),
    (
        "the tangent of the bias is dropped",
        "linear(input, d_weight, d_bias)",
        "linear(input, d_weight)",
    ),
]
