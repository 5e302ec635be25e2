"""``python -m manualnn.checks package.module:Thing --input 4,8,5,5``: the doctor in a terminal."""

from __future__ import annotations

import argparse
import json
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from manualnn.checks.doctor import check_function, chosen_checks
from manualnn.checks.registry import CHECKS

RIGHT, WRONG, NOT_EXAMINED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Examines what is named, prints the report, and returns the exit code.

    0 is right, 1 is wrong, and 2 is that there was nothing to examine, or no gradient to compare.
    """
    chosen = parser().parse_args(arguments)
    if chosen.list:
        for check in CHECKS.values():
            print(f"{check.name}: {check.doc}{' (only when asked for)' if check.costly else ''}")
        return RIGHT
    try:
        chosen_checks(chosen.only, chosen.without)
        function, inputs = subject_of(chosen.thing, random_inputs(chosen.input))
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        print(f"{chosen.thing}: {error}", file=sys.stderr)
        return NOT_EXAMINED
    report = check_function(function, *inputs, only=chosen.only, without=chosen.without)
    print(json.dumps(report.to_dict(), indent=2) if chosen.json else report)
    if report.not_compared:
        return NOT_EXAMINED
    return RIGHT if report.ok else WRONG


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m manualnn.checks", description=__doc__)
    made.add_argument(
        "thing",
        nargs="?",
        help="package.module:name of a module, a module's class, a Function, a function with "
        "--input, or a function without arguments that returns a module and its inputs",
    )
    made.add_argument(
        "--input", action="append", default=[], type=shape, help="shape of a random input: 4,8,5,5"
    )
    made.add_argument("--only", nargs="+", default=[], help="checks to run")
    made.add_argument("--without", nargs="+", default=[], help="checks to leave out")
    made.add_argument("--json", action="store_true", help="print the report as JSON")
    made.add_argument("--list", action="store_true", help="print all checks and end")
    return made


def shape(text: str) -> list[int]:
    """Reads ``4,8,5,5``.

    Raises:
        argparse.ArgumentTypeError: If it is no shape.
    """
    try:
        return [int(size) for size in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no shape such as 4,8,5,5") from error


def random_inputs(shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """Makes different random numbers for each shape, the same in each run."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*sizes, generator=generator, dtype=torch.float64) for sizes in shapes]


def subject_of(name: str | None, inputs: Sequence[Tensor]) -> tuple[Any, tuple[Any, ...]]:
    """Finds what is named, and the inputs to call it with.

    Raises:
        ImportError, AttributeError: If there is nothing of that name.
        ValueError: If it is nothing that can be examined, or has no inputs.
    """
    if not name or ":" not in name:
        raise ValueError("name what to examine as package.module:name")
    sys.path.insert(0, os.getcwd())
    thing = pkgutil.resolve_name(name)
    if isinstance(thing, type) and issubclass(thing, Function):
        thing = thing.apply
    elif isinstance(thing, type) and issubclass(thing, nn.Module):
        thing = thing()
    elif not isinstance(thing, nn.Module) and callable(thing) and not inputs:
        made = thing()
        thing, *inputs = made if isinstance(made, tuple) else (made,)
    if not callable(thing):
        raise ValueError(f"{type(thing).__name__} is no module and no function")
    if not inputs:
        raise ValueError("it has no inputs: add --input 4,8,5,5 for each")
    return thing, tuple(inputs)


if __name__ == "__main__":
    sys.exit(main())
