"""Mutants of the pieces of a run: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    (
        "dL/dX of a product is turned",
        "delta @ weight if needs_input",
        "delta @ weight.flip(0) if needs_input",
    ),
    (
        "dL/dW of a product: one row",
        "deltas.t() @ rows(passed.x)",
        "deltas[:1].t() @ rows(passed.x)[:1]",
    ),
    ("dL/db of a product is a mean", "deltas.sum(0) if needs", "deltas.mean(0) if needs"),
    ("evaluation takes the batch's statistics", "self.layer.training or", "True or"),
    ("the batch is not counted", "num_batches_tracked.add_(1)", "num_batches_tracked.add_(0)"),
    (
        "the average of all batches",
        "1 / int(layer.num_batches_tracked)",
        "1 / (1 + int(layer.num_batches_tracked))",
    ),
    (
        "running statistics stay, large planes",
        "            update_running(",
        "            (lambda *_: None)(",
    ),
    (
        "running statistics stay, small planes",
        "mean, var = (layer.running_mean, layer.running_var) if tracks",
        "mean, var = (None, None) if tracks",
    ),
    ("istd again: exponent", "istd.pow(-2)", "istd.pow(-1)"),
    (
        "batch norm: the mean forgotten (Eq. 65)",
        "share * istd * s1, share * s0)",
        "share * istd * s1, 0 * s0)",
    ),
    (
        "batch norm: along xhat forgotten (Eq. 65)",
        "share * istd * s1, share * s0)",
        "0 * istd * s1, share * s0)",
    ),
    (
        "batch norm: gamma forgotten (Eq. 65)",
        "a = x - mean, sample_axes(x), times(istd, gamma)",
        "a = x - mean, sample_axes(x), istd",
    ),
    (
        "given statistics: taken for the batch's",
        "if not is_batch:",
        "if False:",
    ),
    (
        "an activation overwrites what is not fresh",
        "if is_fresh and self.function",
        "if self.function",
    ),
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
    ("a picture's channels are many", "layer.in_channels <= FEW_CHANNELS", "False"),
    (
        "groups are no groups",
        "not any(self.layer.padding) and self.layer.groups == 1",
        "not any(self.layer.padding)",
    ),
    (
        "padding is none",
        "not any(self.layer.padding) and self.layer.groups == 1",
        "self.layer.groups == 1",
    ),
    ("what the layer refuses is taken", "            self.layer(x)\n", "            pass\n"),
]
