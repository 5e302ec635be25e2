"""Mutants of what the losses of elements share: what breaks, the old text, the new text."""

KEYWORD = "mse or squared_error or l1 or L1 or huber or Huber or kl_div or KLDiv or binary"
MUTANTS = [
    ("the opposite is the same", "lambda *terms: -grad(*terms)", "lambda *terms: grad(*terms)"),
    (
        "the batch mean divides by the elements",
        "        return input.shape[0]\n",
        "        return input.numel()\n",
    ),
    (
        "the weighted mean divides by the elements",
        "        return weight.sum()\n",
        "        return weight.numel()\n",
    ),
    (
        "dL/dv forgets that the mean divides by sum v",
        "losses - (weight * losses).sum() / count",
        "losses",
    ),
    (
        "dL/dv takes the mean without the weights",
        "(weight * losses).sum() / count",
        "losses.mean()",
    ),
    (
        "1/N forgotten in dL/dv",
        "return reduce_grad(losses, reduction, count)",
        "return losses",
    ),
    (
        "the weight is forgotten",
        "losses = losses if weight is None else losses * weight",
        "losses = losses",
    ),
    (
        "the weight is forgotten in dL/dx and dL/dy",
        "delta = delta if weight is None else delta * weight",
        "delta = delta",
    ),
    (
        "the weight is forgotten in the tangent",
        "reduce(d_losses * weight, reduction, count)",
        "reduce(d_losses, reduction, count)",
    ),
    (
        "the tangent of the weight is dropped",
        " + reduce(by_weight, reduction, 1)",
        "",
    ),
    (
        "the tangent of x alone",
        "grad(tangent, *terms)\n                for grad, tangent in zip(grads, tangents",
        "grad(tangent, *terms)\n                for grad, tangent in zip(grads[:1], tangents",
    ),
]
