"""Batch normalisation: its table of settings, and what is its own."""

import torch

from tests.case import Case


def _case(axes, shape, training=True, memory_format=torch.contiguous_format, **options):
    arguments = {"num_features": 3} | options
    return Case(f"BatchNorm{axes}d", arguments, (shape,), training, memory_format)


CASES = [
    _case(1, (5, 3)),
    _case(1, (4, 3, 2), momentum=0.7, eps=0.3),
    _case(1, (5, 3), training=False),
    _case(1, (1, 3), training=False),
    _case(2, (2, 3, 2, 3)),
    _case(2, (2, 3, 2, 3), memory_format=torch.channels_last),
    _case(2, (2, 3, 2, 3), training=False),
    _case(2, (1, 3, 2, 3), momentum=None),
    _case(2, (2, 3, 2, 2), affine=False),
    _case(2, (2, 3, 2, 2), affine=False, training=False),
    _case(2, (2, 3, 2, 2), bias=False),
    _case(2, (2, 3, 2, 2), bias=False, training=False),
    _case(2, (2, 3, 2, 2), track_running_stats=False),
    _case(2, (2, 3, 2, 2), track_running_stats=False, training=False),
    _case(2, (0, 3, 2, 2)),
    _case(2, (0, 3, 2, 2), training=False),
    _case(3, (2, 3, 2, 1, 2)),
    _case(3, (2, 3, 2, 1, 2), training=False, eps=0.0),
]
