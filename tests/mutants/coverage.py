"""Mutants of what counts the hand-derived part of a model: what breaks, the old, the new text."""

KEYWORD = "coverage"
MUTANTS = [
    ("views are counted", " or node.name() in NOT_COUNTED", ""),
    ("a node behind two outputs counts twice", "if node in seen or ", "if "),
    (
        "every Function counts as ours",
        '"_forward_cls", object), Function)',
        '"_forward_cls", object), object)',
    ),
    ("the model itself runs", "copy.deepcopy(model), tree_map", "model, tree_map"),
    ("the inputs are overwritten", "tree_map(_copy, inputs)", "inputs"),
    (
        "random numbers are drawn",
        "torch.enable_grad(), torch.random.fork_rng()",
        "torch.enable_grad()",
    ),
]
