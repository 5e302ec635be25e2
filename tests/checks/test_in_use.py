"""The doctor in pytest, in training and in a picture."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
import torch
from lightning import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from manualnn.checks import GradientError
from manualnn.checks.callback import GradientCheck
from manualnn.checks.picture import heat_maps
from tests.checks.test_doctor import healthy_linear, sick_linear

pytest_plugins = ["pytester"]

TESTS = """
import torch

def test_right(check_gradients):
    assert "first-order" in check_gradients(torch.nn.Tanh(), torch.randn(3, 4)).passed

def test_wrong(check_gradients):
    from tests.checks.test_doctor import sick_linear
    check_gradients(*sick_linear())
"""


def run(pytester, *arguments):
    command = (sys.executable, "-m", "pytest", "-q", *arguments)
    return pytester.run(*command)


def test_a_fixture_fails_with_the_report(pytester, monkeypatch, request):
    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))
    pytester.makepyfile(TESTS)
    result = run(pytester)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*bias gradient: 80 % off*"])


def test_what_the_command_line_names_is_a_test(pytester, monkeypatch, request):
    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))
    names = [f"tests.checks.test_doctor:{name}_linear" for name in ("healthy", "sick")]
    result = run(pytester, *(f"--gradient-check={name}" for name in [*names, "nowhere:x"]))
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*gradient check of*sick_linear*", "*a sum became a mean.*"])
    assert "Traceback" not in result.stdout.str()


def written_in_the_docs(folder, root):
    """The files of docs/gradient_doctor.md, written out; returns the commands of its workflow."""
    text = (root / "docs" / "gradient_doctor.md").read_text("utf-8")
    for name, content in re.findall(r"^`(\S+)`\n\n```\w+\n(.*?)^```$", text, re.M | re.S):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    workflow = (folder / ".github" / "workflows" / "gradients.yml").read_text("utf-8")
    return [shlex.split(line)[2:] for line in re.findall(r"- run: (python .*)", workflow)]


def test_the_project_in_the_docs_passes_and_fails_as_it_is_said_to(tmp_path, request):
    install, *checks = written_in_the_docs(tmp_path, request.config.rootpath)
    assert install[:2] == ["pip", "install"] and len(checks) == 3
    for command in checks:
        assert python(tmp_path, command).returncode == 0
    layers = (tmp_path / "layers.py").read_text("utf-8")
    (tmp_path / "layers.py").write_text(layers.replace(".sum(0)", ".mean(0)"), "utf-8")
    ran = python(tmp_path, checks[0])
    assert ran.returncode == 1
    assert "0.2 = 1 / 5, the batch size: a sum became a mean." in ran.stdout


def python(folder, command):
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True
    )


def test_the_plugin_imports_torch_when_a_check_is_asked_for_alone():
    code = "import sys, pytest_manualnn; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


class Model(LightningModule):
    def __init__(self, layer):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), layer)
        self.seen = 0

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, index):
        self.seen += 1
        return self(batch[0]).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def train(layer, **options):
    model = Model(layer.float())
    data = DataLoader(TensorDataset(torch.randn(32, 4), torch.zeros(32)), batch_size=8)
    Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[GradientCheck(**options)],
    ).fit(model, data)
    return model


def test_training_goes_on_with_right_layers_and_stops_at_a_wrong_one():
    assert train(healthy_linear()[0], every_n_steps=2).seen == 4
    with pytest.raises(GradientError, match=r"layers\.1 .*1 wrong"):
        train(sick_linear()[0], rows=3)
    with pytest.raises(ValueError, match="at least 1"):
        GradientCheck(every_n_steps=0)


def test_a_picture_shows_the_gradient_that_is_wrong():
    figure = heat_maps(*sick_linear())
    assert "gradient of bias (3,)" in figure.get_suptitle()
    expected, returned, difference = (axes.images[0].get_array() for axes in figure.axes[:3])
    torch.testing.assert_close(torch.tensor(returned), torch.tensor(expected) / 5)
    torch.testing.assert_close(torch.tensor(difference), torch.tensor(returned - expected))
    weight = heat_maps(*sick_linear(), variable="weight")
    assert weight.axes[0].get_ylabel() == "axis 0" and weight.axes[0].get_xlabel() == "axis 1"
    with pytest.raises(ValueError, match="there are x, weight, bias"):
        heat_maps(*sick_linear(), variable="w")
    with pytest.raises(ValueError, match="forward pass raises"):
        heat_maps(nn.Linear(3, 2), torch.randn(2, 5))
