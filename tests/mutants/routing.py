"""Mutants of the routes of functional calls: what breaks, the old text, the new text."""

KEYWORD = "routing"
MUTANTS = [
    (
        "functions of torch.nn.functional stay torch's",
        "for name in functional.__all__:",
        "for name in ():",
    ),
    ("methods of tensors stay torch's", "(torch, torch.Tensor):", "(torch,):"),
    ("a name is left out", '"prelu", "relu", "selu"', '"prelu", "selu"'),
    ("calls by keyword stay torch's", "[*args, *kwargs.values()]", "[*args]"),
    ("lists of tensors stay torch's", "if isinstance(value, (tuple, list)) else", "if False else"),
    ("names as NumPy's are unknown", "NUMPY_NAMES.get(name, name)", "name"),
    ("tensors with functions of their own are led", "(_are_plain(types) and ", "("),
    ("complex factors are led", " or any(isinstance(v, complex) for v in every)", ""),
    ("numbers are cut to whole ones", "    require_castable(input, other)\n", ""),
    ("out= is given to ours", ' or "out" in kwargs', ""),
    ("complex numbers are led", "any(t.is_complex() for t in tensors)", "False"),
    (
        "calls whose integers come first stay torch's",
        "any(t.is_floating_point() for t in tensors)",
        "tensors[:1] and tensors[0].is_floating_point()",
    ),
    ("relu_ leaves its input alone", "functional.relu(input, inplace=True)", "input.relu()"),
    (
        "mul_ leaves its input alone",
        "input.copy_(functional.mul(input.clone(), other))",
        "functional.mul(input.clone(), other)",
    ),
    (
        "mul_ is torch's",
        "input.copy_(functional.mul(input.clone(), other))",
        "input.mul_(other)",
    ),
]
