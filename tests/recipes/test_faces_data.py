from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import Trainer, seed_everything
from PIL import Image

from recipes.faces.augment import FaceVariation
from recipes.faces.data import Faces, split_people, split_pictures
from recipes.faces.module import FaceRecogniser
from recipes.faces.reading import embedded, folder, lfw, shrink


def test_embedded_faces_are_forty_people_with_ten_pictures_in_order():
    faces = embedded()
    assert faces.faces.shape == (400, 1, 56, 46) and faces.faces.dtype == torch.uint8
    assert faces.people.bincount().tolist() == [10] * 40
    assert [path.name for path in faces.paths[:10]] == [f"{k}.pgm" for k in range(1, 11)]
    assert faces.names[:2] == ["s1", "s2"] and not faces.skipped
    assert faces.faces.float().std() > 20


def picture(seed: int, size: tuple[int, int] = (92, 112)) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(256, size=size[::-1], dtype=np.uint8))


def album(root: Path, **pictures: int) -> Path:
    """A folder with a sub-folder for each person."""
    for name, count in pictures.items():
        (root / name).mkdir(parents=True)
        for number in range(1, count + 1):
            picture(number).save(root / name / f"{number}.png")
    return root


def test_a_folder_is_read_person_by_person_in_the_order_of_numbers(tmp_path):
    faces = folder(album(tmp_path, Bea=2, Al=11))
    assert faces.names == ["Al", "Bea"]
    assert faces.people.tolist() == [0] * 11 + [1] * 2
    assert [path.stem for path in faces.paths] == [*map(str, range(1, 12)), "1", "2"]


def test_pictures_of_all_kinds_become_grey_faces(tmp_path):
    root = album(tmp_path, Al=2) / "Al"
    grey = picture(1)
    colours = grey.convert("RGB")
    grey.save(root / "grey.png")
    colours.quantize(256).save(root / "palette.png")
    colours.convert("CMYK").save(root / "cmyk.tif")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    wide.save(root / "sixteen.png")
    colours.convert("RGBA").save(root / "rgba.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned clockwise by a quarter
    colours.transpose(Image.Transpose.ROTATE_90).save(root / "turned.png", exif=turned)
    faces = folder(tmp_path)
    assert len(faces.paths) == 8 and not faces.skipped
    for path, face in zip(faces.paths, faces.faces, strict=True):
        if not path.stem.isdigit():
            difference = face.int() - faces.faces[faces.paths.index(root / "1.png")].int()
            assert difference.abs().float().mean() < 4, path


def test_what_is_left_out_is_named(tmp_path, monkeypatch):
    root = album(tmp_path, Al=3, Bea=1, Cy=3)
    (root / "Dot").mkdir()
    cut = root / "Al" / "2.png"
    cut.write_bytes(cut.read_bytes()[:200])
    picture(0, (300, 300)).save(root / "Cy" / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)
    faces = folder(root)
    assert faces.names == ["Al", "Cy"] and len(faces.paths) == 5
    reasons = {str(path.relative_to(root)): why for path, why in faces.skipped.items()}
    assert reasons.keys() == {"Al/2.png", "Bea/1.png", "Cy/huge.png", "Dot"}
    assert "truncated" in reasons["Al/2.png"]
    assert "the only picture of Bea" in reasons["Bea/1.png"]
    assert "decompression bomb" in reasons["Cy/huge.png"]
    assert "no picture" in reasons["Dot"]


def test_a_folder_without_people_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        folder(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="sub-folder with pictures for each person"):
        folder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"Al.1\.png: the only picture of Al"):
        folder(album(tmp_path, Al=1))


def test_a_face_keeps_its_proportions():
    face = shrink(Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (112, 1))))
    assert face.shape == (112, 92)
    assert face[0, 0] == pytest.approx(54, abs=2) and face[0, -1] == pytest.approx(146, abs=2)


def lfw_tree(root: Path) -> Path:
    """A few people in the layout that torchvision expects."""
    folder = root / "lfw-py"
    people = {"Ann_A": 3, "Bob_B": 1, "Cyd_C": 2, "Dan_D": 2}
    for name, count in people.items():
        (folder / "lfw_funneled" / name).mkdir(parents=True)
        for number in range(1, count + 1):
            path = folder / "lfw_funneled" / name / f"{name}_{number:04}.jpg"
            picture(number, (250, 250)).convert("RGB").save(path)
    lines = {name: f"{name}\t{count}\n" for name, count in people.items()}
    (folder / "lfw-names.txt").write_text("".join(lines.values()))
    for part, names in (("Train", ("Ann_A", "Bob_B", "Cyd_C")), ("Test", ("Dan_D",))):
        text = f"{len(names)}\n" + "".join(lines[name] for name in names)
        (folder / f"peopleDev{part}.txt").write_text(text)
    return root


def test_lfw_is_read_in_torchvisions_layout(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"lfw-py.*--data\.root"):
        lfw(tmp_path)
    module = "torchvision.datasets.lfw.check_integrity"  # of archives that are not there
    monkeypatch.setattr(module, lambda path, md5=None: Path(path).name != "nothing")
    faces = lfw(lfw_tree(tmp_path))
    assert faces.names == ["Ann_A", "Cyd_C", "Dan_D"]
    assert faces.people.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert faces.held_out == {2}
    data = Faces("lfw", tmp_path, "verification")
    assert data.parts.test.tolist() == [5, 6] and data.people == 4


def test_pictures_are_split_person_by_person():
    people = torch.tensor([0] * 6 + [1] * 3 + [2] * 2)
    first = split_pictures(people, learn=4, validation=1, split=0)
    assert first.learn.tolist() == [0, 1, 2, 6, 9]
    assert first.validate.tolist() == [3, 7]
    assert first.test.tolist() == [4, 5, 8, 10]
    other, again, third = (split_pictures(people, 4, 1, seed) for seed in (1, 1, 2))
    assert torch.equal(other.test, again.test) and not torch.equal(other.test, third.test)
    for part in (first, other, third):
        assert torch.cat([*vars(part).values()]).sort().values.tolist() == [*range(11)]
        assert people[part.test].bincount().tolist() == [2, 1, 1]


def test_people_are_split_into_folds():
    people = torch.arange(8).repeat_interleave(2)
    for fold in range(4):
        parts = split_people(people, 4, 2, fold)
        tested = {2 * fold, 2 * fold + 1}
        assert set(people[parts.test].tolist()) == tested
        validated = set(people[parts.validate].tolist())
        assert len(validated) == 2 and not validated & tested
        assert set(people[parts.learn].tolist()) == set(range(8)) - tested - validated


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": 5}, "at most 4 can be set aside .* not 5"),
        ({"split": -1}, "at least 0, not -1"),
        ({"protocol": "verification", "split": 4}, "from 0 to 3, not 4"),
        ({"protocol": "verification", "validation": 29}, "at most 28 people .* not 29"),
    ],
)
def test_refuses_a_split_that_is_none(options, message):
    with pytest.raises(ValueError, match=message):
        _ = Faces(**options).parts


class Recorder(FaceRecogniser):
    """Keeps the batches it is given."""

    def training_step(self, batch, batch_index):
        batches.append(batch)
        return super().training_step(batch, batch_index)


batches: list[list[torch.Tensor]] = []


def record(seed: int, **options) -> list[list[torch.Tensor]]:
    seed_everything(seed)
    batches.clear()
    data = Faces(repeats=1, batch_size=16, **options)
    Trainer(
        accelerator="cpu",
        max_epochs=2,
        limit_train_batches=2,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(Recorder(data.people, "torch", maps=1), datamodule=data)
    return batches.copy()


def test_the_seed_decides_order_and_variation():
    first, again, other = record(1), record(1), record(2)
    for batch, same in zip(first, again, strict=True):
        assert all(torch.equal(one, two) for one, two in zip(batch, same, strict=True))
    assert not torch.equal(first[0][1], other[0][1])
    assert not torch.equal(first[0][1], first[2][1])


def test_variation_changes_the_faces_and_not_the_people():
    varied, plain = record(1), record(1, augment=None)
    assert torch.equal(varied[0][1], plain[0][1])
    assert (varied[0][0] - plain[0][0]).abs().mean() > 0.02
    assert plain[0][0].min() >= 0 and plain[0][0].max() <= 1


def test_a_mirrored_person_is_another_one():
    data = Faces(learn=1)
    assert data.people == 80
    faces, people = next(batch for batch in record(1, learn=1, augment=None))
    for face, person in zip(faces, people.tolist(), strict=True):
        original = data.everything.faces[10 * (person % 40)] / 255
        assert torch.equal(face, original.flip(2) if person >= 40 else original)


NOTHING = {name: 0.0 for name in vars(FaceVariation())}


@pytest.mark.parametrize("name", NOTHING)
def test_every_amount_of_variation_does_something_and_none_does_nothing(name):
    faces = torch.rand(8, 1, 56, 46, generator=torch.Generator().manual_seed(0))
    same, changed = (
        FaceVariation(**amounts)(faces, torch.Generator().manual_seed(1))
        for amounts in (NOTHING, NOTHING | {name: 0.2 if name != "degrees" else 20.0})
    )
    torch.testing.assert_close(same, faces, atol=2e-3, rtol=0)
    assert ((changed - faces).abs() > 0.01).flatten(1).any(1).sum() >= 6
