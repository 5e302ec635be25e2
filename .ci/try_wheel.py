"""Try the installed package where no extra is installed: `python -I .ci/try_wheel.py`."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from pathlib import Path

import torch

import manualnn


def is_installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def gradients(layer: torch.nn.Module, input: torch.Tensor) -> list[torch.Tensor]:
    output = layer(input)
    return list(torch.autograd.grad(output.square().sum(), [input, *layer.parameters()]))


location = Path(manualnn.__file__).parent
assert location.is_relative_to(sys.prefix), f"{location} is not the installed package"
assert files(manualnn).joinpath("py.typed").is_file(), "py.typed is not in the wheel"

extras = {re.match(r"[\w.-]+", line)[0] for line in requires("manualnn") if "extra ==" in line}
present = sorted(name for name in extras - {"manualnn"} if is_installed(name))
assert not present, f"installed without extras, yet there are {present}"

twin = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1, dtype=torch.float64)
layer = manualnn.Conv2d(3, 4, 3, stride=2, padding=1, dtype=torch.float64)
layer.load_state_dict(twin.state_dict())
image = torch.randn(2, 3, 9, 9, dtype=torch.float64, requires_grad=True)
torch.testing.assert_close(layer(image), twin(image))
torch.testing.assert_close(gradients(layer, image), gradients(twin, image))

print(f"manualnn {version('manualnn')} in {location} runs with torch {torch.__version__} alone")
