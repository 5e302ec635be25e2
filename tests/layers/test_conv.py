"""Convolution: its table of settings, and what is its own."""

import pytest
import torch

import manualnn
from tests.case import Case


def _case(axes, shape, **options):
    memory_format = options.pop("memory_format", torch.contiguous_format)
    arguments = {"in_channels": 2, "out_channels": 4, "kernel_size": 3} | options
    return Case(f"Conv{axes}d", arguments, (shape,), memory_format=memory_format)


CASES = [
    _case(1, (2, 2, 6)),
    _case(1, (2, 6), padding=1, bias=False),
    _case(1, (2, 2, 9), stride=3, padding=2, dilation=2),
    _case(1, (2, 2, 5), kernel_size=2, padding="same"),
    _case(1, (2, 2, 5), padding=2, padding_mode="reflect"),
    _case(1, (2, 2, 5), padding=3, padding_mode="replicate"),
    _case(1, (2, 2, 5), padding=(4,), padding_mode="circular", groups=2),
    _case(2, (2, 2, 4, 5)),
    _case(2, (2, 2, 4, 5), memory_format=torch.channels_last),
    _case(2, (2, 4, 5), padding="valid"),
    _case(2, (2, 2, 5, 4), kernel_size=1, bias=False),
    _case(2, (2, 2, 5, 4), kernel_size=1, stride=2),
    _case(2, (2, 2, 5, 4), kernel_size=1, stride=(1, 3), padding=1),
    _case(2, (2, 2, 4, 6), stride=2),
    _case(2, (2, 2, 6, 5), stride=(3, 1), padding=(0, 2)),
    _case(2, (2, 2, 6, 5), dilation=2, padding=2),
    _case(2, (2, 2, 6, 7), kernel_size=(2, 3), stride=2, padding=1, dilation=(3, 2), groups=2),
    _case(2, (2, 4, 4, 4), in_channels=4, groups=2),
    _case(2, (2, 3, 4, 4), in_channels=3, out_channels=6, groups=3, stride=2, padding=1),
    _case(2, (1, 2, 4, 4), padding="same"),
    _case(2, (1, 2, 4, 5), kernel_size=(2, 3), padding="same", dilation=(3, 2)),
    _case(2, (1, 2, 4, 4), kernel_size=4, padding="same", padding_mode="circular"),
    _case(2, (1, 2, 4, 4), padding=(1, 2), padding_mode="reflect", stride=2),
    _case(2, (1, 2, 3, 4), padding=(1, 3), padding_mode="replicate"),
    _case(2, (2, 3, 4), padding=2, padding_mode="circular"),
    _case(2, (0, 2, 4, 4), padding=1),
    _case(2, (0, 2, 4, 4), padding=1, padding_mode="reflect"),
    _case(3, (1, 2, 3, 3, 4)),
    _case(3, (2, 3, 3, 3), kernel_size=2, padding="same", groups=2),
    _case(
        3, (1, 2, 4, 4, 3), kernel_size=(3, 2, 1), stride=(2, 1, 1), padding=1, dilation=(1, 2, 1)
    ),
    _case(3, (1, 2, 3, 2, 2), kernel_size=2, padding=1, padding_mode="circular"),
    _case(3, (1, 2, 3, 2, 2), kernel_size=2, padding=1, padding_mode="reflect"),
    _case(3, (1, 2, 2, 2, 2), kernel_size=2, padding=(1, 0, 2), padding_mode="replicate"),
]


def test_input_and_weight_are_differentiated_one_without_the_other():
    x, weight = torch.randn(2, 2, 5, 5), torch.randn(4, 2, 3, 3)
    for variable, frozen in ((x, weight), (weight, x)):
        variable.requires_grad_(True)
        frozen.requires_grad_(False)
        outputs = [n.functional.conv2d(x, weight) for n in (manualnn, torch.nn)]
        gradients = [torch.autograd.grad(y.square().sum(), variable) for y in outputs]
        torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": "full"}, "'full'"),
        ({"padding": "same", "stride": 2}, "strided"),
        ({"padding_mode": "mirror"}, "'mirror'"),
        ({"groups": 3}, "divisible by groups"),
    ],
)
def test_constructors_are_those_of_torch(options, message):
    for namespace in (torch.nn, manualnn):
        with pytest.raises(ValueError, match=message):
            namespace.Conv2d(2, 4, 3, **options)
