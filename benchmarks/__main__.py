"""Time and memory of hand-derived layers beside torch.nn's, in turns in one process.

    python -m benchmarks                       # whole nets, single layers, growth; the tables
    python -m benchmarks --only nets --compare benchmarks/results/cpu/figures.json

Ours divided by torch.nn's: below 1 is faster, or leaner. A time is the median of paired ratios,
with its quartiles. All figures go to a folder: figures.json, a CSV file and a picture per table.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks import measure, pictures
from benchmarks.layers import growth_rows, layer_rows
from benchmarks.measure import Row
from benchmarks.nets import VARIANTS, net_rows

RESULTS = Path(__file__).parent / "results"
SEEN = 10e6  # bytes: what is less drowns in what the process does besides
TABLES = "nets", "layers", "growth"


MEASURES: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "nets": net_rows,
    "layers": layer_rows,
    "growth": growth_rows,
}


def words(table: str, row: Row) -> list[str]:
    """A row as a person reads it."""
    time = f"{row['step']:.2f} ({row['low']:.2f}-{row['high']:.2f})"
    parts = [f"{row['forward']:.2f}", f"{row['backward']:.2f}", f"{1000 * row['seconds']:.3g} ms"]
    if table == "nets":
        seen = row["peak_torch"] and row["peak_torch"] > SEEN
        peak = f"{row['peak'] / row['peak_torch']:.2f}" if seen else ""
        name = [row["net"], row["variant"]]
        return [*name, time, *parts, f"{row['saved_ratio']:.2f}", peak]
    if table == "layers":
        saved = f"{row['saved'] / 1e6:.3g} / {row['saved_torch'] / 1e6:.3g} MB"
        return [row["layer"], time, *parts, saved]
    slopes = f"{row['slope']:.2f} ({row['slope_torch']:.2f})"
    return [row["layer"], row["along"], str(row["size"]), time, *parts, slopes]


HEADS = {
    "nets": "net | variant | step | forward | backward | ours | saved bytes | peak memory",
    "layers": "layer | both passes | forward | backward | ours | saved: ours / torch's",
    "growth": "layer | along | size | both passes | forward | backward | ours | exponent (torch's)",
}


def key(row: Row) -> str:
    """What a row is about, to find it in another run."""
    return " ".join(str(row[n]) for n in ("net", "variant", "layer", "along", "size") if n in row)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--only", nargs="+", choices=TABLES, default=TABLES)
    made.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    made.add_argument(
        "--pairs", type=several, default=15, help="how often they take turns: 2 or more"
    )
    made.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    made.add_argument("--channels-last", action="store_true")
    made.add_argument("--compare", type=Path, metavar="OLD", help="figures.json of another run")
    made.add_argument("--output", type=Path, help="folder of the results")
    return made


def several(text: str) -> int:
    """Reads a number of at least two, which a median and its quartiles need."""
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"it takes two pairs or more, got {number}")
    return number


def main() -> None:
    """Measures, prints the tables as it goes, and writes everything down."""
    options = parser().parse_args()
    if options.device.type == "cuda":
        torch.cuda.set_device(options.device)
    options.memory_format = (
        torch.channels_last if options.channels_last else torch.contiguous_format
    )
    name = str(options.device) + ("-channels_last" if options.channels_last else "")
    folder = options.output or RESULTS / name
    folder.mkdir(parents=True, exist_ok=True)
    old = json.loads(options.compare.read_text("utf-8")) if options.compare else {}
    figures = folder / "figures.json"
    kept = json.loads(figures.read_text("utf-8")) if figures.exists() else {}
    for table in options.only:
        before = {key(row): row for row in old.get(table, [])}
        head = HEADS[table].split(" | ") + (["before", "change"] if options.compare else [])
        print(f"\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
        rows = []
        for row in MEASURES[table](options):
            rows.append(row)
            cells = words(table, row)
            if options.compare:
                cells += compared(row, before.get(key(row)))
            print(f"| {' | '.join(cells)} |", flush=True)
        measured = {key(row) for row in rows}
        rows += [row for row in kept.get(table, []) if key(row) not in measured]
        kept[table] = rows
        kept.setdefault("surroundings", {})[table] = measure.surroundings(options.device)
        figures.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        pictures.DRAW[table](rows).savefig(folder / f"{table}.png", dpi=120)
    print(f"\n{measure.surroundings(options.device)}; everything is in {folder}")


def compared(row: Row, before: Row | None) -> list[str]:
    """What the ratio of another run was, and what became of it."""
    if before is None:
        return ["", ""]
    return [f"{before['step']:.2f}", f"{row['step'] / before['step'] - 1:+.0%}"]


if __name__ == "__main__":
    main()
