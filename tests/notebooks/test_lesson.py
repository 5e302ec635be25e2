"""What the notebooks share: source, pictures, controls, and the grading of exercises."""

import json

import nbformat
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure

from manualnn.layers.linear import linear_grad_bias
from notebooks.lesson import Exercise, display, explore, picture, source
from notebooks.tidy import LIVE, main


def double(x, y):
    return 2 * x * y


def exercise():
    return Exercise(
        "9.9, a product",
        double,
        (torch.randn(3, 2, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)),
        "think",
    )


@pytest.mark.parametrize(
    ("backward", "said"),
    [
        (lambda d, x, y: (2 * d * y, -2 * d * x), "Returned = -1 x true, everywhere."),
        (lambda d, x, y: (2 * d * y, d * x), "Returned = 0.5 x true, everywhere."),
        (lambda d, x, y: (2 * d * y, 0 * d), "y gradient. It is zero so far."),
        (lambda d, x, y: (2 * d * y, d * x / 0), "inf"),
        (lambda d, x, y: (2 * y, 2 * x), "It is not proportional to delta"),
        (lambda d, x, y: (2 * d.abs() * y, 2 * d * x), "It is not proportional to delta"),
        (lambda d, x, y: (2 * d * d * y, 2 * d * x), "It is not proportional to delta"),
    ],
)
def test_a_wrong_backward_pass_is_told_what_is_wrong(backward, said):
    grade = exercise().grade(backward)
    assert not grade.ok
    assert said in str(grade) and "not yet" in str(grade)
    assert said in grade._repr_markdown_() and "*Hint:* think" in grade._repr_markdown_()


def forgets_to_return(d, x, y):
    2 * d * y, 2 * d * x


def changes_its_arguments(d, x, y):
    return y.mul_(2 * d), 2 * d * x


def multiplies_what_does_not_fit(d, x, y):
    product = d @ y
    return product, product


@pytest.mark.parametrize(
    ("backward", "said"),
    [
        (lambda d, x, y: (2 * d * y, None), "the gradient of y is no tensor, but NoneType."),
        (lambda d, x, y: (2 * d * y, 3), "the gradient of y is no tensor, but int."),
        (lambda d, x, y: 2 * d * y, "2 gradients (x, y) are asked for, and 1 came"),
        (lambda d, x, y: (0 * d, 0 * d), "Nothing but zeros is returned yet."),
        (forgets_to_return, "nothing was returned: is a return missing?"),
        (changes_its_arguments, "it changes its arguments"),
        (multiplies_what_does_not_fit, "in `product = d @ y`."),
        (lambda d, x, y: (2 * d * y, d[0]), "the gradient of y has the shape (2,), and y (3, 2)"),
        (lambda d, x: d, "TypeError"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_gradient_is_told_why_without_a_hint(backward, said):
    grade = exercise().grade(backward)
    assert not grade.ok and not grade.hint
    assert said in str(grade) and said in grade._repr_markdown_()


def test_a_right_one_is_right_and_needs_no_hint():
    grade = exercise().grade(lambda d, x, y: [2 * d * y, 2 * d * x])
    assert grade.ok
    assert str(grade) == (
        "Exercise 9.9, a product: right.\n"
        "  The gradients of x and y agree with central differences, to eight digits."
    )
    assert "Hint" not in grade._repr_markdown_()


def test_what_torch_derived_is_not_by_hand():
    def by_autograd(delta, x, y):
        with torch.enable_grad():
            x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
            return torch.autograd.grad(double(x, y), (x, y), delta)

    def by_a_kernel(delta, x):
        return torch.ops.aten.tanh_backward(delta, x.tanh())

    assert "torch.autograd.grad" in str(exercise().grade(by_autograd))
    tanh = Exercise("9.8, tanh", lambda x: x.tanh(), (torch.randn(3, dtype=torch.float64),), "")
    assert "aten::tanh_backward" in str(tanh.grade(by_a_kernel))


def test_source_is_that_of_the_file_with_a_link():
    shown = source(linear_grad_bias).data
    assert shown.startswith(
        "[`manualnn/layers/linear.py`](../manualnn/layers/linear.py)\n```python"
    )
    assert "return rows(grad_output).sum(0)" in shown


def test_source_of_others_is_not_ours_to_show():
    with pytest.raises(ValueError, match="is not of manualnn or recipes"):
        source(torch.nn.Linear)


def drawn(size=1, title="a title"):
    figure = Figure(figsize=(size, size))
    figure.suptitle(title)
    return figure


def test_a_picture_is_the_same_each_time_and_says_what_it_shows():
    assert picture(drawn()).data == picture(drawn()).data
    assert picture(drawn()).alt == "a title"
    assert picture(drawn(), "told").alt == "told"


def test_sliders_redraw_and_a_picture_takes_their_place(monkeypatch):
    controls = []
    made = display.interactive
    monkeypatch.setattr(
        display, "interactive", lambda *a, **k: controls.append(made(*a, **k)) or controls[-1]
    )
    sizes = []
    InteractiveShell.instance()
    with capture_output() as shown:
        explore(lambda size: sizes.append(size) or drawn(size), size=(1, 2, 3))
    InteractiveShell.clear_instance()
    output = shown.outputs[-1]
    assert {LIVE, "image/png"} <= set(output.data)
    assert set(sizes) == {1}
    controls[0].children[0].value = 3
    controls[0].update()
    assert sizes[-1] == 3


def test_tidy_leaves_what_is_the_same_each_time(tmp_path):
    code = nbformat.v4.new_code_cell(
        "1 + 1",
        id="one",
        execution_count=7,
        metadata={"execution": {"iopub.execute_input": "now"}, "tags": ["exercise"]},
        outputs=[
            nbformat.v4.new_output("stream", name="stderr", text="a warning"),
            nbformat.v4.new_output("stream", name="stdout", text="a "),
            nbformat.v4.new_output("stream", name="stderr", text="a warning"),
            nbformat.v4.new_output("stream", name="stdout", text="line"),
            nbformat.v4.new_output(
                "display_data",
                data={"text/plain": "<x>", "image/png": "aa", LIVE: {}},
            ),
            nbformat.v4.new_output(
                "display_data",
                data={"text/plain": "HBox()", LIVE: {}},
            ),
            nbformat.v4.new_output("execute_result", data={"text/plain": "2"}, execution_count=7),
        ],
    )  # fmt: skip
    path = tmp_path / "some.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[code], metadata={"widgets": {"a": 1}}), path)
    main([str(path)])
    (cell,) = json.loads(path.read_text())["cells"]
    assert cell["execution_count"] is None
    assert cell["metadata"] == {"tags": ["exercise"]}
    assert [output.get("text", output.get("data")) for output in cell["outputs"]] == [
        ["a line"], {"image/png": "aa"}, {"text/plain": ["2"]}
    ]  # fmt: skip
    once = path.read_text()
    main([str(path)])
    assert path.read_text() == once
