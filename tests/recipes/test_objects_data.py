"""Data sets in their folders, what is wrong with them, made pictures and their random views."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from recipes.objects.augment import RandomView
from recipes.objects.data import Objects
from recipes.objects.digits import make_scenes
from recipes.objects.layouts import coco, voc, voc_detection, wider_face
from recipes.objects.scenes import Annotated, Box, Faulty, load, objects_of

CLASSES = ("cup", "spoon")
BOXES = {
    "one": [("cup", (4, 2, 20, 30))],
    "two": [("spoon", (0, 0, 40, 30)), ("cup", (1, 1, 9, 9))],
}


def save_picture(path: Path, color: str = "navy") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), color).save(path)


def write_voc(root: Path, boxes=BOXES, split: str = "train") -> None:
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, objects in boxes.items():
        save_picture(root / "JPEGImages" / f"{name}.jpg")
        rows = [
            f"  <object>\n    <name>{kind}</name>\n    <bndbox>\n"
            + "".join(
                f"      <{corner}>{value}</{corner}>\n"
                for corner, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
            )
            + "    </bndbox>\n  </object>\n"
            for kind, box in objects
        ]
        text = f"<annotation>\n{''.join(rows)}</annotation>\n"
        (root / "Annotations" / f"{name}.xml").write_text(text)
    (root / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{n}\n" for n in boxes))


def write_coco(root: Path, boxes=BOXES, indent: int | None = 1) -> None:
    images, annotations = [], []
    for number, (name, objects) in enumerate(boxes.items(), 7):
        save_picture(root / "train" / f"{name}.png")
        images.append({"id": number, "file_name": f"{name}.png"})
        for kind, (left, top, right, bottom) in objects:
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": CLASSES.index(kind) + 5 if kind in CLASSES else 99,
                    "bbox": [left, top, right - left, bottom - top],
                }
            )
    categories = [{"id": place + 5, "name": name} for place, name in enumerate(CLASSES)]
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    contents = {"images": images, "annotations": annotations, "categories": categories}
    target = root / "annotations" / "instances_train.json"
    target.write_text(json.dumps(contents, indent=indent))


def write_voc_detection(root: Path, boxes=BOXES) -> None:
    write_voc(root / "VOCdevkit" / "VOC2012", boxes)
    lists = root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Main"
    (lists / "train.txt").write_text("\n".join(boxes))


def write_wider_face(root: Path, boxes=BOXES) -> None:
    lines = []
    for name, objects in boxes.items():
        save_picture(root / "widerface" / "WIDER_train" / "images" / "0--Parade" / f"{name}.jpg")
        lines += [f"0--Parade/{name}.jpg", str(len(objects))]
        for _, (left, top, right, bottom) in objects:
            lines.append(f"{left} {top} {right - left} {bottom - top} 0 0 0 0 0 0")
    split = root / "widerface" / "wider_face_split"
    split.mkdir(parents=True)
    (split / "wider_face_train_bbx_gt.txt").write_text("\n".join(lines) + "\n")
    for folder in ("WIDER_val", "WIDER_test"):
        (root / "widerface" / folder).mkdir(parents=True)


LAYOUTS = pytest.mark.parametrize(
    ("read", "write", "split"),
    [
        (voc, write_voc, "train"),
        (coco, write_coco, "train"),
        (voc_detection, write_voc_detection, "2012-train"),
        (wider_face, write_wider_face, "train"),
    ],
    ids=["voc", "coco", "voc_detection", "wider_face"],
)


@LAYOUTS
def test_every_layout_gives_the_same_pictures_and_boxes(read, write, split, tmp_path):
    write(tmp_path)
    faces = read is wider_face
    scenes, skipped = load(read(tmp_path, split), ("face",) if faces else CLASSES, (32, 48))
    assert not skipped
    pictures, boxes, labels = scenes.tensors
    assert pictures.shape == (2, 3, 32, 48) and pictures.dtype == torch.uint8
    scale = 32 / 30
    torch.testing.assert_close(boxes[0, 0], scale * torch.tensor([4.0, 2, 20, 30]))
    assert labels.tolist() == ([[0, -1], [0, 0]] if faces else [[0, -1], [1, 0]])
    assert pictures[0, :, 10, 10].tolist() == pytest.approx([0, 0, 128], abs=3)
    assert pictures[0, :, 10, 46].tolist() == [128, 128, 128]  # beside the picture


@LAYOUTS
@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((4, 2, 41, 20), "box outside the picture of 40 x 30"),
        ((-1, 2, 20, 20), "box outside the picture of 40 x 30"),
        ((4, 2, 4, 20), "box without area"),
        ((4, 20, 9, 11), "box without area"),
    ],
)
def test_a_bad_box_is_named_with_file_and_line(read, write, split, box, reason, tmp_path):
    write(tmp_path, BOXES | {"two": [("cup", (0, 0, 9, 9)), ("cup", box)]})
    classes = ("face",) if read is wider_face else CLASSES
    with pytest.raises(Faulty) as error:
        load(read(tmp_path, split), classes, (32, 48))
    place, _, said = str(error.value).splitlines()[0].partition(": ")
    assert said.startswith(reason)
    file, _, line = place.rpartition(":")
    lines = Path(file).read_text().splitlines()
    markers = {voc: "<object>", voc_detection: "<object>", coco: "{", wider_face: str(box[1])}
    assert markers[read] in lines[int(line) - 1]
    if read in (voc, voc_detection):
        assert int(line) == 11 and file.endswith("two.xml")
    if read is wider_face:
        assert int(line) == 7
    if read is coco:
        item = json.loads(" ".join(lines[int(line) - 1 : int(line) + 10]).split("}")[0] + "}")
        assert item["id"] == 2


@LAYOUTS
def test_a_missing_picture_is_named_with_file_and_line(read, write, split, tmp_path):
    write(tmp_path)
    (lost,) = tmp_path.rglob("two.[jp][pn]g")
    lost.unlink()
    classes = ("face",) if read is wider_face else CLASSES
    with pytest.raises(Faulty, match=r"\S+:?\d* ?: missing picture .*two\.") as error:
        load(read(tmp_path, split), classes, (32, 48))
    assert "--data.skip_bad true" in str(error.value)
    scenes, skipped = load(read(tmp_path, split), classes, (32, 48), skip_bad=True)
    assert len(scenes) == 1 and skipped == {"missing picture": 1}


def test_what_is_bad_is_skipped_and_counted(tmp_path):
    bad = [("cup", (4, 2, 4, 20)), ("cup", (0, 0, 99, 9)), ("fork", (1, 1, 5, 5))]
    write_voc(tmp_path, {"one": [*bad, ("spoon", (1, 1, 5, 5))], "two": [], "three": bad[:1]})
    (tmp_path / "JPEGImages" / "two.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    scenes, skipped = load(voc(tmp_path, "train"), CLASSES, (32, 48), skip_bad=True)
    assert dict(skipped) == {
        "box without area": 2,
        "box outside the picture of 40 x 30": 1,
        "unknown class": 1,
        "unreadable picture": 1,
    }
    assert scenes.tensors[2].tolist() == [[1], [-1]]


def test_many_errors_make_a_short_message(tmp_path):
    write_voc(tmp_path, {f"p{number}": [("fork", (0, 0, 9, 9))] for number in range(30)})
    with pytest.raises(Faulty) as error:
        load(voc(tmp_path, "train"), CLASSES, (32, 48))
    lines = str(error.value).splitlines()
    assert len(lines) == 22 and lines[20] == "and 10 more"


@pytest.mark.parametrize("boxes", [{}, {"one": [], "two": []}])
def test_no_object_at_all_is_an_error(boxes, tmp_path):
    write_voc(tmp_path, boxes)
    with pytest.raises(Faulty, match=f"no object in {len(boxes)} pictures"):
        load(voc(tmp_path, "train"), CLASSES, (32, 48))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><object></annotation>", "mismatched tag"),
        (
            "<annotation>\n<object><name>cup</name></object></annotation>",
            ":2: an object without a box",
        ),
        (
            "<annotation><object><name>cup</name><bndbox><xmin>a</xmin></bndbox></object>"
            "</annotation>",
            "an object without a box",
        ),
    ],
)
def test_broken_annotations_are_named(text, message, tmp_path):
    write_voc(tmp_path)
    (tmp_path / "Annotations" / "one.xml").write_text(text)
    with pytest.raises(Faulty, match=rf"one\.xml.*{message}"):
        list(voc(tmp_path, "train"))


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"images": [{"id": 1}], "annotations": [], "categories": []}', "[]"]
)
def test_a_broken_json_is_named(text, tmp_path):
    (tmp_path / "all.json").write_text(text)
    with pytest.raises(Faulty, match=r"all\.json: no COCO annotations"):
        list(coco(tmp_path, "all.json"))


def test_coco_reads_a_single_line_and_leaves_out_crowds(tmp_path):
    write_coco(tmp_path, indent=None)
    file = tmp_path / "annotations" / "instances_train.json"
    contents = json.loads(file.read_text())
    contents["annotations"][0]["iscrowd"] = 1
    file.write_text(json.dumps(contents))
    one, two = coco(tmp_path, "train")
    assert not one.boxes and [box.where for box in two.boxes] == [f"{file}:1"] * 2


def test_coco_names_an_object_of_a_picture_that_is_not_listed(tmp_path):
    write_coco(tmp_path)
    file = tmp_path / "annotations" / "instances_train.json"
    contents = json.loads(file.read_text())
    del contents["images"][0]
    file.write_text(json.dumps(contents))
    with pytest.raises(Faulty, match=r"train\.json:1: .* not listed"):
        list(coco(tmp_path, "train"))


@pytest.mark.parametrize(
    ("layout", "split", "message"),
    [
        ("voc", "train", r"ImageSets"),
        ("coco", "train", r"instances_train\.json"),
        ("voc_detection", "2012-train", "no VOC 2012"),
        ("wider_face", "train", "no WIDERFace"),
    ],
)
def test_a_missing_data_set_is_named(layout, split, message, tmp_path):
    data = Objects(layout, tmp_path, learn=split, validation=None, classes=CLASSES)
    with pytest.raises(FileNotFoundError, match=message):
        data.setup("fit")


def test_a_picture_fits_whatever_its_proportions(tmp_path):
    Image.new("L", (200, 10)).save(tmp_path / "wide.png")
    box = Box("cup", (100.0, 0.0, 200.0, 10.0), "here:1")
    scenes, _ = load([Annotated(tmp_path / "wide.png", "here:1", [box])], CLASSES, (32, 48))
    assert scenes.tensors[1][0, 0].tolist() == pytest.approx([24, 0, 48, 2.4])


@pytest.fixture(scope="module")
def made():
    return make_scenes("val", (96, 96))


def test_digits_are_made_from_a_seed(made):
    pictures, boxes, labels = made.tensors
    assert pictures.shape == (200, 3, 96, 96) and pictures.dtype == torch.uint8
    again = make_scenes("val", (96, 96))
    assert all(torch.equal(a, b) for a, b in zip(made.tensors, again.tensors, strict=True))
    real = boxes[labels >= 0]
    assert set(labels.unique().tolist()) == {-1, *range(10)}
    sides = (real[:, 2:] - real[:, :2]).amax(1)
    assert (real >= 0).all() and (real <= 96).all()
    assert 0.13 * 96 < sides.min() < 0.17 * 96 and 0.36 * 96 < sides.max() < 0.41 * 96


def test_digits_differ_from_what_is_around_them_and_do_not_touch(made):
    for picture, objects in zip(made.tensors[0], objects_of(*made.tensors[1:]), strict=True):
        boxes = objects["boxes"]
        for left, top, right, bottom in boxes.int().tolist():
            assert picture[:, top:bottom, left:right].float().std() > 8
        low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
        high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
        touching = (high > low).all(-1).sum()
        assert touching == len(boxes)  # each with itself


def test_the_splits_of_the_digits_are_named():
    with pytest.raises(ValueError, match=r"train, val, test, got exam"):
        make_scenes("exam", (96, 96))


def view(**options):
    calm = dict.fromkeys(("scale", "shift", "gain", "tint", "contrast", "saturation"), 0.0)
    return RandomView(**{"flip": False, "upend": False} | calm | options)


def draw(boxes: torch.Tensor) -> torch.Tensor:
    """White rectangles in black pictures (N, 3, 48, 64)."""
    pictures = torch.zeros(len(boxes), 3, 48, 64)
    for picture, (left, top, right, bottom) in zip(pictures, boxes.int().tolist(), strict=True):
        picture[:, top:bottom, left:right] = 1
    return pictures


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"flip": True},
        {"upend": True},
        {"scale": 0.3},
        {"shift": 0.2},
        {"scale": 0.2, "shift": 0.2, "flip": True, "upend": True},
    ],
)
def test_boxes_follow_their_pictures(options):
    boxes = torch.tensor([[20.0, 12, 36, 30]]).repeat(40, 1)
    generator = torch.Generator().manual_seed(0)
    labels = torch.zeros(40, 1, dtype=torch.long)
    pictures, moved, kept = view(**options)(draw(boxes), boxes[:, None], labels, generator)
    assert (kept == 0).all()
    assert torch.equal(moved[:, 0], boxes) == (not options)
    for picture, box in zip(pictures[:, 0], moved[:, 0], strict=True):
        rows, columns = (torch.nonzero((picture > 0.75).any(axis)).flatten() for axis in (1, 0))
        seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        torch.testing.assert_close(torch.stack(seen).float(), box, atol=1.01, rtol=0)


def test_boxes_that_leave_the_picture_are_cut_and_then_dropped():
    boxes = torch.tensor([[0.0, 10, 10, 20]]).repeat(200, 1)
    generator = torch.Generator().manual_seed(0)
    labels = torch.zeros(200, 1, dtype=torch.long)
    _, moved, kept = view(shift=0.2)(draw(boxes), boxes[:, None], labels, generator)
    assert moved.min() >= 0
    share = (moved[:, 0, 2:] - moved[:, 0, :2]).clamp_min(0).prod(-1) / 100
    assert torch.equal(kept[:, 0] == 0, share >= 0.75)
    assert 0 < (kept == -1).sum() < 200


def test_colours_change_only_where_they_should():
    pictures = torch.rand(8, 3, 16, 16)
    boxes, labels = torch.zeros(8, 1, 4), torch.full((8, 1), -1)
    for options in ({"gain": 0.3}, {"tint": 0.3}, {"contrast": 0.3}, {"saturation": 0.3}):
        generator = torch.Generator().manual_seed(0)
        changed, *_ = view(**options)(pictures, boxes, labels, generator)
        assert not torch.allclose(changed, pictures, atol=0.05)
        assert changed.min() >= 0 and changed.max() <= 1
        if "gain" in options:
            quotient = (changed / pictures)[:, :, 4:8, 4:8].flatten(1)
            dim = quotient[changed.amax((1, 2, 3)) < 1]
            torch.testing.assert_close(dim, dim[:, :1].expand_as(dim), rtol=1e-3, atol=0)
    generator = torch.Generator().manual_seed(0)
    unchanged, *_ = view()(pictures, boxes, labels, generator)
    torch.testing.assert_close(unchanged, pictures, atol=1e-5, rtol=0)
