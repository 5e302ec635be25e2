"""A run of layers as one Function: what is cheap is computed again, not kept.

A run takes x_0 through its pieces, x_i = piece_i(x_(i-1)). Backward, Eq. 22-29 are followed from
the last piece to the first::

    delta_n = dL/dx_n,   delta_(i-1) = (dx_i/dx_(i-1))^T delta_i,   dL/dparameters_i likewise

For that some of the x_i are needed. torch.nn keeps every one of them. Here the costly ones are
kept, which are the outputs of products, and those that follow from a kept one by cheap steps
(normalise, rectify) are computed again, when the backward pass gets to them::

    convolution -> batch norm -> ReLU -> convolution         keeps x_0 and x_1; x_3 from x_1
    batch norm -> convolution -> ReLU -> batch norm -> ...   keeps x_0, the ReLU's outputs

Fewer bytes are kept, nothing is written that is read once only, and one Function costs less than
three. Statistics of a batch norm are kept, as they are few.

Where the backward pass is differentiated itself, all x_i are computed again from x_0, by the
layers' own Functions: what is kept is no function of x_0 any more as far as autograd knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, islice
from operator import or_
from typing import Any

from torch import Tensor

from manualnn.autograd import Function, is_plain, is_recorded, is_unwatched, led_nowhere
from manualnn.fused.evaluation import evaluate
from manualnn.fused.pieces import Parameters, Passed, Piece
from manualnn.fused.products import Convolution, Product


class Run:
    """A run of pieces, and which of x_0 ... x_n are kept.

    Args:
        pieces: from the first to the last.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        """Finds out what has to be kept."""
        self.pieces = tuple(pieces)
        self.needed = [piece.needs_input for piece in pieces] + [False]
        for place, piece in enumerate(pieces, start=1):
            self.needed[place] |= piece.needs_output
        self.keeps = self._which_to_keep()
        self.axes = {axes for axes in range(2, 6) if self._takes(axes)}

    def _takes(self, axes: int) -> bool:
        """Whether every piece takes as many axes as reach it, of an x_0 with so many."""
        for piece in self.pieces:
            if axes not in piece.axes:
                return False
            axes = piece.axes_after or axes
        return True

    def _which_to_keep(self) -> list[bool]:
        """What is needed, unless it follows by cheap steps from something that is kept."""
        keeps = [self.needed[0]]
        follows = keeps[0]
        for piece, needed in zip(self.pieces, self.needed[1:], strict=True):
            follows = follows and piece.is_cheap
            keeps.append(needed and not follows)
            follows = follows or keeps[-1]
        return keeps

    def parameters(self) -> list[Tensor | None]:
        """Those of all pieces, one after the other."""
        return [p for piece in self.pieces for p in piece.parameters()]

    def split(self, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        """What is given for all parameters, piece by piece."""
        rest = iter(values)
        return [tuple(islice(rest, len(piece.parameters()))) for piece in self.pieces]

    @led_nowhere
    def __call__(self, x: Tensor) -> Tensor:
        """x_n, by one Function where nothing is traced or transformed, else by the layers."""
        parameters = self.parameters()
        if self._fits(x, parameters):
            if not is_recorded(x, *parameters):
                return evaluate(self.pieces, self.split(parameters), x)
            if not self._has_frozen_product():
                return RunFunction.apply(x, self, *parameters)
        for piece in self.pieces:
            for layer in piece.layers:
                x = layer(x)
        return x

    def _fits(self, x: Tensor, parameters: Sequence[Tensor | None]) -> bool:
        """Whether the pieces can act on this: a batch of plain numbers, of the layers' dtype."""
        return (
            is_plain(x)
            and x.numel() > 0
            and x.dim() in self.axes
            and all(p is None or p.dtype == x.dtype for p in parameters)
        )

    def _has_frozen_product(self) -> bool:
        """Whether some product needs no input, as its weight is frozen: its layer keeps less."""
        return any(
            isinstance(piece, (Convolution, Product)) and not piece.layer.weight.requires_grad
            for piece in self.pieces
        )


class RunFunction(Function):
    """x_0 to x_n. It has a ctx in its forward pass, as what is kept is not among its results."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Run, *parameters: Tensor | None) -> Tensor:
        ctx.run, ctx.shapes = run, []
        xs: list[Tensor | None] = [x if run.keeps[0] else None]
        kept, is_fresh = [], False
        for piece, own, keeps in zip(run.pieces, run.split(parameters), run.keeps[1:], strict=True):
            ctx.shapes.append(x.shape)
            x, more = piece.forward(x, own, is_fresh)
            xs.append(x if keeps else None)
            kept.append(more)
            is_fresh = not keeps and (is_fresh or not piece.is_view)
        ctx.sizes = [len(xs), *map(len, kept)]
        ctx.save_for_backward(*xs, *chain.from_iterable(kept), *parameters)
        return x

    @staticmethod
    def backward(ctx: Any, delta: Any) -> tuple[Tensor | None, ...]:
        passes = Passes(ctx)
        needs_x, _, *needs = ctx.needs_input_grad
        own = passes.run.split(needs)
        needs_delta = list(accumulate(map(any, own), or_, initial=needs_x))
        gradients: list[Parameters] = []
        for i, piece in reversed(list(enumerate(passes.run.pieces))):
            if delta is None:  # nothing before here is differentiated
                gradients.append((None,) * len(own[i]))
                continue
            delta, of_parameters = piece.backward(delta, passes.of(i), needs_delta[i], own[i])
            gradients.append(of_parameters)
        return delta, None, *chain.from_iterable(reversed(gradients))


class Passes:
    """What the forward pass left, and what is computed again from it.

    Args:
        ctx: of the Function's backward pass.
    """

    def __init__(self, ctx: Any) -> None:
        """Unpacks what was kept; where the backward pass is watched, all goes by the layers."""
        self.run: Run = ctx.run
        self.shapes = ctx.shapes
        saved = iter(ctx.saved_tensors)
        self.xs, *self.kept = (list(islice(saved, size)) for size in ctx.sizes)
        self.parameters = self.run.split(saved)
        self.is_fresh = [False] * len(self.xs)
        if self.run.keeps[0] and not is_unwatched():
            self._by_layers()

    def _by_layers(self) -> None:
        for i, piece in enumerate(self.run.pieces):
            kept = tuple(self.kept[i])
            self.xs[i + 1], kept = piece.by_layer(self.xs[i], self.parameters[i], kept)
            self.kept[i] = list(kept)

    def of(self, i: int) -> Passed:
        """What piece i needs for its backward pass; x_(i+1) goes, as nobody needs it any more."""
        piece = self.run.pieces[i]
        y = self._x(i + 1) if piece.needs_output else None
        x = self._x(i) if piece.needs_input else None
        self.xs[i + 1] = None
        return Passed(self.shapes[i], x, y, self.parameters[i], tuple(self.kept[i]))

    def _x(self, i: int) -> Tensor:
        """x_i, computed again if it was not kept, over x_(i-1) if that is needed for this alone."""
        if self.xs[i] is None:
            piece, x = self.run.pieces[i - 1], self._x(i - 1)
            is_free = self.is_fresh[i - 1] and not self.run.needed[i - 1]
            self.xs[i] = piece.again(x, self.parameters[i - 1], tuple(self.kept[i - 1]), is_free)
            self.is_fresh[i] = self.is_fresh[i - 1] or not piece.is_view
            if is_free:
                self.xs[i - 1] = None
        return self.xs[i]
