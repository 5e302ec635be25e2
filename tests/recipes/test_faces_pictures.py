from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.faces.metrics import Pairs
from recipes.faces.pictures import (
    beside_the_similar,
    confusable,
    occlusion,
    occlusion_map,
    plane,
    prepared,
    receiver_curves,
)


class LooksAtTheCorner(nn.Module):
    """Embeds what is in the upper left quarter of a face."""

    def embed(self, faces: Tensor) -> Tensor:
        return F.normalize(faces[:, 0, :14, :12].flatten(1) - 0.5)


def test_the_occlusion_map_shows_what_decides():
    faces = torch.rand(2, 1, 56, 46, generator=torch.Generator().manual_seed(0))
    heat = occlusion_map(LooksAtTheCorner(), faces[0])
    assert heat.shape == (56, 46) and torch.isfinite(heat).all()
    assert heat[:14, :12].min() > 0.01
    assert heat[28:].abs().max() < 1e-3 and heat[:, 26:].abs().max() < 1e-3
    figure = occlusion(LooksAtTheCorner(), faces)
    assert len(figure.axes) == 2 * 2 + 1


def test_a_picture_stands_above_what_becomes_of_it():
    faces = torch.rand(2, 1, 56, 46)
    figure = prepared([Image.new("L", (92, 112)), Image.new("L", (30, 60))], faces)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert [image.shape for image in shown] == [(112, 92), (60, 30)] + [(56, 46)] * 4
    assert (shown[3] == faces[1, 0].numpy()).all() and shown[5].min() < 0 < shown[5].max()


def test_the_worst_pairs_are_drawn_once_for_every_two_people():
    faces = torch.rand(5, 1, 4, 3)
    people = torch.tensor([0, 0, 1, 1, 2])
    first, second = torch.triu_indices(5, 5, 1)
    similarity = torch.tensor([0.9, 0.1, 0.8, 0.3, 0.2, 0.4, 0.5, 0.6, 0.7, 0.0])
    pairs = Pairs(first, second, similarity, people[first] == people[second])
    titles = [axes.get_title() for axes in confusable(faces, people, pairs).axes]
    assert [title for title in titles if title] == [
        "two people\n1 and 2: 0.80",
        "two people\n2 and 3: 0.70",
        "two people\n1 and 3: 0.50",
        "one person\n2: 0.60",
        "one person\n1: 0.90",
    ]


def test_the_curve_is_that_of_the_pairs():
    nothing = torch.zeros(4, dtype=torch.long)
    pairs = Pairs(nothing, nothing, torch.tensor([0.9, 0.2, 0.5, -0.3]), nothing < 0)
    pairs = pairs._replace(same=torch.tensor([True, True, False, False]))
    (axes,) = receiver_curves({"net": pairs}).axes
    curve = axes.lines[0]
    assert curve.get_label() == "net"
    assert curve.get_xydata().tolist() == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]


def test_similar_faces_lie_together():
    generator = torch.Generator().manual_seed(0)
    people = torch.arange(12).repeat_interleave(4)
    embeddings = torch.eye(12)[people] + 0.1 * torch.randn(48, 12, generator=generator)
    places = beside_the_similar(F.normalize(embeddings))
    distances = torch.cdist(places, places).fill_diagonal_(torch.inf)
    assert torch.equal(people[distances.argmin(1)], people)
    same = people.unsqueeze(0) == people.unsqueeze(1)
    finite = distances.isfinite()
    assert distances[same & finite].mean() < distances[~same].mean() / 4


def test_every_face_has_a_number_in_the_plane():
    embeddings = F.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
    people, enrolled = torch.tensor([0, 0, 7, 7, 9, 9]), torch.tensor([True, False] * 3)
    (axes,) = plane(embeddings, people, enrolled).axes
    assert [text.get_text() for text in axes.texts] == ["1", "1", "8", "8", "10", "10"]
    assert "pale: learnt" in axes.get_xlabel()
    pale, full = (text.get_color()[3] for text in axes.texts[:2])
    assert pale < full
