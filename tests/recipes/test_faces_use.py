from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import Trainer
from PIL import Image

from recipes.faces import photos
from recipes.faces.gallery import Gallery, open_gallery
from recipes.faces.module import FaceRecogniser
from recipes.faces.photos import cut_out, find_faces, with_names
from recipes.faces.reading import embedded
from recipes.faces.use import main


def orl(person: int, number: int) -> Image.Image:
    return Image.open(embedded().paths[10 * person + number]).convert("L")


def checkpoint(path: Path, threshold: float | None, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    module = FaceRecogniser(4, maps=3)
    module.threshold = threshold
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.connect(module)
    trainer.save_checkpoint(path)
    return path


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Path:
    """An untrained net: it tells a picture from all others."""
    return checkpoint(tmp_path_factory.mktemp("net") / "net.ckpt", 0.99999)


def use(line: str, *rest: object) -> None:
    main([*line.split(), *map(str, rest)])


def photograph(*people: int) -> Image.Image:
    """Faces side by side on grey."""
    whole = Image.new("L", (360 * len(people), 420), 128)
    for place, person in enumerate(people):
        face = orl(person, 0).resize((230, 280), Image.Resampling.BICUBIC)
        whole.paste(face, (360 * place + 65, 70))
    return whole


def test_who_is_enrolled_is_recognised_and_nobody_else(net, tmp_path, capsys):
    names = {"Ann": 0, "Bob": 1}
    for name, person in names.items():
        for number in (0, 1):
            orl(person, number).save(tmp_path / f"{name}{number}.png")
    orl(2, 0).save(tmp_path / "stranger.png")
    gallery = tmp_path / "gallery.npz"
    options = f"--ckpt_path {net} --gallery {gallery} --cropped"
    use(f"enrol {options} Ann {tmp_path}/Ann0.png")
    use(f"enrol {options} Bob {tmp_path}/Bob0.png {tmp_path}/Bob1.png")
    assert "Bob with 2 faces, 2 people" in capsys.readouterr().out
    output = tmp_path / "out"
    use(
        f"recognise {options} --output {output} "
        f"{tmp_path}/Ann0.png {tmp_path}/Bob1.png {tmp_path}/stranger.png"
    )
    printed = capsys.readouterr().out
    assert re.search(r"Ann0\.png: Ann \(1\.00\)\n", printed)
    assert re.search(r"Bob1\.png: Bob \(1\.00\)\n", printed)
    assert re.search(r"stranger\.png: nobody I know \(\d\.\d\d\)\n", printed)
    assert sorted(path.name for path in output.iterdir()) == [
        "Ann0.png",
        "Bob1.png",
        "stranger.png",
    ]
    use(f"recognise {options} --threshold -1 --output {output} {tmp_path}/stranger.png")
    assert re.search(r"stranger\.png: (Ann|Bob) ", capsys.readouterr().out)


def test_faces_in_a_photograph_are_found_named_and_boxed(net, tmp_path, capsys):
    photograph(0).save(tmp_path / "ann.png")
    photograph(3, 0, 5).save(tmp_path / "holiday.jpg", quality=95)
    options = f"--ckpt_path {net} --gallery {tmp_path}/gallery.npz"
    use(f"enrol {options} Ann {tmp_path}/ann.png")
    use(f"recognise {options} --threshold 0.9999 --output {tmp_path}/out {tmp_path}/holiday.jpg")
    printed = capsys.readouterr().out
    (readings,) = re.findall(r"holiday\.jpg: (.*)", printed)
    people = [reading.split(" (")[0] for reading in readings.split(", ")]
    assert len(people) == 3
    with Image.open(tmp_path / "out" / "holiday.png") as drawn:
        assert drawn.size == (1080, 420)
        colours = np.unique(np.asarray(drawn).reshape(-1, 3), axis=0)
    assert (np.ptp(colours.astype(int), axis=1) > 80).any()  # grey before, coloured boxes now


def test_what_is_no_face_is_named_and_the_rest_is_done(net, tmp_path, capsys):
    Image.new("L", (200, 200), 128).save(tmp_path / "blank.png")
    photograph(0, 1).save(tmp_path / "two.png")
    photograph(0).save(tmp_path / "one.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "one.png").read_bytes()[:500])
    with pytest.raises(SystemExit) as stop:
        use(
            f"enrol --ckpt_path {net} --gallery {tmp_path}/g.npz Ann {tmp_path}",
            tmp_path / "no.png",
        )
    assert stop.value.code == 1
    out, err = capsys.readouterr()
    assert "Ann with 1 faces, 1 people" in out
    assert re.search(r"skipped \S+blank\.png: no face found", err)
    assert re.search(r"skipped \S+two\.png: 2 faces: which one is Ann\?", err)
    assert re.search(r"skipped \S+broken\.png: .*truncated", err)
    assert re.search(r"skipped \S+no\.png: .*No such file", err)


def test_nothing_is_written_when_no_picture_will_do(net, tmp_path):
    Image.new("L", (200, 200), 128).save(tmp_path / "blank.png")
    with pytest.raises(SystemExit):
        use(f"enrol --ckpt_path {net} --gallery {tmp_path}/g.npz Ann {tmp_path}/blank.png")
    assert not (tmp_path / "g.npz").exists()


def test_two_pictures_are_compared(net, tmp_path, capsys):
    orl(0, 0).save(tmp_path / "a.png")
    orl(1, 0).save(tmp_path / "b.png")
    use(f"verify --ckpt_path {net} --cropped {tmp_path}/a.png {tmp_path}/a.png")
    assert "the same person: similarity 1.00, the same from 1.00 on" in capsys.readouterr().out
    use(f"verify --ckpt_path {net} --cropped {tmp_path}/a.png {tmp_path}/b.png")
    assert "two people: similarity" in capsys.readouterr().out
    photograph(0, 1).save(tmp_path / "two.png")
    with pytest.raises(SystemExit, match=r"two\.png: 2 faces instead of one"):
        use(f"verify --ckpt_path {net} {tmp_path}/two.png {tmp_path}/two.png")


def test_explains_what_is_missing(net, tmp_path, monkeypatch):
    orl(0, 0).save(tmp_path / "a.png")
    unsure = checkpoint(tmp_path / "unsure.ckpt", None)
    with pytest.raises(SystemExit, match=r"no threshold.*--data\.validation"):
        use(f"verify --ckpt_path {unsure} {tmp_path}/a.png {tmp_path}/a.png")
    with pytest.raises(SystemExit, match=r"nobody is enrolled in .*g\.npz"):
        use(f"recognise --ckpt_path {net} --gallery {tmp_path}/g.npz {tmp_path}/a.png")
    with pytest.raises(SystemExit, match=r"a\.png is no checkpoint"):
        use(f"verify --ckpt_path {tmp_path}/a.png {tmp_path}/a.png {tmp_path}/a.png")
    monkeypatch.setattr(photos, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"manualnn\[photos\].*--cropped"):
        use(f"verify --ckpt_path {net} {tmp_path}/a.png {tmp_path}/a.png")
    monkeypatch.setitem(sys.modules, "cv2", None)
    use(f"verify --ckpt_path {net} --cropped {tmp_path}/a.png {tmp_path}/a.png")


def test_a_gallery_of_another_net_is_refused(net, tmp_path):
    orl(0, 0).save(tmp_path / "a.png")
    options = f"--gallery {tmp_path}/g.npz --cropped"
    use(f"enrol --ckpt_path {net} {options} Ann {tmp_path}/a.png")
    other = checkpoint(tmp_path / "other.ckpt", 0.5, seed=1)
    with pytest.raises(SystemExit, match=r"g\.npz was made by another net"):
        use(f"recognise --ckpt_path {other} {options} {tmp_path}/a.png")


class Dangerous:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_neither_gallery_nor_checkpoint_can_run_code(net, tmp_path):
    trace = tmp_path / "trace"
    evil = np.array([Dangerous(trace)], dtype=object)
    np.savez(tmp_path / "evil.npz", fingerprint=evil, names=evil, embeddings=evil)
    with pytest.raises(ValueError, match=r"evil\.npz is no gallery"):
        open_gallery(tmp_path / "evil.npz", "")
    contents = torch.load(net, weights_only=True)
    torch.save(contents | {"extra": Dangerous(trace)}, tmp_path / "evil.ckpt")
    with pytest.raises(SystemExit, match=r"evil\.ckpt is no checkpoint"):
        use(f"verify --ckpt_path {tmp_path}/evil.ckpt a.png b.png")
    assert not trace.exists()


def test_a_gallery_comes_back_as_it_was(tmp_path):
    path = tmp_path / "deep" / "g.npz"
    empty = open_gallery(path, "mine")
    assert empty.names == () and empty.recognise(torch.eye(2), 0.5) == [(None, -1.0)] * 2
    gallery = empty.with_person("Åsa", torch.eye(3)[:2]).with_person("Bo", torch.eye(3)[2:])
    gallery.save(path)
    again = open_gallery(path, "mine")
    assert again.names == ("Åsa", "Åsa", "Bo") and torch.equal(again.embeddings, torch.eye(3))
    assert again.recognise(torch.tensor([[0.0, 0.8, 0.6], [0.0, 0.6, 0.8]]), 0.7) == [
        ("Åsa", pytest.approx(0.8)),
        ("Bo", pytest.approx(0.8)),
    ]
    assert again.recognise(torch.tensor([[0.0, 0.8, 0.6]]), 0.9)[0][0] is None
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("contents", [b"", b"text", b"PK\x03\x04 half a zip"])
def test_a_broken_gallery_is_named(tmp_path, contents):
    (tmp_path / "g.npz").write_bytes(contents)
    with pytest.raises(ValueError, match=r"g\.npz is no gallery of faces"):
        open_gallery(tmp_path / "g.npz", "")


def test_a_gallery_that_lacks_a_face_is_refused(tmp_path):
    Gallery("mine", ("Ann", "Bob"), torch.eye(3)).save(tmp_path / "g.npz")
    with pytest.raises(ValueError, match="do not match"):
        open_gallery(tmp_path / "g.npz", "mine")


def test_faces_are_cut_out_as_in_orl():
    found = find_faces(photograph(0))
    assert len(found) == 1
    face = cut_out(photograph(0), found[0]).resize((92, 112))
    difference = np.corrcoef(np.asarray(face).ravel(), np.asarray(orl(0, 0)).ravel())[0, 1]
    assert difference > 0.6


def test_beyond_the_photograph_its_edge_goes_on():
    picture = Image.fromarray(np.full((50, 50), 200, np.uint8))
    assert np.asarray(cut_out(picture, (0, 0, 45, 45))).min() == 200


def test_names_stay_in_the_photograph():
    drawn = np.asarray(with_names(Image.new("L", (100, 100)), [(20, 40, 80, 100)], [("Ann", 0.9)]))
    assert drawn[-20:].any() and drawn.shape == (100, 100, 3)
