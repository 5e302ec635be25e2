"""Mutants of convolution: what breaks, the old text, the new text."""

KEYWORD = "conv"
MUTANTS = [
    (
        "stride forgotten in the forward pass (Eq. 39 as printed)",
        "input, weight, bias, stride, padding, dilation, False",
        "input, weight, bias, (1,) * len(stride), padding, dilation, False",
    ),
    (
        "stride forgotten in dL/dX",
        "grad_output, weight, None, stride, padding, dilation, True",
        "grad_output, weight, None, (1,) * len(stride), padding, dilation, True",
    ),
    (
        "padding forgotten in dL/dX",
        "grad_output, weight, None, stride, padding, dilation, True",
        "grad_output, weight, None, stride, (0,) * len(stride), dilation, True",
    ),
    (
        "dilation forgotten in dL/dX",
        "grad_output, weight, None, stride, padding, dilation, True",
        "grad_output, weight, None, stride, padding, (1,) * len(stride), True",
    ),
    (
        "the kernel is not rotated in dL/dX (Eq. 42)",
        "grad_output, weight, None, stride, padding, dilation, True",
        "grad_output, weight.flip(-1), None, stride, padding, dilation, True",
    ),
    (
        "unreached rows forgotten in dL/dX",
        "dilation, True, output_padding, groups",
        "dilation, True, (0,) * len(stride), groups",
    ),
    (
        "groups forgotten in dL/dX",
        "dilation, True, output_padding, groups",
        "dilation, True, output_padding, 1",
    ),
    (
        "k = 1: steps of the wrong axis",
        "for axis, s in enumerate(geometry.stride, start=2)",
        "for axis, s in enumerate(geometry.stride, start=1)",
    ),
    (
        "k = 1: places between the steps are not 0",
        "grad_input = grad_output.new_zeros(samples",
        "grad_input = grad_output.new_ones(samples",
    ),
    (
        "k = 1 with padding is not k = 1 without",
        "any(s > 1 for s in stride) and not any(padding)",
        "any(s > 1 for s in stride)",
    ),
    (
        "mean for the sum in dL/db",
        "grad_output.sum((0, *range(2, grad_output.dim())))",
        "grad_output.mean((0, *range(2, grad_output.dim())))",
    ),
    (
        "only the first sample counts in dL/db",
        "grad_output.sum((0, *range(2, grad_output.dim())))",
        "grad_output[:1].sum((0, *range(2, grad_output.dim())))",
    ),
    (
        "input and weight are saved for each other's gradient",
        "input if needs_weight else None, weight if needs_input else None",
        "input if needs_input else None, weight if needs_weight else None",
    ),
    (
        "the tangent of the input is dropped",
        "return by_input + apply(ConvFunction, input, d_weight, d_bias, ctx.geometry)",
        "return apply(ConvFunction, input, d_weight, d_bias, ctx.geometry)",
    ),
    (
        "the tangent of the bias is dropped",
        "apply(ConvFunction, input, d_weight, d_bias, ctx.geometry)",
        "apply(ConvFunction, input, d_weight, None, ctx.geometry)",
    ),
    (
        "second order: sign of the derivative of dL/dX by delta",
        "apply(ConvFunction, like_input, weight, None, geometry) if",
        "-apply(ConvFunction, like_input, weight, None, geometry) if",
    ),
    (
        "second order: the derivative of dL/dX by W is dropped",
        "apply(ConvGradWeightFunction, like_input, delta, geometry) if needs_weight else None",
        "None",
    ),
    (
        "second order: factor of the derivative of dL/dW by X",
        "apply(ConvGradInputFunction, delta, like_weight, geometry) if",
        "2 * apply(ConvGradInputFunction, delta, like_weight, geometry) if",
    ),
    (
        "second order: the derivative of dL/dW by delta is dropped",
        "apply(ConvFunction, input, like_weight, None, geometry) if needs_delta else None",
        "None",
    ),
    (
        "the tangent of W is dropped from that of dL/dX",
        "return by_delta + apply(ConvGradInputFunction, delta, d_weight, ctx.geometry)",
        "return by_delta",
    ),
    (
        "the tangent of X is dropped from that of dL/dW",
        "return by_input + apply(ConvGradWeightFunction, input, d_delta, ctx.geometry)",
        "return apply(ConvGradWeightFunction, input, d_delta, ctx.geometry)",
    ),
    (
        "padding='same' forgets the dilation",
        "total = [d * (k - 1) for",
        "total = [k - 1 for",
    ),
    (
        "padding='same' adds the odd row before instead of after",
        "(0, amount % 2)",
        "(amount % 2, 0)",
    ),
    (
        "padding='same' adds the odd row to the wrong axis",
        "for amount in reversed(total)",
        "for amount in total",
    ),
    (
        "padding modes pad with zeros as well",
        "            padding = 0\n",
        "            padding = self.padding\n",
    ),
]
