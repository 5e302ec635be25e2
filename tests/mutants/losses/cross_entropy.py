"""Mutants of cross-entropy: what breaks, the old text, the new text."""

KEYWORD = "entropy or class_weights"
MUTANTS = [
    (
        "by index: the mass is not taken from p",
        ".mul_(mass).scatter_add_(axis, classes, -mass)",
        ".mul_(mass)",
    ),
    ("by index: class weights forgotten", "mass = mass * weight[classes]", "pass"),
    (
        "by index: ignored targets count",
        "mass = torch.where(counts, scale, 0)  #",
        "mass = scale  #",
    ),
    (
        "by index: smoothing forgotten",
        "is_floating_point() or options.label_smoothing)",
        "is_floating_point())",
    ),
    (
        "label smoothing: 1 - e forgotten",
        "return (1 - smoothing) * distribution + smoothing / distribution.shape[axis]",
        "return distribution + smoothing / distribution.shape[axis]",
    ),
    (
        "label smoothing: e over C - 1 classes",
        "smoothing / distribution.shape[axis]",
        "smoothing / (distribution.shape[axis] - 1)",
    ),
    (
        "label smoothing of class indices: e is not divided by C",
        "scale * (smoothing / input.shape[axis])",
        "scale * smoothing",
    ),
    (
        "label smoothing of class indices: 1 - e forgotten",
        "(1 - smoothing) * scale)",
        "scale)",
    ),
    (
        "ignored targets are not masked",
        "    scale = torch.where(counts, scale, 0)\n",
        "",
    ),
    ("class weights forgotten", "return weights * mass", "return mass"),
    (
        "the mean counts ignored targets",
        "(counts if weight is None else",
        "(torch.ones_like(target) if weight is None else",
    ),
    (
        "the weighted mean counts ignored targets",
        "torch.where(counts, weight[classes], 0)",
        "weight[classes]",
    ),
    (
        "the weighted mean counts targets",
        "torch.where(counts, weight[classes], 0)",
        "counts",
    ),
    (
        "the mean over distributions divides by the samples only",
        "return input.numel() // input.shape[class_axis(input)]",
        "return input.shape[0]",
    ),
    (
        "sign of dL/dx",
        "grad_log_p = -target_mass(",
        "grad_log_p = target_mass(",
    ),
    (
        "sign of dL/dq",
        "grad_target = -grad_loss * weights",
        "grad_target = grad_loss * weights",
    ),
    (
        "1 - e forgotten in dL/dq",
        "weights * (1 - options.label_smoothing) * log_p",
        "weights * log_p",
    ),
    (
        "label smoothing forgotten in dL/dw",
        "by_sample = -grad_loss * distribution * log_p",
        "by_sample = -grad_loss * target * log_p",
    ),
    (
        "mean for the sum in dL/dw",
        ".flatten(1).sum(1)",
        ".flatten(1).mean(1)",
    ),
    (
        "sign of the tangent",
        "d_losses = -(mass * log_softmax_tangent",
        "d_losses = (mass * log_softmax_tangent",
    ),
    (
        "the tangent of the probabilities is dropped",
        "d_losses = d_losses - (d_mass * log_p).sum(axis)",
        "d_losses = d_losses - 0 * (d_mass * log_p).sum(axis)",
    ),
    (
        "the tangent of the class weights is dropped",
        "d_mass = d_mass + over_classes(d_weight, input) * distribution",
        "d_mass = d_mass + 0 * distribution",
    ),
]
