"""Mutants of sums and products: what breaks, the old text, the new text."""

KEYWORD = "arithmetic"
MUTANTS = [
    (
        "a sum is cut to whole numbers",
        "(other.is_floating_point() and not input.is_floating_point())",
        "False",
    ),
    (
        "the copies that an element was broadcast to are not summed",
        "grad if grad.shape == shape else grad.sum_to_size(shape)",
        "grad",
    ),
    (
        "alpha forgotten in dL/dB",
        "sum_over_copies(grad_output * ctx.alpha, other_shape)",
        "sum_over_copies(grad_output, other_shape)",
    ),
    ("alpha forgotten in the tangent", "d_input + ctx.alpha * d_other", "d_input + d_other"),
    (
        "the tangent is not written over A's",
        "d_input.copy_(add_tangent(ctx, d_input, d_other))",
        "add_tangent(ctx, d_input, d_other)",
    ),
    (
        "A for B in dL/dA",
        "sum_over_copies(grad_output * other, input_shape)",
        "sum_over_copies(grad_output * input, input_shape)",
    ),
    (
        "sign of dL/dB",
        "sum_over_copies(grad_output * input, other_shape)",
        "sum_over_copies(-grad_output * input, other_shape)",
    ),
    (
        "the product's tangent is A's part alone",
        "d_output if d_other is None else d_output + input * d_other",
        "d_output",
    ),
    (
        "a product keeps what no derivative needs",
        "input if needs_other and ctx.number is None else None, other if keeps_other else None",
        "input, None if ctx.number else other",
    ),
    (
        "alpha forgotten where a transform writes over A",
        "add(input, other, alpha=alpha))",
        "add(input, other))",
    ),
    (
        "a leaf is overwritten",
        "    refuse_leaf(input)\n",
        "",
    ),
    (
        "both are cast to A's dtype",
        "dtype = torch.result_type(input, other)",
        "dtype = input.dtype",
    ),
]
