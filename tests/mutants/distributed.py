"""Mutants of synchronised batch norm: what breaks, the old text, the new text."""

KEYWORD = "distributed"
MUTANTS = [
    (
        "n of one process alone",
        "n = whole[-1].clone()",
        "n = own_n[0]",
    ),
    (
        "var of one process alone",
        "var = sum_processes(sum_over(centred * centred, axes), group) / n",
        "var = sum_over(centred * centred, axes) / n",
    ),
    (
        "the sums for dL/dX are of one process alone",
        "total, along, grad_mean, grad_var = sum_processes_of_each(ctx.group, *own)",
        "total, along, grad_mean, grad_var = own",
    ),
    (
        "dL/dmu and dL/dvar of one process alone",
        "total, along, grad_mean, grad_var = sum_processes_of_each(ctx.group, *own)",
        "total, along, _, _ = sum_processes_of_each(ctx.group, *own)",
    ),
    (
        "gamma forgotten in the sums",
        "times(grad_weight, weight), grad_mean",
        "grad_weight, grad_mean",
    ),
    (
        "the forward mode's sums are of one process alone",
        "return apply(SumProcessesFunction, torch.stack(values), group).unbind()",
        "return values if len(values) == 2 else "
        "apply(SumProcessesFunction, torch.stack(values), group).unbind()",
    ),
    (
        "evaluation is synchronised",
        "if not (self.training and _process_count",
        "if not (_process_count",
    ),
    (
        "the group is ignored",
        "return distributed.get_world_size(group)",
        "return distributed.get_world_size()",
    ),
]
