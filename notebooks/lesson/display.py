"""Pictures in a notebook, and controls that redraw them where there is somebody to move them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

from IPython.display import Image, display
from ipywidgets import Layout, SelectionSlider, interactive
from matplotlib.figure import Figure
from PIL import Image as Pixels

DOTS = 110  # per inch


def picture(figure: Figure, alt: str = "") -> Image:
    """Returns a figure to be displayed: the same bytes every time, and few, with 256 colours.

    Args:
        figure: Of matplotlib.
        alt: What it shows, for whoever does not see it; the figure's title unless told.
    """
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS)
    pixels = Pixels.open(drawn).convert("RGB").quantize(256, dither=Pixels.Dither.NONE)
    pixels.save(small, format="png", optimize=True)
    width = round(figure.get_figwidth() * DOTS * 0.8)
    return Image(small.getvalue(), width=width, alt=alt or figure.get_suptitle())


def explore(
    draw: Callable[..., Figure], static: Figure | None = None, **choices: Sequence[Any]
) -> None:
    """Displays a figure with a slider for each of its arguments.

    Where sliders do not run (on a code host, in print) the static view takes their place.

    Args:
        draw: Draws the figure from one choice of each.
        static: The view without sliders; the figure of the first choices unless given.
        choices: For each argument of ``draw``, what it may be.
    """
    sliders = {
        name: SelectionSlider(
            options=values, description=name, layout=Layout(width="30em"), continuous_update=False
        )
        for name, values in choices.items()
    }
    controls = interactive(lambda **chosen: display(picture(draw(**chosen))), **sliders)
    view = picture(static or draw(**{name: values[0] for name, values in choices.items()}))
    pixels, size = view._repr_mimebundle_()
    shown = controls._repr_mimebundle_() | pixels
    display(shown, raw=True, metadata=size)
