from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from recipes.faces.eigenfaces import eigenfaces
from recipes.faces.metrics import Compared, Pairs, all_pairs, named, roc, verification
from recipes.faces.module import measure


def pairs_of(same: list[float], other: list[float]) -> Pairs:
    similarity = torch.tensor([*same, *other])
    nothing = torch.zeros(len(similarity), dtype=torch.long)
    return Pairs(nothing, nothing, similarity, torch.arange(len(similarity)) < len(same))


def test_scores_by_hand():
    # 10 pairs of one person, 200 of two; at 0.75 on, 8 and 2 are accepted: 80 % and 1 %
    same = [0.9] * 6 + [0.8, 0.75, 0.4, 0.3]
    other = [0.85, 0.76] + [0.5] * 38 + [0.1] * 160
    scores = verification(pairs_of(same, other))
    assert scores.true_accepts == pytest.approx(0.8)
    assert scores.threshold == pytest.approx(0.75, abs=1e-6)
    assert scores.equal_error_rate == pytest.approx((0.2 + 0.2) / 2)
    wins = sum((a > b) + (a == b) / 2 for a in same for b in other)
    assert scores.auc == pytest.approx(wins / 2000)


def test_the_curve_rises_from_nothing_to_everything():
    false_accepts, true_accepts, threshold = roc(pairs_of([0.9, 0.2], [0.5, -0.3]))
    assert false_accepts.tolist() == [0, 0, 0.5, 0.5, 1]
    assert true_accepts.tolist() == [0, 0.5, 0.5, 1, 1]
    assert threshold[1:].tolist() == pytest.approx([0.9, 0.5, 0.2, -0.3], abs=1e-6)


def test_every_pair_is_compared_once_but_not_the_enrolled_ones():
    embeddings = F.normalize(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    people, enrolled = torch.tensor([0, 1, 0, 1]), torch.tensor([True, True, False, False])
    pairs = all_pairs(embeddings, people, enrolled)
    listed = [*zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)]
    assert listed == [(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert pairs.same.tolist() == [True, False, False, True, False]
    torch.testing.assert_close(pairs.similarity[1], embeddings[0] @ embeddings[3])


def test_a_face_has_the_name_of_the_most_similar_one():
    enrolled = torch.eye(3)
    asked = F.normalize(torch.tensor([[0.1, 0.9, 0.2], [0.2, 0.1, 0.8]]))
    people, similarity = named(asked, enrolled, torch.tensor([7, 5, 7]))
    assert people.tolist() == [5, 7]
    assert similarity.tolist() == pytest.approx([asked[0, 1].item(), asked[1, 2].item()])


def test_a_face_seen_by_two_processes_counts_once():
    metric, generator = Compared(), torch.Generator().manual_seed(0)
    embeddings = F.normalize(torch.randn(5, 3, generator=generator))
    people, faces = torch.tensor([0, 0, 1, 1, 1]), torch.arange(5)
    enrolled = torch.tensor([True, False, True, False, False])
    for rows in ([4, 1, 0], [2, 3, 0]):
        metric.update(embeddings[rows], people[rows], faces[rows], enrolled[rows])
    for actual, expected in zip(
        metric.compute(), (embeddings, people, faces, enrolled), strict=True
    ):
        assert torch.equal(actual, expected)
    scores, threshold = measure(metric)
    assert scores.keys() == {"accuracy", "equal_error_rate", "auc", "true_accepts"}
    assert -1 <= threshold <= 1


def test_strangers_are_not_named():
    metric = Compared()
    metric.update(
        torch.eye(2).repeat_interleave(2, 0),
        torch.tensor([0, 0, 1, 1]),
        torch.arange(4),
        torch.zeros(4, dtype=torch.bool),
    )
    scores, threshold = measure(metric)
    assert "accuracy" not in scores
    assert scores["auc"] == 1 and scores["equal_error_rate"] == 0 and threshold == 1


def test_eigenfaces_tell_apart_what_differs_in_a_main_direction():
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(3, 1, 8, 6, generator=generator)
    shares = torch.randn(30, 3, generator=generator)
    faces = torch.einsum("np,pchw->nchw", shares, directions)
    faces = faces + 0.01 * torch.randn(30, 1, 8, 6, generator=generator)
    embeddings = eigenfaces(faces, torch.cat([faces[:5], faces[:5] + 0.01]))
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(10))
    people, _ = named(embeddings[5:], embeddings[:5], torch.arange(5))
    assert people.tolist() == [0, 1, 2, 3, 4]
