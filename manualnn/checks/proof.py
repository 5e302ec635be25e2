"""Proof by number that a backward pass is the derivative of its forward pass, at two orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from manualnn.checks.layouts import layouts

LARGE = 100  # numbers, beyond which a whole Jacobian takes seconds


def prove(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    forward_mode: bool = True,
    nondeterminism: float = 0.0,
) -> None:
    """Prove the first and second derivative of a function, whatever the cotangent's layout.

    Central differences (:func:`torch.autograd.gradcheck`) prove the derivative for a contiguous
    random cotangent, in reverse and forward mode, and the derivative of that: the whole Jacobian
    for up to 100 numbers to differentiate by, random directions for more. Cotangents in other
    layouts (:func:`layouts`) must then give what their contiguous copies give, at both orders.

    Args:
        function: returns a tensor or a tuple of tensors; called several times, it must be a
            function of its arguments alone.
        inputs: its arguments; those with ``requires_grad``, in float64, are differentiated.
        forward_mode: prove the forward mode as well.
        nondeterminism: how far two equal runs may be apart; above 0 for devices that sum in no
            fixed order.

    Raises:
        torch.autograd.gradcheck.GradcheckError: if a derivative is wrong.
        AssertionError: if a derivative depends on the cotangent's layout.
    """
    inputs = tuple(inputs)
    numbers = sum(i.numel() for i in inputs if isinstance(i, Tensor) and i.requires_grad)
    gradcheck(
        function,
        inputs,
        check_forward_ad=forward_mode,
        check_undefined_grad=False,
        fast_mode=numbers > LARGE,
        nondet_tol=nondeterminism,
    )
    gradgradcheck(
        function,
        inputs,
        check_fwd_over_rev=forward_mode,
        fast_mode=True,
        nondet_tol=nondeterminism,
    )
    output = _first(function(*inputs))
    for name, cotangent in layouts(torch.randn_like(output)).items():
        expected = _two_orders(function, inputs, cotangent.contiguous())
        returned = _two_orders(function, inputs, cotangent)
        for actual, truth in zip(returned, expected, strict=True):
            distance = (actual - truth).abs().max() if truth.numel() else 0
            if not distance <= 1e-10:
                raise AssertionError(f"{name} cotangent: a gradient is {distance:.2e} off")


def _first(outputs: Any) -> Tensor:
    return outputs if isinstance(outputs, Tensor) else outputs[0]


def _two_orders(
    function: Callable[..., Any], inputs: tuple[Any, ...], cotangent: Tensor
) -> list[Tensor]:
    """Gradients of the inputs, and what a second backward pass gives inputs and cotangent."""
    variables = [i for i in inputs if isinstance(i, Tensor) and i.requires_grad]
    cotangent = cotangent.detach().requires_grad_()
    first = torch.autograd.grad(
        _first(function(*inputs)), variables, cotangent, create_graph=True, materialize_grads=True
    )
    again = [gradient for gradient in first if gradient.requires_grad]
    directions = [torch.ones_like(gradient) for gradient in again]
    second = torch.autograd.grad(again, [*variables, cotangent], directions, materialize_grads=True)
    return [*first, *second]
