"""What the optimizers share: the loop over parameters, and what is refused.

An optimizer here is a subclass of its ``torch.optim`` twin: constructor, parameter groups,
state_dict, hooks and pickling are torch's own. Only ``step`` is ours, and what an optimizer adds to
the loop below is one formula for one parameter, ``update``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Group = dict[str, Any]

UNSUPPORTED_FLAGS = ("foreach", "fused", "differentiable", "capturable")


class HandWrittenStep(torch.optim.Optimizer):
    """Replace torch's ``step`` by one readable update per parameter; a base before the twin."""

    def update(self, param: Tensor, grad: Tensor, lr: float, group: Group) -> Tensor:
        """Compute a parameter's next value, and renew what ``self.state`` remembers of it.

        Args:
            param: The parameter, any shape.
            grad: Its gradient, same shape.
            lr: The learning rate, at least 0.
            group: All options of the parameter's group.

        Returns:
            The next value, a tensor of its own.
        """
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient, once.

        Args:
            closure: Evaluates the model again, calls ``backward`` and returns the loss.

        Returns:
            What the closure returned, or None without one.

        Raises:
            ValueError: A group asks for an unsupported option, or holds a complex parameter.
            RuntimeError: A gradient is sparse. Nothing has been updated then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._refuse_options(group)
            self._refuse_tensors(group)
        for group in self.param_groups:
            lr = float(group["lr"])
            for param in group["params"]:
                if param.grad is not None:
                    param.copy_(self.update(param, param.grad, lr, group))
        return loss

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own.

        Args:
            param_group: The parameters under ``"params"``, and the options that differ from the
                constructor's.

        Raises:
            ValueError: It asks for an unsupported option, or holds a complex parameter.
            RuntimeError: A gradient is sparse. The group has not been added then.
        """
        super().add_param_group(param_group)
        try:
            self._refuse_options(param_group)
            self._refuse_tensors(param_group)
        except (ValueError, RuntimeError):
            self.param_groups.pop()
            raise

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of another run, this optimizer's or its torch twin's.

        Args:
            state_dict: What ``state_dict()`` returned.

        Raises:
            ValueError: It asks for an unsupported option. Nothing has been changed then.
        """
        for group in state_dict["param_groups"]:
            self._refuse_options(group)
        super().load_state_dict(state_dict)

    def _refuse_options(self, group: Group) -> None:
        for flag in UNSUPPORTED_FLAGS:
            if group.get(flag):
                raise ValueError(
                    f"manualnn's {type(self).__name__} does not support {flag}={group[flag]!r}: "
                    f"it has one plain update; leave {flag} out, or set it to False"
                )

    def _refuse_tensors(self, group: Group) -> None:
        for index, param in enumerate(group["params"]):
            if param.is_complex():
                raise ValueError(
                    f"manualnn's {type(self).__name__} updates real parameters only, but parameter "
                    f"{index} of its group is {param.dtype}; optimize a real view of it"
                )
            if param.grad is not None and param.grad.layout != torch.strided:
                raise RuntimeError(
                    f"manualnn's {type(self).__name__} takes dense gradients only, but that of "
                    f"parameter {index} of its group is {param.grad.layout} (sparse); build its "
                    "layer with sparse=False"
                )
