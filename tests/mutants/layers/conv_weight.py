"""Mutants of dL/dW of a convolution: what breaks, the old text, the new text."""

KEYWORD = "conv"
MUTANTS = [
    (
        "stride and dilation do not change places in dL/dW",
        "images, deltas, None, dilation, padding, stride, False",
        "images, deltas, None, stride, padding, dilation, False",
    ),
    (
        "padding forgotten in dL/dW",
        "images, deltas, None, dilation, padding, stride, False",
        "images, deltas, None, dilation, (0,) * len(stride), stride, False",
    ),
    (
        "channels mixed between the groups in dL/dW",
        "images = input.reshape(batch, groups, channels // groups, *size)",
        "images = input.reshape(batch, channels // groups, groups, *size).transpose(1, 2)",
    ),
    (
        "the wrong end of dL/dW is cut off",
        "product.narrow(axis, 0, k)",
        "product.narrow(axis, product.shape[axis] - k, k)",
    ),
    (
        "dL/dW divided by R (Eq. 43 as printed)",
        "return _slide(images, deltas, geometry).transpose(0, 1)",
        "return _slide(images, deltas, geometry).transpose(0, 1) / batch",
    ),
    ("of the sixteens, the last one counts alone", "total += product", "total = product"),
    (
        "windows: padding of one axis goes to another",
        "for p in reversed(geometry.padding)",
        "for p in geometry.padding",
    ),
    (
        "windows: dilation forgotten",
        "taps = [d * step for d, step",
        "taps = [step for d, step",
    ),
    (
        "windows: stride forgotten",
        "places = [s * step for s, step",
        "places = [step for s, step",
    ),
    (
        "the mean over samples for their sum",
        "seen.transpose(1, 2)).sum(0)",
        "seen.transpose(1, 2)).mean(0)",
    ),
    (
        "rows: one way to the product is not turned",
        "else (deltas.t() @ rows).t()",
        "else (deltas.t() @ rows)",
    ),
    (
        "rows: the two numbers of channels change places",
        "return product.view(*geometry.kernel_size, channels_in, channels_out).permute(\n"
        "        -1, -2,",
        "return product.view(*geometry.kernel_size, channels_in, channels_out).permute(\n"
        "        -2, -1,",
    ),
    (
        "depthwise: the last samples count alone",
        "total[row] += out",
        "total[row] = out",
    ),
    (
        "depthwise: a channel's products go to another",
        "out.view(-1, width * channels).sum(0)",
        "out.view(-1, width * channels).sum(0).roll(1)",
    ),
    (
        "depthwise where a channel has several kernels",
        "channels == geometry.groups == grad_output.shape[1]",
        "channels == geometry.groups",
    ),
    (
        "an empty batch has no sum over samples",
        "if batch == 0 or is_transformed()",
        "if is_transformed()",
    ),
]
