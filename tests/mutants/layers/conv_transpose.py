"""Mutants of transposed convolution: what breaks, the old text, the new text."""

KEYWORD = "conv_transpose or ConvTranspose"
MUTANTS = [
    (
        "stride forgotten in the forward pass",
        "input, weight, bias, stride, padding, dilation, True",
        "input, weight, bias, (1,) * len(stride), padding, dilation, True",
    ),
    (
        "padding forgotten in the forward pass",
        "input, weight, bias, stride, padding, dilation, True",
        "input, weight, bias, stride, (0,) * len(stride), dilation, True",
    ),
    (
        "dilation forgotten in the forward pass",
        "input, weight, bias, stride, padding, dilation, True",
        "input, weight, bias, stride, padding, (1,) * len(stride), True",
    ),
    (
        "the kernel is rotated",
        "input, weight, bias, stride, padding, dilation, True",
        "input, weight.flip(-1), bias, stride, padding, dilation, True",
    ),
    (
        "output padding forgotten",
        "dilation, True, output_padding, groups",
        "dilation, True, (0,) * len(stride), groups",
    ),
    (
        "groups forgotten",
        "dilation, True, output_padding, groups",
        "dilation, True, output_padding, 1",
    ),
    (
        "input and weight are saved for each other's gradient",
        "input if needs_weight else None, weight if needs_input else None",
        "input if needs_input else None, weight if needs_weight else None",
    ),
    (
        "dL/dX by another transposed convolution",
        "apply(ConvFunction, grad_output, weight, None, geometry)",
        "apply(ConvGradInputFunction, grad_output, weight, geometry)",
    ),
    (
        "sign of dL/dX",
        "apply(ConvFunction, grad_output, weight, None, geometry)",
        "-apply(ConvFunction, grad_output, weight, None, geometry)",
    ),
    (
        "X and delta change places in dL/dW",
        "apply(ConvGradWeightFunction, grad_output, input, geometry)",
        "apply(ConvGradWeightFunction, input, grad_output, geometry)",
    ),
    (
        "dL/dW divided by R",
        "apply(ConvGradWeightFunction, grad_output, input, geometry)",
        "apply(ConvGradWeightFunction, grad_output, input, geometry) / max(len(input), 1)",
    ),
    (
        "only the first sample counts in dL/db",
        "conv_grad_bias(grad_output)",
        "conv_grad_bias(grad_output[:1])",
    ),
    (
        "the tangent of the input is dropped",
        "return by_input + apply(",
        "return apply(",
    ),
    (
        "the tangent of the weight is dropped",
        "input, d_weight, d_bias, ctx.geometry",
        "input, 0 * d_weight, d_bias, ctx.geometry",
    ),
    (
        "the tangent of the bias is dropped",
        "input, d_weight, d_bias, ctx.geometry",
        "input, d_weight, None, ctx.geometry",
    ),
    (
        "rows of zeros come before X",
        "(0, rows) for rows in reversed(zeros)",
        "(rows, 0) for rows in reversed(zeros)",
    ),
    (
        "rows of zeros on the wrong axis",
        "for rows in reversed(zeros)",
        "for rows in zeros",
    ),
    (
        "any output padding is taken",
        "o >= max(s, d)",
        "o > max(s, d)",
    ),
    (
        "output padding beyond the stride is refused",
        "o >= max(s, d)",
        "o >= s",
    ),
    (
        "padding is cut off one side only",
        "+ 1 - 2 * p + o for",
        "+ 1 - p + o for",
    ),
    (
        "the size asked for is forgotten",
        "self._output_padding(input, output_size, *sizes)",
        "self._output_padding(input, None, *sizes)",
    ),
    (
        "any padding mode is taken",
        'self.padding_mode != "zeros"',
        "False",
    ),
]
