"""Mutants of finding runs: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    (
        "a hooked layer is in a run",
        "piece = None if is_alone else piece_of(layer)",
        "piece = piece_of(layer)",
    ),
    ("hooks of all modules are not seen", "return bool(own or everywhere)", "return bool(own)"),
    (
        "runs are never found again",
        'if self.__dict__.get("_stages", (None,))[0] != key:',
        'if "_stages" not in self.__dict__:',
    ),
    ("padding is folded away", "and piece.sees_input_alone():", ":"),
    (
        "a run begins with what needs no input",
        "(not pieces[0].needs_input or _overwrites(pieces[0]))",
        "_overwrites(pieces[0])",
    ),
    (
        "the bottleneck ends early",
        "[*first, self.relu, self.conv3, self.bn3]",
        "[*first, self.conv3, self.bn3]",
    ),
    ("other padding is zeros", 'and layer.padding_mode == "zeros"', ""),
    (
        "hooks in squeeze and excitation are not seen",
        "if any(is_hooked(inner) for inner in layer.children()):",
        "if False:",
    ),
    ("pickled with its runs", "if name not in self.found", "if True"),
    ("taken apart, runs stay", "cls.plain if issubclass(cls, Fused) else cls)", "cls)"),
    (
        "a layer may write over the input of a run",
        "(not pieces[0].needs_input or _overwrites(pieces[0]))",
        "not pieces[0].needs_input",
    ),
    ("ReLU may write over the input, with pooling", " and not _overwrites(first)", ""),
    (
        "options are not looked at again",
        "has_statistics, *options, *hooked",
        "has_statistics, *hooked",
    ),
    ("the mode is not looked at again", "type(layer), layer.training, has", "type(layer), has"),
    ("hooks inside are not looked at again", "*options, *hooked", "*options"),
    ("shortcuts are not broadcast", "if is_plain and x.shape == shortcut.shape:", "if is_plain:"),
]
