from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from recipes.digits.reading import read_gray, read_pictures, to_digit


def seven(size: tuple[int, int] = (300, 200), paper=255, ink=0, width: int = 14) -> Image.Image:
    """A seven in the upper left of a picture of any size."""
    picture = Image.new("L", size, paper)
    draw = ImageDraw.Draw(picture)
    draw.line([(40, 30), (110, 30), (70, 140)], fill=ink, width=width, joint="curve")
    return picture


def digit_of(picture: Image.Image, path) -> np.ndarray:
    picture.save(path)
    return to_digit(read_gray(path))


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).mean() / 255)


@pytest.fixture
def expected(tmp_path) -> np.ndarray:
    return digit_of(seven(), tmp_path / "expected.png")


def test_shows_the_digit_as_mnist_does(expected):
    assert expected.shape == (28, 28) and expected.dtype == np.uint8
    assert expected.max() == 255 and np.median(expected) == 0
    rows = np.nonzero(expected)[0]
    assert rows.max() - rows.min() + 1 == 20
    mass = expected.astype(float)
    assert abs((mass.sum(1) @ np.arange(28)) / mass.sum() - 13.5) < 1
    assert abs((mass.sum(0) @ np.arange(28)) / mass.sum() - 13.5) < 1


@pytest.mark.parametrize(
    "picture",
    {
        "light on dark": seven(paper=0, ink=255),
        "pencil on gray": seven(paper=190, ink=90),
        "large": seven().resize((1500, 1000)),
        "small": seven().resize((90, 60), Image.Resampling.LANCZOS),
        "colour": Image.merge(
            "RGB", [seven(paper=250), seven(paper=240), seven(paper=200, ink=90)]
        ),
        "elsewhere": Image.new("L", (500, 400), 255),
        "palette": seven().convert("P"),
        "black and white": seven().convert("1"),
    }.items(),
    ids=lambda item: item[0],
)
def test_size_place_and_colours_do_not_matter(picture, expected, tmp_path):
    name, picture = picture
    if name == "elsewhere":
        picture.paste(seven(), (190, 180))
    assert difference(digit_of(picture, tmp_path / "picture.png"), expected) < 0.04


def test_transparency_counts_as_white_paper(expected, tmp_path):
    ink = Image.new("RGBA", (300, 200), (20, 20, 90, 0))
    ink.putalpha(seven(paper=0, ink=255))
    assert difference(digit_of(ink, tmp_path / "ink.png"), expected) < 0.04


def test_sixteen_bits_are_read(expected, tmp_path):
    deep = Image.fromarray(np.asarray(seven()).astype(np.uint16) * 257)
    assert difference(digit_of(deep, tmp_path / "deep.png"), expected) < 0.04


def test_a_photograph_is_turned_as_its_exif_says(expected, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right to see it upright
    seven().rotate(90, expand=True).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    assert difference(to_digit(read_gray(tmp_path / "photo.jpg")), expected) < 0.04


def test_lines_and_shadow_are_no_ink(expected, tmp_path):
    page = np.array(seven(paper=230, ink=40), dtype=float)
    page[15::22] = np.minimum(page[15::22], 180)
    page *= np.linspace(0.6, 1, page.shape[1])
    lined = Image.fromarray(page.astype(np.uint8))
    assert difference(digit_of(lined, tmp_path / "lined.png"), expected) < 0.04


def test_thin_strokes_are_widened(expected, tmp_path):
    thin = digit_of(seven(width=2), tmp_path / "thin.png")
    assert 0.4 < thin.sum() / expected.sum() < 1.5


def test_several_files_and_folders_are_read_and_the_unreadable_named(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("b.png", "a.JPG"):
        seven().save(tmp_path / "folder" / name)
    (tmp_path / "folder" / "notes.txt").write_text("not a picture")
    (tmp_path / "text.png").write_text("not a picture")
    Image.new("L", (50, 50), 200).save(tmp_path / "blank.png")
    seven().save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:700])
    names = ("folder", "text.png", "blank.png", "cut.jpg", "missing.png")
    pictures, unreadable = read_pictures([tmp_path / name for name in names])
    assert [picture.path.name for picture in pictures] == ["a.JPG", "b.png"]
    reasons = {path.name: reason for path, reason in unreadable.items()}
    assert set(reasons) == {"text.png", "blank.png", "cut.jpg", "missing.png"}
    assert "identify" in reasons["text.png"]
    assert "blank" in reasons["blank.png"]
    assert "truncated" in reasons["cut.jpg"]
    assert "No such file" in reasons["missing.png"]
