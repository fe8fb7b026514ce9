"""`export` and `load_masks` find the format by name, suffix and content."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.export import FORMATS, export
from sam_widget.masks.measures import iou
from tests.export.masks import disc, masks_of

LOSSLESS = {
    "coco": "a.json",
    "npz": "a.npz",
    "geojson": "a.geojson",
    "svg": "a.svg",
    "labelme": "b.json",
    "label_studio": "c.json",
    "pandas": "a.csv",
    "binary_pngs": "masks",
    "cutouts": "cutouts",
}


@pytest.mark.parametrize(("name", "target"), LOSSLESS.items())
def test_what_is_written_is_known_again(shapes: sw.AnnotatedImage, tmp_path: Path, name: str, target: str) -> None:
    by_suffix = target.startswith("a.")
    export(shapes, tmp_path / target, format=None if by_suffix else name)
    back = sw.load_masks(tmp_path / target)
    np.testing.assert_array_equal(masks_of(back), masks_of(shapes))
    np.testing.assert_array_equal(masks_of(sw.load_masks(tmp_path / target, format=name)), masks_of(shapes))


@pytest.mark.parametrize(
    ("name", "target"), {"yolo": "yolo", "voc": "voc", "indexed_png": "a.png", "npy": "a.npy"}.items()
)
def test_what_loses_something_is_known_again(shapes: sw.AnnotatedImage, tmp_path: Path, name: str, target: str) -> None:
    export(shapes, tmp_path / target, format=None if "." in target else name)
    back = sw.load_masks(tmp_path / target, size=shapes.size)
    assert iou(masks_of(back)[-1], masks_of(shapes)[-1]) == 1


def test_every_format_is_tested_here() -> None:
    assert {*LOSSLESS, "yolo", "voc", "indexed_png", "npy", "datasets", "supervision"} == set(FORMATS)


def test_the_image_keeps_its_name(photo: np.ndarray, predictor: sw.Predictor, tmp_path: Path) -> None:
    Image.fromarray(photo).save(tmp_path / "cat 1.png")
    session = sw.Session(tmp_path / "cat 1.png", model=predictor)
    session.add_objects(np.ones((300, 451), bool))
    session.save(tmp_path / "cat.sam")
    for again in (session, sw.Session.load(tmp_path / "cat.sam", model=predictor)):
        assert again.export("coco")["images"][0]["file_name"] == "cat 1.png"
    assert sw.Session(photo, model=predictor).image_name is None


def test_session_and_widget_export(photo_objects: sw.Session, tmp_path: Path) -> None:
    photo_objects.export(tmp_path / "cat.json", segmentation="polygons")
    assert sw.load_masks(tmp_path / "cat.json").name == "cat.jpg"
    assert photo_objects.export("coco")["images"][0]["width"] == 451
    assert photo_objects.export("npy").shape == (300, 451)
    widget = sw.SamWidget(photo_objects.image, model=photo_objects.predictor)
    widget.add_objects(photo_objects)
    widget.export(str(tmp_path / "labels"), format="yolo")
    assert len(sw.load_masks(tmp_path / "labels", size=(451, 300))) == 6
    np.testing.assert_array_equal(widget.export("npy"), photo_objects.export("npy"))
    widget.close()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("masks.tiff",), {}, "'masks.tiff' names no format; the formats are coco (.json), yolo (/)"),
        (("masks",), {}, "'masks' names no format"),
        (("a.json",), {"format": "cocoa"}, "'cocoa' names no format"),
        (
            ("a.json",),
            {"tolerence": 1},
            "coco has no option 'tolerence'; its options: segmentation, tolerance, classes",
        ),
        (("yolo",), {}, 'yolo writes a folder; say which: export(..., "folder", format="yolo")'),
        (("a.txt",), {"format": "supervision"}, "supervision is not a file format"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(sw.FormatError) as caught:
        export(disc(20, 20, 9), *arguments, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.json", "cannot read 'missing.json'"),
        ("missing.npz", "cannot read 'missing.npz'"),
        ("missing.tiff", "'missing.tiff' is in an unknown format"),
        ({"a": 1}, "'dict' is in an unknown format"),
        (7, "'int' is in an unknown format"),
    ],
)
def test_what_cannot_be_read_is_refused(source: Any, message: str) -> None:
    with pytest.raises(sw.FormatError, match=message):
        sw.load_masks(source)


def test_json_that_is_none(tmp_path: Path) -> None:
    for text in ("{", "[" * 100_000, "7"):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(sw.FormatError, match="is not JSON|an unknown format"):
            sw.load_masks(tmp_path / "a.json")


def test_names_of_files_lead_nowhere_else(tmp_path: Path) -> None:
    source = {"../../evil/../é x.png": sw.export.annotations_of(disc(20, 20, 9), labels="../../out")}
    for path in export(source, tmp_path / "in", format="voc") + export(source, tmp_path / "in", format="binary_pngs"):
        assert path.resolve().is_relative_to(tmp_path / "in")
    assert {path.name for path in (tmp_path / "in").glob("*.png")} == {"001_out.png"}


def test_importing_the_formats_needs_none_of_their_libraries() -> None:
    code = "import sys, sam_widget as sw; sw.export.to_coco, sw.load_masks; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for library in (
        "torch",
        "pandas",
        "datasets",
        "supervision",
        "pycocotools",
        "skimage",
        "cv2",
        "svgelements",
        "scipy",
    ):
        assert f"'{library}'" not in loaded


def test_a_file_is_read_once(shapes: sw.AnnotatedImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = tmp_path / "a.json", []
    sw.export.to_coco({"a.png": shapes, "b.png": shapes}, path)
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: (opened.append(self), read(self))[1])
    back = sw.load_masks(path, image="b.png")
    assert opened == [path]
    np.testing.assert_array_equal(masks_of(back), masks_of(shapes))


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("extra", ["NaN", '"\\ud83d"', "1e999", "1" + "0" * 30])
def test_json_that_is_not_quite_json_is_read(
    shapes: sw.AnnotatedImage, tmp_path: Path, coding: str, extra: str
) -> None:
    path = tmp_path / "a.json"
    sw.export.to_coco(shapes, path)
    path.write_bytes(path.read_text(encoding="utf-8").replace('"info"', f'"x": {extra}, "info"', 1).encode(coding))
    np.testing.assert_array_equal(masks_of(sw.load_masks(path)), masks_of(shapes))
