from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import affine

from recipes.digits.augment import RandomAffine

STILL = {"degrees": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}


def digits(count: int = 4) -> torch.Tensor:
    """Smooth blobs off the centre, each in its own place."""
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    places = torch.tensor([[9.0, 12], [17, 10], [13, 18], [12, 8]])[:count, :, None, None]
    distance = ((rows - places[:, 0]) / 3) ** 2 + ((columns - places[:, 1]) / 2) ** 2
    return torch.exp(-distance).unsqueeze(1)


def test_without_amounts_nothing_moves():
    generator = torch.Generator().manual_seed(0)
    torch.testing.assert_close(RandomAffine(**STILL)(digits(), generator), digits())


@pytest.mark.parametrize("name", STILL)
def test_same_seed_same_images_and_each_image_its_own_amount(name):
    distort = RandomAffine(**(STILL | {name: 0.4 if name == "scale" else 10.0}))
    images = digits(1).expand(4, -1, -1, -1)
    first = distort(images, torch.Generator().manual_seed(1))
    again = distort(images, torch.Generator().manual_seed(1))
    other = distort(images, torch.Generator().manual_seed(2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)
    assert not torch.allclose(first[0], first[1], atol=1e-3)


def centres(images: torch.Tensor) -> torch.Tensor:
    """Centres of mass (N, 2) as x, y from the middle of the image."""
    axis = torch.arange(28.0) - 13.5
    mass = images.sum((1, 2, 3))
    return torch.stack([images.sum((1, 2)) @ axis, images.sum((1, 3)) @ axis], 1) / mass[:, None]


def test_rotation_turns_about_the_middle_by_at_most_the_given_angle():
    images = digits(1).expand(200, -1, -1, -1)
    turned = RandomAffine(**(STILL | {"degrees": 30.0}))(images, torch.Generator().manual_seed(0))
    before, after = centres(images), centres(turned)
    torch.testing.assert_close(after.norm(dim=1), before.norm(dim=1), atol=0.05, rtol=0)
    angles = torch.rad2deg(torch.atan2(after[:, 1], after[:, 0]) - torch.atan2(*before[0].flip(0)))
    assert 25 < angles.max() <= 31 and -31 <= angles.min() < -25


def test_shift_is_uniform_in_pixels():
    images = digits(1).expand(200, -1, -1, -1)
    moved = RandomAffine(**(STILL | {"shift": 2.5}))(images, torch.Generator().manual_seed(0))
    shifts = centres(moved) - centres(images)
    assert 2.3 < shifts.abs().max() <= 2.55
    assert shifts.mean().abs() < 0.3


def test_matches_torchvision_for_one_rotation():
    generator = torch.Generator().manual_seed(5)
    angle = (torch.rand(6, 1, generator=generator, dtype=torch.float64)[0] * 2 - 1) * 20
    ours = RandomAffine(**(STILL | {"degrees": 20.0}))(digits(1), torch.Generator().manual_seed(5))
    theirs = affine(digits(1), -angle.item(), [0, 0], 1.0, [0.0, 0.0], InterpolationMode.BILINEAR)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
