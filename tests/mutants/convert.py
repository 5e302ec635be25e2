"""Mutants of conversion: what breaks, the old text, the new text."""

KEYWORD = "convert"
MUTANTS = [
    ("parametrized layers stay torch's", "elif class_of(module) is not cls:", "elif False:"),
    ("what is excluded is converted", " and not _fits(names, module, exclude)", ""),
    ("all is included", "_fits(names, module, include) and", "True and"),
    ("only the first name counts", "named_modules(remove_duplicate=False)", "named_modules()"),
    ("what is left out is led", "elif functional and cls in twins():", "elif False:"),
    (
        "what was left out is left out for ever",
        "theirs = cls.plain if issubclass(cls, WithCalls) else cls",
        "theirs = cls",
    ),
    ("calls are led that shall not be", "if functional and not", "if not"),
    ("a layer alone gets its calls led", "(*twins().values(), WithCalls)", "WithCalls"),
    (
        "converted twice, calls are led twice",
        "(*twins().values(), WithCalls)",
        "tuple(twins().values())",
    ),
    (
        "reverted, calls are still led",
        "        while issubclass(cls, Remade):\n            cls = cls.plain\n        set_class",
        "        set_class",
    ),
    ("forward has no signature of its own", "    @wraps(cls.forward)\n", ""),
    (
        "a copy has lost its state",
        "*reversed(makers)), state",
        "*reversed(makers))",
    ),
    (
        "a copy is no longer converted",
        "        cls = make(cls)\n",
        "        pass\n",
    ),
]
