"""Mutants of the proof that a converted model is the same: what breaks, the old, the new text."""

KEYWORD = "equivalence"
MUTANTS = [
    ("training is not compared", 'for mode in ("train", "eval"):', 'for mode in ("eval",):'),
    ("evaluation is not compared", 'for mode in ("train", "eval"):', 'for mode in ("train",):'),
    ("torch is compared with itself", "ours = convert(_copy(theirs))", "ours = _copy(theirs)"),
    (
        "gradients of inputs are not compared",
        'given["input gradient", str(i)] = tensor.grad',
        "pass",
    ),
    (
        "gradients of parameters are not compared",
        'given["parameter gradient", name], parameter.grad = parameter.grad, None',
        "parameter.grad = None",
    ),
    (
        "buffers are not compared",
        'given | {("buffer", name): buffer for name, buffer in model.named_buffers()}',
        "given",
    ),
    (
        "a gradient that is missing is equal",
        'expected.shape:\n        return float("inf")',
        "expected.shape:\n        return 0.0",
    ),
    ("another dtype is equal", "if actual.dtype != expected.dtype:", "if False:"),
    ("the same nan is not equal", " | (actual.isnan() & expected.isnan())", ""),
    ("any nan is equal", "(actual.isnan() & expected.isnan())", "actual.isnan()"),
    ("an infinity hides all else", "expected.nan_to_num(0.0, 0.0, 0.0)", "expected"),
    ("all move upwards", "* 2 - 1", "* 0 + 1"),
    ("a number in float32 has no rounding", "return torch.finfo(tensor.dtype).eps", "return 0.0"),
    ("a gradient that is one too many is equal", "expected | actual\n", "expected\n"),
    ("nothing moves where the input holds integers", "parameter.copy_(move(parameter))", "pass"),
    ("nan is equal", "distance <= max(self.tolerance", "not distance > max(self.tolerance"),
    ("any departure is rounding", "ROUNDINGS = 30 ", "ROUNDINGS = 1e30 "),
    (
        "random numbers are drawn",
        "with torch.random.fork_rng(), torch.enable_grad():",
        "with torch.enable_grad():",
    ),
    (
        "the model itself is compared",
        "theirs = revert(copy.deepcopy(model))",
        "theirs = revert(model)",
    ),
    (
        "evaluation begins where training ended",
        "_distances(mode, _step(_copy(ours), inputs",
        "_distances(mode, _step(ours, inputs",
    ),
]
