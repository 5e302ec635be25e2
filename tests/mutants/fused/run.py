"""Mutants of a run as one Function: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    (
        "what needs its output does not get it kept",
        "self.needed[place] |= piece.needs_output",
        "self.needed[place] |= False",
    ),
    (
        "costly values are computed again",
        "follows = follows and piece.is_cheap",
        "follows = follows",
    ),
    (
        "nothing is computed again",
        "keeps.append(needed and not follows)",
        "keeps.append(needed)",
    ),
    (
        "a kept value is overwritten",
        "is_fresh = not keeps and (is_fresh or not piece.is_view)",
        "is_fresh = True",
    ),
    (
        "computed again over a value that is needed",
        "self.is_fresh[i - 1] and not self.run.needed[i - 1]",
        "True",
    ),
    (
        "the second order takes what was kept for a function of x",
        "if self.run.keeps[0] and not is_unwatched():",
        "if False:",
    ),
    (
        "gradients of the parameters in the wrong order",
        "chain.from_iterable(reversed(gradients))",
        "chain.from_iterable(gradients)",
    ),
    (
        "the input's gradient is left out where a parameter before is frozen",
        "accumulate(map(any, own), or_, initial=needs_x)",
        "accumulate(map(any, own), or_, initial=False)",
    ),
    ("any number of axes fits", "and x.dim() in self.axes", ""),
    ("an empty batch is one", "and x.numel() > 0", ""),
    (
        "parameters of another type fit",
        "and all(p is None or p.dtype == x.dtype for p in parameters)",
        "",
    ),
    (
        "frozen products keep their input",
        "if not self._has_frozen_product():",
        "if True:",
    ),
    (
        "what is not differentiated is gone through",
        "if delta is None:",
        "if False:",
    ),
    ("axes are not carried along", "axes = piece.axes_after or axes", "pass"),
]
