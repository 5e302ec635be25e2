"""The package's own source, shown beside the formula that it computes."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from IPython.display import Markdown

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("manualnn", "recipes")


def source(*objects: Any) -> Markdown:
    """Returns the source of functions and classes as it stands in its files, under their names.

    Raises:
        ValueError: If one of them is neither of the package nor of a recipe.
    """
    return Markdown("\n\n".join(map(_shown, objects)))


def _shown(thing: Any) -> str:
    file = Path(inspect.getsourcefile(inspect.unwrap(thing)) or "").resolve()
    if not any(file.is_relative_to(ROOT / package) for package in PACKAGES):
        raise ValueError(f"{thing!r} is not of {' or '.join(PACKAGES)}, but of {file}")
    path = file.relative_to(ROOT).as_posix()
    return f"[`{path}`](../{path})\n```python\n{inspect.getsource(thing).rstrip()}\n```"
