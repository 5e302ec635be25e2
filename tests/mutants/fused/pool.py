"""Mutants of pooling in a run: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    ("ReLU after pooling forgotten", "return y.relu_(), kept", "return y, kept"),
    (
        "ReLU after pooling forgotten in the backward pass",
        "super().backward(relu_grad_input(delta, passed.y), passed",
        "super().backward(delta, passed",
    ),
    (
        "watched: ReLU after pooling forgotten",
        "return apply(ReLUFunction, y), kept",
        "return y, kept",
    ),
]
