"""Mutants of linear maps: what breaks, the old text, the new text."""

KEYWORD = "padding_mode or same or of_padding"
MUTANTS = [
    (
        "sign of dL/dX",
        "return apply(FUNCTIONS[adjoint], grad_output, ctx.options), None",
        "return -apply(FUNCTIONS[adjoint], grad_output, ctx.options), None",
    ),
    (
        "factor of the tangent",
        "return apply(FUNCTIONS[name], d_input, ctx.options)",
        "return 2 * apply(FUNCTIONS[name], d_input, ctx.options)",
    ),
]
