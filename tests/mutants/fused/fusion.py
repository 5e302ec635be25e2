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
        "while pieces and not pieces[0].needs_input:",
        "while False:",
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
    ("pickled with its runs", 'if name != "_stages"', "if True"),
    ("taken apart, runs stay", "cls.plain if issubclass(cls, Fused) else cls)", "cls)"),
]
