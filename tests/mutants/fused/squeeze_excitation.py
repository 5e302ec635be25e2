"""Mutants of squeeze and excitation: what breaks, the old text, the new text."""

KEYWORD = "fused"
MUTANTS = [
    ("b1 forgotten", "w1.flatten(1).t() + b1", "w1.flatten(1).t()"),
    ("b2 forgotten", "w2.flatten(1).t() + b2", "w2.flatten(1).t()"),
    ("ds is a mean", "(delta * passed.x).sum(PLANE)", "(delta * passed.x).mean(PLANE)"),
    ("g' forgotten", "second.slope(ds, v, s)", "ds"),
    ("f' forgotten", "first.slope(dv @ w2.flatten(1), u, h)", "dv @ w2.flatten(1)"),
    ("z reaches nothing", "+ dz.unsqueeze(-1).unsqueeze(-1)", ""),
    ("the plane is not divided by", "/ passed.shape[PLANE[0] :].numel()", "/ 1"),
    ("dL/dW1 by h", "(du.t() @ z)", "(du.t() @ z.flip(0))"),
    ("dL/dW2 by another h", "(dv.t() @ h)", "(dv.t() @ u)"),
    ("dL/db1 is a mean", "du.sum(0)", "du.mean(0)"),
    ("dL/db2 is a mean", "dv.sum(0)", "dv.mean(0)"),
    ("an x that is kept is overwritten", "x.mul_(s) if is_fresh else x * s", "x.mul_(s)"),
]
