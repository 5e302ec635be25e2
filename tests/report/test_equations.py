"""Each numbered equation of the report has its place in the package, and a test that calls it."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
CORRECTIONS = "tests/report/test_corrections.py"


class Equation(NamedTuple):
    """A row of equations.md."""

    number: str
    kind: str
    says: str
    holds_instead: str
    object: str
    test: str


def read_table() -> list[Equation]:
    lines = Path(__file__).with_name("equations.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines]
    return [Equation(*row) for row in rows if row and row[0].isdigit()]


EQUATIONS = read_table()
PROVED = [equation for equation in EQUATIONS if equation.kind != "definition"]
CORRECTED = [equation for equation in EQUATIONS if equation.kind == "corrected"]


def load(target: str) -> object:
    """The object that "package.module:name" names."""
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


def calls(test: str, target: object) -> bool:
    """Whether the function that "file.py::name" names has a call of `target`, by whatever name."""
    path, name = test.split("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    (function,) = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    )
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    imported: dict[str, object] = {}
    exec(compile(ast.Module(imports, type_ignores=[]), path, "exec"), imported)

    called = {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    dotted = [name.split(".") for name in called if re.fullmatch(r"[\w.]+", name)]
    for first, *attributes in dotted:
        found = imported.get(first)
        for attribute in attributes:
            found = getattr(found, attribute, None)
        if found is target:
            return True
    return False


def by_number(equation: Equation) -> str:
    return f"eq_{equation.number}"


def test_the_table_has_each_number_once():
    assert [equation.number for equation in EQUATIONS] == [str(n) for n in range(1, 68)]


@pytest.mark.parametrize("equation", EQUATIONS, ids=by_number)
def test_each_row_is_complete(equation):
    filled = (bool(equation.test), bool(equation.holds_instead))
    expected = {
        "definition": (False, False),
        "implemented": (True, False),
        "corrected": (True, True),
    }
    assert filled == expected[equation.kind]
    assert equation.says


@pytest.mark.parametrize("equation", EQUATIONS, ids=by_number)
def test_each_object_can_be_imported(equation):
    assert callable(load(equation.object))


@pytest.mark.parametrize("equation", PROVED, ids=by_number)
def test_each_test_calls_its_object(equation):
    assert calls(equation.test, load(equation.object))


@pytest.mark.parametrize("equation", CORRECTED, ids=by_number)
def test_each_correction_is_demonstrated(equation):
    path, name = equation.test.split("::")
    assert path == CORRECTIONS
    first, last = re.match(r"test_eq_(\d+)(?:_(?:and|to)_(\d+))?_", name).groups()
    assert int(first) <= int(equation.number) <= int(last or first)


def test_an_object_that_is_not_there_is_noticed():
    with pytest.raises(ModuleNotFoundError):
        load("manualnn.nowhere:conv")
    with pytest.raises(AttributeError):
        load("manualnn.reference:nothing")


def test_a_test_that_is_not_there_is_noticed():
    with pytest.raises(ValueError, match="not enough values to unpack"):
        calls(f"{CORRECTIONS}::test_of_nothing", load)
    with pytest.raises(FileNotFoundError):
        calls("tests/report/nowhere.py::test_of_nothing", load)


def test_a_test_that_calls_something_else_is_noticed():
    test = f"{CORRECTIONS}::test_eq_33_forgets_the_sum_over_the_batch"
    assert calls(test, load("manualnn.reference:linear_grad_bias"))
    assert not calls(test, load("manualnn.reference:linear_grad_input"))
