"""Mutants of local response normalisation: what breaks, the old text, the new text."""

KEYWORD = "LocalResponseNorm or local_response_norm"
MUTANTS = [
    (
        "an even window reaches the other way",
        "below=options.size // 2, above=(options.size - 1) // 2",
        "below=(options.size - 1) // 2, above=options.size // 2",
    ),
    (
        "the adjoint's window is not turned round",
        "Window(below=window.above, above=window.below)",
        "window",
    ),
    (
        "sum for the mean of the squares",
        "options.kappa + options.alpha / options.size * sums",
        "options.kappa + options.alpha * sums",
    ),
    ("kappa forgotten", "return options.kappa + options.alpha", "return options.alpha"),
    (
        "beta forgotten",
        "input / response(input * input, options) ** options.beta",
        "input / response(input * input, options)",
    ),
    ("sign of dL/ds", "grad_s = -options.beta", "grad_s = options.beta"),
    ("exponent of s in dL/ds", "scaled * input / s\n", "scaled * input\n"),
    ("factor of the neighbours' part", "scaled + 2 * options.alpha", "scaled + options.alpha"),
    ("the tangent of s is dropped", "(d_input - options.beta * input * d_s / s)", "d_input"),
]
