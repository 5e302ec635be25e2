"""Mutants of max-pooling: what breaks, the old text, the new text."""

KEYWORD = "pool"
MUTANTS = [
    (
        "no sum over the windows that a neuron won (Eq. 51 as printed)",
        ".scatter_add(",
        ".scatter(",
    ),
    (
        "padding forgotten",
        "window.stride, window.padding, window.dilation",
        "window.stride, 0, window.dilation",
    ),
    (
        "dilation forgotten",
        "window.padding, window.dilation, window.ceil_mode",
        "window.padding, 1, window.ceil_mode",
    ),
    (
        "ceil_mode forgotten",
        "window.dilation, window.ceil_mode, True",
        "window.dilation, False, True",
    ),
    (
        "places overflow their integer by one",
        "if count - 1 <= torch.iinfo(t).max",
        "if count - 2 <= torch.iinfo(t).max",
    ),
    (
        "the stride is 1 by default",
        "kernel_size if stride is None else stride",
        "1 if stride is None else stride",
    ),
    (
        "sign of dL/dX",
        "return apply(MaxPoolGradInputFunction, grad_output, places, ctx.plane), None",
        "return -apply(MaxPoolGradInputFunction, grad_output, places, ctx.plane), None",
    ),
    (
        "sign of the tangent",
        "return apply(MaxPoolGatherFunction, d_input, places), None",
        "return -apply(MaxPoolGatherFunction, d_input, places), None",
    ),
    (
        "second order: factor of the derivative by delta",
        "return apply(MaxPoolGatherFunction, grad, places), None, None",
        "return apply(MaxPoolGatherFunction, grad, places) / 2, None, None",
    ),
    (
        "sign of the tangent of dL/dX",
        "return apply(MaxPoolGradInputFunction, d_grad_output, places, ctx.plane)",
        "return -apply(MaxPoolGradInputFunction, d_grad_output, places, ctx.plane)",
    ),
    (
        "sign of the derivative of a gathered tangent",
        "return apply(MaxPoolGradInputFunction, grad, places, ctx.plane), None",
        "return -apply(MaxPoolGradInputFunction, grad, places, ctx.plane), None",
    ),
    (
        "the tangent of a gathered tangent is dropped",
        "return apply(MaxPoolGatherFunction, d_tangent, places)",
        "return torch.zeros_like(apply(MaxPoolGatherFunction, d_tangent, places))",
    ),
]
