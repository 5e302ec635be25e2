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
    (
        "lists of tensors stay torch's",
        "(arg if isinstance(arg, (tuple, list)) else [arg])",
        "[arg]",
    ),
    ("out= is given to ours", '"out" in kwargs or ', ""),
    (
        "complex numbers are led",
        "bool(numbers) and numbers[0].is_floating_point()",
        "bool(numbers)",
    ),
    (
        "calls whose integers come first stay torch's",
        "isinstance(t, Tensor) and (t.is_floating_point() or t.is_complex())",
        "isinstance(t, Tensor)",
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
