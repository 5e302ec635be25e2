from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from recipes.common.files import UNREADABLE, open_picture, picture_files, written_whole

RAMP = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (20, 1))  # dark on the left


def _saved(picture, path, **options):
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("kind", ["L", "RGB", "P", "RGBA", "LA", "CMYK", "I;16"])
def test_every_kind_of_picture_is_opened(tmp_path, kind, mode):
    if kind == "I;16":
        picture = Image.fromarray(RAMP.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(RAMP).convert("L" if kind == "P" else "RGB").convert(kind)
    path = _saved(picture, tmp_path / ("ramp.tif" if kind == "CMYK" else "ramp.png"))
    opened = open_picture(path, mode)
    assert opened.mode == mode
    expected = np.asarray(Image.fromarray(RAMP).convert(mode), dtype=float)
    assert np.abs(np.asarray(opened) - expected).max() <= 4


def test_what_is_transparent_is_paper(tmp_path):
    path = _saved(Image.new("RGBA", (4, 3), (0, 0, 0, 0)), tmp_path / "glass.png")
    assert np.asarray(open_picture(path, "L")).min() == 255


def test_a_turned_photograph_is_opened_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by 90 degrees clockwise
    path = _saved(Image.fromarray(RAMP), tmp_path / "turned.jpg", exif=exif)
    opened = np.asarray(open_picture(path, "L"), dtype=float)
    assert opened.shape == (40, 20)
    assert opened[0].mean() < 10 < 245 < opened[-1].mean()


def _huge(path):
    Image.new("1", (20000, 10000)).save(path)


def _truncated(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 50), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    "make", [_huge, _truncated, lambda path: path.write_text("no picture"), lambda path: None]
)
def test_what_cannot_be_read_is_one_of_few_errors(tmp_path, make):
    make(tmp_path / "bad.png")
    with pytest.raises(UNREADABLE):
        open_picture(tmp_path / "bad.png", "RGB")


@pytest.mark.filterwarnings("error")
def test_a_panorama_is_opened_without_a_warning(tmp_path):
    Image.new("L", (20000, 5000)).save(tmp_path / "panorama.png")
    assert open_picture(tmp_path / "panorama.png", "L").size == (20000, 5000)


def test_folders_stand_for_their_pictures(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).touch()
    files = picture_files([tmp_path / "notes.txt", tmp_path])
    assert [file.name for file in files] == ["notes.txt", "a.JPG", "b.png"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "gallery.txt"
    with written_whole(path) as part:
        part.write_text("good")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt), written_whole(path) as part:
        part.write_text("ha")
        raise KeyboardInterrupt
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]
