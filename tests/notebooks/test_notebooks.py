"""The notebooks as committed: whole, tidy, and with exercises that can be failed and solved."""

import ast
import re
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
import torch

from notebooks.lesson import Exercise
from notebooks.tidy import COVER, KERNEL, cover, tidy

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in FOLDER.glob("*.ipynb")}
each_notebook = pytest.mark.parametrize("name", sorted(NOTEBOOKS))

EQUATIONS = range(1, 68)
SKIPPED = {62}  # the report numbers no equation so
A_MACHINES_PATH = re.compile(
    r"(?<![\w.])/(home|Users|root|tmp|work|usr|opt|var|mnt)/|site-packages"
)


def cells(name, kind):
    return [cell for cell in NOTEBOOKS[name].cells if cell.cell_type == kind]


def outputs(name):
    return [output for cell in cells(name, "code") for output in cell.outputs]


def texts(output):
    if output.output_type == "stream":
        return [output.text]
    return [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]


def exercises_of(name):
    return import_module(f"notebooks.exercises.{name[3:]}")


def solutions_of(name):
    return import_module(f"notebooks.solutions.{name[3:]}")


def starting_points(name):
    """The reader's functions as the notebook gives them, by name."""
    given = {}
    for cell in cells(name, "code"):
        if "exercise" in cell.metadata.get("tags", []):
            (function,) = [n for n in ast.parse(cell.source).body if isinstance(n, ast.FunctionDef)]
            scope = {"torch": torch}
            exec(compile(ast.Module([function], []), name, "exec"), scope)
            assert f"exercises.{function.name}.grade({function.name})" in cell.source
            given[function.name] = scope[function.name]
    return given


def test_there_are_eight():
    assert [name[:2] for name in sorted(NOTEBOOKS)] == [f"0{n}" for n in range(1, 9)]


def test_every_equation_of_the_report_is_in_a_notebook():
    prose = "\n".join(cell.source for name in NOTEBOOKS for cell in cells(name, "markdown"))
    shown = [int(number) for number in re.findall(r"\\tag\{(\d+)\}", prose)]
    assert set(shown) == set(EQUATIONS) - SKIPPED
    assert all(f"no Eq. {number}" in prose for number in SKIPPED)


@each_notebook
def test_it_was_run_without_errors(name):
    assert all(output.output_type != "error" for output in outputs(name))
    silent = [cell.source for cell in cells(name, "code") if not cell.outputs]
    drawn = [o for o in outputs(name) if "image/png" in o.get("data", {})]
    assert len(drawn) >= 4
    assert all("picture(" not in source and "print(" not in source for source in silent)


@each_notebook
def test_it_is_tidy(name):
    notebook = nbformat.from_dict(NOTEBOOKS[name])
    before = nbformat.writes(notebook)
    tidy(notebook)
    assert nbformat.writes(notebook) == before
    assert notebook.metadata == KERNEL


@each_notebook
def test_its_pictures_say_what_they_show(name):
    for output in outputs(name):
        if "image/png" in output.get("data", {}):
            assert output.metadata["image/png"]["alt"]


@each_notebook
def test_no_output_names_a_place_on_a_machine(name):
    for output in outputs(name):
        for text in texts(output):
            assert not A_MACHINES_PATH.search(text), text


@each_notebook
def test_the_code_shown_is_the_packages(name):
    for output in outputs(name):
        for text in texts(output):
            for path, code in re.findall(
                r"^\[`(.+?)`\].*?\n```python\n(.*?)\n```$", text, re.M | re.S
            ):
                assert code in (FOLDER.parent / path).read_text(), f"run {name} again: {path}"


def links(text):
    return re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text)


@each_notebook
def test_its_links_lead_somewhere(name):
    for cell in cells(name, "markdown"):
        for target in links(cell.source):
            assert target.startswith("https://") or (FOLDER / target).exists(), target


@pytest.mark.parametrize("page", ["README.md", "report.md"])
def test_the_links_of_a_page_lead_somewhere(page):
    for target in links((FOLDER / page).read_text()):
        assert (FOLDER / target).exists(), target


def test_the_readmes_picture_is_out_of_a_notebook():
    (picture,) = [shown for shown in map(cover, NOTEBOOKS.values()) if shown]
    assert COVER.read_bytes() == picture


def test_the_readme_leads_to_every_notebook():
    assert {f"{name}.ipynb" for name in NOTEBOOKS} <= {*links((FOLDER / "README.md").read_text())}


@each_notebook
def test_it_has_three_exercises_that_are_not_solved_yet(name):
    given, graded = starting_points(name), exercises_of(name)
    assert len(given) == 3
    assert list(given) == [n for n, e in vars(graded).items() if isinstance(e, Exercise)]
    for function_name, function in given.items():
        grade = getattr(graded, function_name).grade(function)
        assert not grade.ok
        assert grade.remarks and getattr(graded, function_name).hint


@each_notebook
def test_the_solutions_are_right(name):
    for function_name in starting_points(name):
        grade = getattr(exercises_of(name), function_name).grade(
            getattr(solutions_of(name), function_name)
        )
        assert grade.ok, str(grade)


@each_notebook
def test_a_gradient_is_asked_of_every_variable(name):
    """A solution that forgets one of its gradients, or has its sign wrong, is not right."""
    for function_name in starting_points(name):
        exercise = getattr(exercises_of(name), function_name)
        solution = getattr(solutions_of(name), function_name)
        for spoilt in range(len(exercise.variables)):

            def wrong(*arguments, solution=solution, spoilt=spoilt):
                returned = solution(*arguments)
                gradients = list(returned) if isinstance(returned, tuple) else [returned]
                gradients[spoilt] = -gradients[spoilt]
                return tuple(gradients)

            assert not exercise.grade(wrong).ok


def test_the_figures_of_the_report_are_those_of_the_readmes():
    root, report = FOLDER.parent, (FOLDER / "report.md").read_text()
    readmes = [root / "README.md", *root.glob("recipes/*/README.md")]
    measured = {f for path in readmes for f in re.findall(r"\d*\.\d+", path.read_text())}
    applications, costs = (
        report.split(start)[1].split(end)[0]
        for start, end in (("### 4.4", "## 5"), ("### 5.2", "### 5.3"))
    )
    stated = re.findall(r"\d*\.\d+", applications + costs)
    assert len(stated) > 30
    assert set(stated) <= measured
