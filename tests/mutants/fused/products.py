"""Mutants of products in a run: what breaks, the old text, the new text."""

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
]
