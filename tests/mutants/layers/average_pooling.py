"""Mutants of average pooling: what breaks, the old text, the new text."""

KEYWORD = "average_pooling or AvgPool or avg_pool"
MUTANTS = [
    (
        "padding forgotten",
        "(a.size, a.stride, a.padding, a.ceil_mode",
        "(a.size, a.stride, 0, a.ceil_mode",
    ),
    (
        "ceil_mode forgotten",
        "a.padding, a.ceil_mode, a.count_include_pad)",
        "a.padding, False, a.count_include_pad)",
    ),
    (
        "count_include_pad forgotten",
        "a.ceil_mode, a.count_include_pad)",
        "a.ceil_mode, True)",
    ),
    (
        "divisor_override forgotten",
        "return pool(input, *options, a.divisor)",
        "return pool(input, *options)",
    ),
    (
        "dL/dX: not divided by the window's count",
        "grad_output / window_counts(grad_output, averaging)",
        "grad_output",
    ),
    (
        "dL/dX: spread along one axis too few",
        "for axis in reversed(range(axes)):",
        "for axis in reversed(range(1, axes)):",
    ),
    (
        "dL/dX: the channels are not moved back",
        "return grad_input.movedim(-1, first) if channels_last else grad_input",
        "return grad_input",
    ),
    (
        "dL/dX: the layout of delta is lost",
        "channels_last = shares.stride(first - 1) == 1 and not shares.is_contiguous()",
        "channels_last = False",
    ),
    (
        "dL/dX: divisor_override forgotten",
        "if averaging.divisor is not None:",
        "if False:",
    ),
    (
        "ceil_mode: the last window is counted as a whole one",
        "if not averaging.ceil_mode and (",
        "if (",
    ),
    (
        "the padding is not counted out",
        "(averaging.count_include_pad or not any(averaging.padding))",
        "True",
    ),
    (
        "windows are counted beyond the padding",
        ".clamp(max=size + padding)",
        ".clamp(max=size + 2 * padding)",
    ),
    (
        "the padding before X counts",
        "starts, stops = starts.clamp(min=0), stops.clamp(max=size)",
        "stops = stops.clamp(max=size)",
    ),
    (
        "the padding after X counts",
        "starts, stops = starts.clamp(min=0), stops.clamp(max=size)",
        "starts = starts.clamp(min=0)",
    ),
    (
        "counts: stride forgotten",
        "* averaging.stride[axis] - padding",
        "- padding",
    ),
    (
        "counts of rows and columns change places",
        "counts = counts.unsqueeze(-1) * (stops - starts)",
        "counts = counts * (stops - starts).reshape(-1, *[1] * axis)",
    ),
    (
        "windows that overlap are taken to tile X",
        "if kernel == stride and kernel * outputs == size and not padding:",
        "if kernel * outputs == size and not padding:",
    ),
    (
        "padded windows are taken to tile X",
        "kernel * outputs == size and not padding:",
        "kernel * outputs == size:",
    ),
    (
        "a share is copied k times over, not k times each",
        "flatten(dim, dim + 1)",
        "transpose(dim, dim + 1).flatten(dim, dim + 1)",
    ),
    (
        "row j forgotten",
        "range(j - padding, j - padding + outputs * stride, stride)",
        "range(-padding, -padding + outputs * stride, stride)",
    ),
    (
        "spreading: padding forgotten",
        "range(j - padding, j - padding + outputs * stride, stride)",
        "range(j, j + outputs * stride, stride)",
    ),
    (
        "shares of overlapping windows replace each other",
        "(reached,)].add_(part)",
        "(reached,)].copy_(part)",
    ),
    (
        "the last row is dropped",
        "if 0 <= row < size]",
        "if 0 <= row < size - 1]",
    ),
    (
        "unequal parts are taken to be equal",
        "if all(parts and h % parts == 0 for h, parts in each):",
        "if all(parts and h >= parts for h, parts in each):",
    ),
    (
        "equal parts are looked up in the table",
        "if all(parts and h % parts == 0 for h, parts in each):",
        "if False:",
    ),
    (
        "parts begin one row late",
        "starts, stops = edges[:-1] // max(count, 1)",
        "starts, stops = -(-edges[:-1] // max(count, 1))",
    ),
    (
        "parts end one row early",
        "-(-edges[1:] // max(count, 1))",
        "edges[1:] // max(count, 1)",
    ),
    (
        "long parts lose their last row",
        "+ (size % max(count, 1) > 0)",
        "",
    ),
    (
        "short parts keep the row after them",
        "rows.masked_fill(rows >= stops.unsqueeze(1), size)",
        "rows",
    ),
    (
        "unequal parts: weight",
        "1 / (stops - starts)",
        "1 / (stops - starts + 1)",
    ),
    (
        "None is one part",
        "size if part is None else index(part)",
        "1 if part is None else index(part)",
    ),
    (
        "the stride is 1 by default",
        "kernel_size if stride is None else stride",
        "1 if stride is None else stride",
    ),
    (
        "the adjoint of sliding averages is the averages",
        '"AvgPool", avg_pool_forward, avg_pool_grad_input',
        '"AvgPool", avg_pool_forward, avg_pool_forward',
    ),
]
