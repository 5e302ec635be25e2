"""Faces are brought to the same place and the same light."""

from __future__ import annotations

from math import radians

import pytest
import torch
from torch.nn import functional as F

from recipes.faces.geometry import shown, turn
from recipes.faces.normalise import REACH, align, drawn_face, likeness, standardise
from recipes.faces.reading import embedded


def alike(face, other):
    there, here = (standardise(each)[..., 8:-8, 8:-8].flatten(1) for each in (face, other))
    return F.cosine_similarity(there, here)


def large(face):
    return F.interpolate(face, scale_factor=2, mode="bilinear", align_corners=False)


def moved(face, size=1.0, degrees=0.0, right=0.0, down=0.0):
    height, width = face.shape[2:]
    turned = turn(torch.tensor([size]), torch.tensor([radians(degrees)]), height, width)
    shift = torch.tensor([[[2 * right / width], [2 * down / height]]])
    return shown(face, torch.cat([turned, shift], 2))


def test_light_does_not_matter():
    faces = embedded().faces[::40] / 255
    ramp = torch.linspace(0.8, 1.2, 46)
    lit = standardise(0.8 * faces * ramp + 0.1)
    alike = F.cosine_similarity(standardise(faces).flatten(1), lit.flatten(1))
    assert alike.min() > 0.97
    assert torch.isfinite(standardise(torch.ones(1, 1, 56, 46))).all()


def test_every_neighbourhood_has_mean_0_and_the_same_contrast():
    faces = torch.rand(2, 1, 56, 46, generator=torch.Generator().manual_seed(0))
    faces[..., 23:] = 0.5 + 0.3 * faces[..., 23:]
    left, right = standardise(faces)[..., :16], standardise(faces)[..., 30:]
    assert left.mean().abs() < 0.03 and right.mean().abs() < 0.03
    assert 1 < left.std() / right.std() < 2  # of what was more than three times as strong


def test_turning_shows_what_was_asked():
    face = torch.zeros(1, 1, 56, 46)
    face[..., 8, 23] = 1.0  # above the centre
    row, column = divmod(int(moved(face, degrees=90).argmax()), 46)
    assert (row, column) == pytest.approx((28, 3), abs=1.5)
    aside = torch.zeros(1, 1, 56, 46)
    aside[..., 8, 30] = 1.0  # above, and to the right: a turn is no mirror image
    row, column = divmod(int(moved(aside, degrees=90).argmax()), 46)
    assert (row, column) == pytest.approx((20, 3), abs=1.5)
    row, column = divmod(int(moved(face, size=2.0).argmax()), 46)
    assert (row, column) == pytest.approx((18, 23), abs=1.5)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (5, -3), (-REACH, REACH)])
def test_the_likeness_is_largest_where_the_face_was_moved_to(down, right):
    face = torch.roll(drawn_face(), (down, right), (2, 3))
    alike = likeness(face)
    assert alike.shape == (1, 2 * REACH + 1, 2 * REACH + 1) and alike.abs().max() <= 1
    best = divmod(int(alike.argmax()), 2 * REACH + 1)
    assert best == (down + REACH, right + REACH)


def test_the_drawn_face_stays_where_it_is():
    face = drawn_face()
    aligned = align((large(face) * 255).byte()) / 255
    assert aligned.shape == (1, 1, 56, 46)
    assert (aligned - face).abs().mean() < 0.01


@pytest.mark.parametrize(
    "change",
    [{"size": 0.85}, {"size": 1.2}, {"degrees": 8}, {"degrees": -8}, {"right": 9, "down": -9}],
)
def test_faces_that_were_moved_come_back(change):
    faces = large(embedded().faces[::25] / 255)
    astray = torch.cat([moved(face, **change) for face in faces.split(1)])
    before = alike(F.avg_pool2d(faces, 2), F.avg_pool2d(astray, 2))
    after = alike(*(align((each * 255).round().byte()) / 255 for each in (faces, astray)))
    assert (after > before).float().mean() > 0.9
    assert after.mean() > 0.4 + 0.6 * before.mean()


def test_a_picture_without_anything_is_left_alone():
    assert torch.equal(
        align(torch.full((2, 1, 112, 92), 7, dtype=torch.uint8)), torch.full((2, 1, 56, 46), 7)
    )
