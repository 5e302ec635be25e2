"""Mutants of padding: what breaks, the old text, the new text."""

KEYWORD = "padding_mode or same or of_padding"
MUTANTS = [
    (
        "the margin is cut off the wrong sides",
        "[-amount for amount in padding.amounts]",
        "[-amount for amount in reversed(padding.amounts)]",
    ),
    (
        "copies overwrite each other instead of being summed",
        ".index_add(",
        ".index_copy(",
    ),
    (
        "before and after change places",
        "Padding((before, after), padding.mode)",
        "Padding((after, before), padding.mode)",
    ),
    (
        "sign of dL/dX",
        "return apply(PadAdjointFunction, grad_output, ctx.padding), None",
        "return -apply(PadAdjointFunction, grad_output, ctx.padding), None",
    ),
    (
        "the tangent is padded with zeros",
        "return apply(PadFunction, d_input, ctx.padding)",
        'return apply(PadFunction, d_input, Padding(ctx.padding.amounts, "constant"))',
    ),
    (
        "second order: padded with zeros",
        "return apply(PadFunction, grad, ctx.padding), None",
        'return apply(PadFunction, grad, Padding(ctx.padding.amounts, "constant")), None',
    ),
    (
        "factor of the tangent of dL/dX",
        "return apply(PadAdjointFunction, d_grad_output, ctx.padding)",
        "return 2 * apply(PadAdjointFunction, d_grad_output, ctx.padding)",
    ),
]
