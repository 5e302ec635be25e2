"""Leaves in executed notebooks what is the same each time and can be seen without a kernel.

python -m notebooks.tidy NOTEBOOK.ipynb ...
"""

from __future__ import annotations

import sys
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
COVER = Path(__file__).parents[1] / "docs" / "notebooks.png"
LIVE = "application/vnd.jupyter.widget-view+json"


def tidy(notebook: NotebookNode) -> None:
    """Removes execution counts and times, what went to stderr, and controls without a kernel."""
    notebook.metadata = NotebookNode(KERNEL)
    for cell in notebook.cells:
        cell.metadata = NotebookNode({k: v for k, v in cell.metadata.items() if k == "tags"})
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = _joined([output for output in cell.outputs if _stays(output)])


def _joined(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Makes one of the pieces in which a kernel happens to send what it prints."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _stays(output: NotebookNode) -> bool:
    """Takes out of an output what varies; tells whether anything is left to see."""
    if output.output_type == "stream":
        return output.name == "stdout"
    if "execution_count" in output:
        output.execution_count = None
    data = output.get("data", {})
    if data.pop(LIVE, None) is not None or len(data) > 1:
        data.pop("text/plain", None)  # the name of what is shown
    return bool(data) or output.output_type == "error"


def cover(notebook: NotebookNode) -> bytes | None:
    """Returns the picture (PNG) of the cell tagged ``cover``, which the README shows."""
    for cell in notebook.cells:
        if "cover" in cell.metadata.get("tags", []):
            return b64decode(cell.outputs[-1].data["image/png"])
    return None


def main(paths: Sequence[str]) -> None:
    """Tidies notebooks in place, and puts the picture for the README where it belongs."""
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        tidy(notebook)
        nbformat.write(notebook, path)
        if picture := cover(notebook):
            COVER.write_bytes(picture)


if __name__ == "__main__":
    main(sys.argv[1:])
