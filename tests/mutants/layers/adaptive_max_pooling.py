"""Mutants of adaptive max-pooling: what breaks, the old text, the new text."""

KEYWORD = "adaptive_max_pool or AdaptiveMaxPool"
MUTANTS = [
    (
        "another number of parts",
        "(input, grid.size, return_indices=True)",
        "(input, grid.size[::-1], return_indices=True)",
    ),
    (
        "places overflow their integer",
        "smallest_integer(math.prod(input.shape[2:]))",
        "smallest_integer(math.prod(output.shape[2:]))",
    ),
    (
        "the plane's axes change places",
        "Plane(tuple(inputs[0].shape[2:]))",
        "Plane(tuple(inputs[0].shape[:1:-1]))",
    ),
    (
        "the output is a view",
        "output = output.clone()",
        "pass",
    ),
    (
        "sign of dL/dX",
        "return apply(MaxPoolGradInputFunction, grad_output, places, ctx.plane), None",
        "return -apply(MaxPoolGradInputFunction, grad_output, places, ctx.plane), None",
    ),
    (
        "sign of the tangent",
        "return apply(MaxPoolGatherFunction, d_input, places), None",
        "return -apply(MaxPoolGatherFunction, d_input, places), None",
    ),
    (
        "places are small integers",
        "return (output, places.long()) if return_indices else output",
        "return (output, places) if return_indices else output",
    ),
    (
        "one sample is taken for a batch",
        "output, places = output.squeeze(0), places.squeeze(0)",
        "pass",
    ),
]
