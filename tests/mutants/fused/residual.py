"""Mutants of the end of a residual block: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    ("the shortcut is forgotten", "total = input + shortcut", "total = input + 0 * shortcut"),
    ("the shortcut gets no gradient", "return delta, delta", "return delta, 0 * delta"),
    (
        "ReLU forgotten in the backward pass",
        "delta = relu_grad_input(grad_output, output)",
        "delta = grad_output",
    ),
    ("forward mode: the shortcut is forgotten", "d_input + d_shortcut", "d_input + 0 * d_shortcut"),
]
