"""Mutants of batch normalisation: what breaks, the old text, the new text."""

KEYWORD = "norm"
MUTANTS = [
    (
        "the samples are not summed over",
        "return (0, *range(2, input.dim()))",
        "return tuple(range(2, input.dim())) or (0,)",
    ),
    (
        "alpha and 1 - alpha change places (Eq. 56-57)",
        "running.mul_(1 - momentum).add_(momentum * batch)",
        "running.mul_(momentum).add_((1 - momentum) * batch)",
    ),
    (
        "the running variance is biased",
        "_over_instances(var) * (n / (n - 1))",
        "_over_instances(var)",
    ),
    (
        "evaluation: gamma forgotten in dL/dX",
        "grad_input = grad_output * times(istd, weight)",
        "grad_input = grad_output * istd",
    ),
    (
        "evaluation: the tangent of the input is dropped",
        "d_output = d_input * times(istd, weight)",
        "d_output = torch.zeros_like(input)",
    ),
    (
        "evaluation: the tangent of gamma without istd",
        "(input - mean) * (istd * d_weight)",
        "(input - mean) * d_weight",
    ),
    ("eps may be 0 in training", "(training and eps == 0)", "(training and eps < 0)"),
    (
        "a channel may have one value in training",
        "if training and input.numel() == input.shape[1] > 0",
        "if training and False",
    ),
    (
        "the average of all batches counts one too many",
        "1 / (seen + 1)",
        "1 / (seen + 2)",
    ),
    (
        "the batch is not counted",
        "seen.add_(1)",
        "seen.add_(0)",
    ),
    (
        "evaluation ignores the running statistics",
        "uses_running = tracks or not self.training",
        "uses_running = tracks",
    ),
]
