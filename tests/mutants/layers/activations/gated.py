"""Mutants of the gated activations: what breaks, the old text, the new text."""

KEYWORD = "GELU or SiLU or Mish or gelu"
MUTANTS = [
    ("gelu: Phi without its 1", "(1 + torch.erf", "(0 + torch.erf"),
    ("gelu: an exponent", "-input * input / 2", "-input / 2"),
    ("gelu: the normal density's factor", "math.sqrt(2 * math.pi)", "math.sqrt(math.pi)"),
    ("gelu: the gate does not open", "(gate + input * opening)", "gate"),
    ("gelu tanh: 3 in u' is missing", "(1 + 3 * c", "(1 + c"),
    ("gelu tanh: the cube in u", "c * input * input * input)", "c * input * input)"),
    ("gelu tanh: the square of t", "(1 - t * t) * (root", "(1 - t) * (root"),
    ("gelu: one form for both", '"tanh": GELUTanhFunction', '"tanh": GELUFunction'),
    ("silu: the sign of s", "(1 - s)))", "(1 + s)))"),
    ("silu: the gate does not open", "(s * (1 + input * (1 - s)))", "s"),
    ("mish: sigmoid is missing", "((1 - t * t) * sigmoid(input))", "(1 - t * t)"),
    ("mish: softplus is missing", "tanh(apply(SoftplusFunction, input, 1.0, 20.0))", "tanh(input)"),
]
