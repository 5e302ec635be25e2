"""Mutants of linear maps: what breaks, the old text, the new text."""

KEYWORD = "arithmetic or padding_mode or same or of_padding"
MUTANTS = [
    (
        "the map is its own adjoint",
        "_one_way(there, forward, back)",
        "_one_way(there, forward, there)",
    ),
    (
        "the adjoint is its own adjoint",
        "_one_way(back, adjoint, there)",
        "_one_way(back, adjoint, back)",
    ),
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
