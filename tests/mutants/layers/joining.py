"""Mutants of joining, splitting and averaging: what breaks, the old text, the new text."""

KEYWORD = "arithmetic"
MUTANTS = [
    ("joined in the opposite order", "torch.cat(list(parts), dim)", "torch.cat(parts[::-1], dim)"),
    (
        "separated along the first axis",
        "joined.split(parts.sizes, parts.dim)",
        "joined.split(parts.sizes)",
    ),
    (
        "the parts share the memory of the whole",
        "tuple(part.clone() for part",
        "tuple(part for part",
    ),
    ("dL/dX of a mean is not divided by n", "(grad_output / count)", "grad_output"),
    (
        "n counts the first of the averaged axes",
        "for dim in averaged.dims]",
        "for dim in averaged.dims[:1]]",
    ),
    (
        "tangents joined along the first axis",
        "return apply(JoinFunction, *d_parts, ctx.parts.dim)",
        "return apply(JoinFunction, *d_parts, 0)",
    ),
    (
        "sign of dL/dX of a split",
        "return apply(JoinFunction, *grad_parts, ctx.parts.dim), None",
        "return -apply(JoinFunction, *grad_parts, ctx.parts.dim), None",
    ),
    (
        "factor of the tangents of the parts",
        "return apply(SeparateFunction, d_input, ctx.parts)",
        "return apply(SeparateFunction, 2 * d_input, ctx.parts)",
    ),
    (
        "all parts take the first one's dtype",
        "dtype = torch.promote_types(dtype, tensor.dtype)",
        "dtype = tensors[0].dtype",
    ),
    ("the dtype of the mean is ignored", "input if dtype is None else input.to(dtype)", "input"),
    (
        "parts are views of what is differentiated",
        "    if not (is_recorded(whole) or",
        "    if not (False or",
    ),
    (
        "parts are copies where nothing is recorded",
        "    if not (is_recorded(whole) or is_transformed()",
        "    if not (True or is_transformed()",
    ),
    ("what is empty is joined", "if tensor.shape != (0,)", "if True"),
    ("averaged axes never stay", "    if keepdim:\n", "    if False:\n"),
    ("an axis from the end is another", "axis % max(input.dim(), 1)", "abs(axis)"),
]
