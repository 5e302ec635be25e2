"""Break the formulas one at a time, and see which test notices.

A mutant is a small edit to one source file: those of manualnn/layers/conv.py are listed in
tests/mutants/layers/conv.py. Each is made in a copy of the package, where the tests that the list's
keyword selects run until one fails. A mutant that survives is a formula that nothing checks. Beside
the test that notices it stands what the gradient doctor says of it, if a gradient is wrong.
"""

from __future__ import annotations

import argparse
import importlib
import io
import multiprocessing
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
LISTS = ROOT / "tests" / "mutants"
NOT_COPIED = ("__pycache__", "recipes", "mutants", "mutation.py", "test_mutation.py")
ORDER = (  # what notices most in the least time comes first
    "tests/layers/",
    "tests/losses/",
    "tests/optim/",
    "tests/report/",
    "tests/test_reference.py",
    "tests/test_values.py::test_float64_equals_the_twin",
    "tests/test_proof.py",
    "tests/test_values.py",
    "",
)

METHODS = multiprocessing.get_all_start_methods()
PROCESSES = multiprocessing.get_context("forkserver" if "forkserver" in METHODS else "spawn")
PROCESSES.set_forkserver_preload(["pytest", "hypothesis", "torch._dynamo"])


class Mutant(NamedTuple):
    """A small edit to one source file, and the keyword of the tests that may notice it."""

    file: str
    keyword: str
    breaks: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file}: {self.breaks}"

    def of(self, source: str) -> str:
        """The source with the edit."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(f"{self}: found {found} times instead of once: {self.old!r}")
        return source.replace(self.old, self.new)


def read_lists() -> Iterator[Mutant]:
    for path in sorted(LISTS.rglob("*.py")):
        file = path.relative_to(LISTS)
        listed = importlib.import_module(".".join(("tests.mutants", *file.with_suffix("").parts)))
        for breaks, old, new in listed.MUTANTS:
            yield Mutant(f"manualnn/{file.as_posix()}", listed.KEYWORD, breaks, old, new)


def copy_package(folder: Path) -> None:
    """Copy the package, its tests and what they import, whoever goes on editing them."""
    for part in ("manualnn", "tests", "benchmarks"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns(*NOT_COPIED))
    shutil.copy(ROOT / "pyproject.toml", folder)


class Failure(NamedTuple):
    """A test, or a test file, and the message that it failed with."""

    test: str
    message: str

    @property
    def diagnosis(self) -> str:
        """What the doctor's report says of the first gradient that is wrong, in a line."""
        found = re.search(r"WRONG \([\w, -]+\): (.+(\n {4}.+)*)", self.message)
        return " ".join(found[1].split()) if found else ""


class Failures(list):
    """A pytest plugin: what failed; tests run in the order of ORDER."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: [*map(item.nodeid.startswith, ORDER)].index(True))

    def pytest_runtest_logreport(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.append(Failure(report.nodeid, crash.message if crash else str(report.longrepr)))

    pytest_collectreport = pytest_runtest_logreport


def failures(folder: Path, *arguments: str) -> list[Failure]:
    """Run pytest in a folder, in a process that has not imported the package yet."""
    with ProcessPoolExecutor(1, PROCESSES) as process:
        return process.submit(_failures, folder, arguments).result()


def _failures(folder: Path, arguments: tuple[str, ...]) -> list[Failure]:
    import torch

    torch.set_num_threads(1)
    os.chdir(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("manualnn", "tests")]:
        del sys.modules[name]  # the runner's own, from another folder
    failed, output = Failures(), io.StringIO()
    with redirect_stdout(output):
        code = pytest.main(["-p", "no:cacheprovider", *arguments], plugins=[failed])
    if not failed and code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise RuntimeError(f"pytest {' '.join(arguments)}:\n{output.getvalue()}")
    return list(failed)


def try_out(original: Path, mutant: Mutant) -> tuple[str | None, str, float]:
    """The first test that notices the mutant, the doctor's words, and the seconds it took."""
    start = time.perf_counter()
    with TemporaryDirectory() as name:
        folder = shutil.copytree(original, Path(name).resolve(), dirs_exist_ok=True)
        source = folder / mutant.file
        source.write_text(mutant.of(source.read_text("utf-8")), "utf-8")
        failed = failures(folder, "tests", "--exitfirst", "-k", mutant.keyword)
        proofs = f"derivative and ({mutant.keyword})"
        proved = failed and (failures(folder, "tests", "--exitfirst", "-k", proofs) or failed)
    seconds = time.perf_counter() - start
    return (failed[0].test, proved[0].diagnosis, seconds) if failed else (None, "", seconds)


def try_all(original: Path, mutants: list[Mutant], jobs: int) -> list[str | None]:
    """Print a line for each mutant; returns the tests that noticed them."""
    width, killers = max(len(str(mutant)) for mutant in mutants), []
    with ThreadPoolExecutor(jobs) as threads:
        outcomes = threads.map(partial(try_out, original), mutants)
        for mutant, (killer, diagnosis, seconds) in zip(mutants, outcomes, strict=True):
            verdict = f"killed by {killer}" if killer else "SURVIVED"
            print(f"{seconds:5.1f} s  {mutant!s:{width}}  {verdict}", flush=True)
            if diagnosis:
                print(f"         {diagnosis}", flush=True)
            killers.append(killer)
    return killers


def _names(failed: list[Failure]) -> str:
    return ", ".join(failure.test for failure in failed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="mutants with TEXT in their name"
    )
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="mutants at a time")
    arguments = parser.parse_args()
    mutants = [mutant for mutant in read_lists() if arguments.only in str(mutant)]
    if not mutants:
        parser.error(f"no mutant has {arguments.only!r} in its name")

    os.environ["OMP_NUM_THREADS"] = "1"
    start = time.perf_counter()
    with TemporaryDirectory() as name:
        original = Path(name).resolve()
        copy_package(original)
        for mutant in mutants:
            mutant.of((original / mutant.file).read_text("utf-8"))
        if unreadable := failures(original, "tests", "--collect-only"):
            sys.exit(f"tests that cannot be read notice nothing: {_names(unreadable)}")
        killers = try_all(original, mutants, arguments.jobs)
        tests = sorted({killer for killer in killers if killer})
        unsound = failures(original, *tests) if tests else []

    for failure in unsound:
        print(f"proves nothing, as it fails without a mutant too: {failure.test}")
    survived, minutes = killers.count(None), (time.perf_counter() - start) / 60
    print(
        f"{len(mutants)} mutants: {len(mutants) - survived} killed by {len(tests)} tests, "
        f"{survived} survived, in {minutes:.1f} minutes"
    )
    return 1 if survived or unsound else 0


if __name__ == "__main__":
    sys.exit(main())
