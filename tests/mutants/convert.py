"""Mutants of conversion: what breaks, the old text, the new text."""

KEYWORD = "convert"
MUTANTS = [
    ("parametrized layers stay torch's", "elif cls.__bases__[0] in to:", "elif False:"),
    ("what is excluded is converted", " and not _fits(name, module, exclude)", ""),
    ("all is included", "_fits(name, module, include) and", "True and"),
    ("calls are led that shall not be", "if functional and not", "if not"),
    (
        "a layer alone gets its calls led",
        "(*twins().values(), _HandDerivedCalls)",
        "_HandDerivedCalls",
    ),
    (
        "converted twice, calls are led twice",
        "(*twins().values(), _HandDerivedCalls)",
        "tuple(twins().values())",
    ),
    (
        "reverted, calls are still led",
        "_set_class(module, type(module).plain)",
        "pass",
    ),
    (
        "a copy has lost its state",
        "return _new, (self.plain,), state",
        "return _new, (self.plain,)",
    ),
    (
        "a copy is no longer converted",
        "    made = _with_hand_derived_calls(cls)\n",
        "    made = cls\n",
    ),
]
