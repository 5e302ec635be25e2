"""Max-pooling: its table of settings, and what is its own."""

import torch

from tests.case import Case


def _case(axes, shape, kernel_size=2, memory_format=torch.contiguous_format, **options):
    arguments = {"kernel_size": kernel_size} | options
    return Case(f"MaxPool{axes}d", arguments, (shape,), memory_format=memory_format)


CASES = [
    _case(1, (2, 2, 6)),
    _case(1, (2, 7), 3, stride=1, padding=1),
    _case(1, (2, 2, 9), 3, stride=2, dilation=2, ceil_mode=True),
    _case(2, (2, 3, 4, 6)),
    _case(2, (2, 3, 4, 6), memory_format=torch.channels_last),
    _case(2, (2, 2, 5, 5), 3, stride=1),
    _case(2, (2, 2, 5, 6), 3, stride=2, padding=1),
    _case(2, (2, 2, 5, 6), (3, 2), stride=(1, 2), padding=(1, 0), return_indices=True),
    _case(2, (2, 2, 6, 7), 2, dilation=(2, 3), stride=1),
    _case(2, (2, 2, 5, 6), 3, stride=2, ceil_mode=True),
    _case(2, (2, 5, 5), 2, stride=3, ceil_mode=True),
    _case(2, (1, 1, 20, 20), 2),
    _case(2, (0, 2, 4, 4)),
    _case(3, (1, 2, 4, 4, 2)),
    _case(3, (2, 3, 4, 4), 2, stride=1, padding=1, return_indices=True),
    _case(3, (1, 2, 5, 4, 5), (3, 2, 2), stride=2, dilation=(1, 1, 2), ceil_mode=True),
]
