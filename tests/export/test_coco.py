"""COCO, as pycocotools reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

import sam_widget as sw
from sam_widget.export import coco
from sam_widget.masks.codecs import rle_from_mask, stored_from_rle
from sam_widget.masks.measures import iou
from tests.export.masks import masks_of


def read(path: Path) -> tuple[COCO, list[dict[str, Any]], np.ndarray]:
    coco = COCO(path)
    entries = coco.loadAnns(coco.getAnnIds())
    return coco, entries, np.array([coco.annToMask(entry).astype(bool) for entry in entries])


def test_pycocotools_reads_the_same_masks(shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
    sw.export.to_coco(shapes, tmp_path / "a" / "coco.json")
    coco, entries, masks = read(tmp_path / "a" / "coco.json")
    np.testing.assert_array_equal(masks, masks_of(shapes))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == [
        "rest",
        "cat",
        "ring é",
        "corner",
        "dot",
    ]
    assert coco.imgs[1] == {"id": 1, "file_name": "shapes.png", "width": 80, "height": 60}
    for entry, item in zip(entries, shapes, strict=True):
        assert coco.cats[entry["category_id"]]["name"] == item.label
        assert (entry["bbox"], entry["area"], entry["score"]) == (list(item.box.xywh), item.area, item.score)


def test_polygons_are_the_masks_again(shapes: sw.AnnotatedImage, photo_objects: sw.Session, tmp_path: Path) -> None:
    for source in (shapes, photo_objects):
        sw.export.to_coco(source, tmp_path / "coco.json", segmentation="polygons")
        _, _, masks = read(tmp_path / "coco.json")
        assert iou(masks, masks_of(source)).min() >= 0.999
        np.testing.assert_array_equal(masks_of(sw.load_masks(tmp_path / "coco.json")), masks)


def test_simplified_polygons_are_close(photo_objects: sw.Session, tmp_path: Path) -> None:
    exact = sw.export.to_coco(photo_objects, segmentation="polygons")
    simple = sw.export.to_coco(photo_objects, tmp_path / "coco.json", segmentation="polygons", tolerance=1)
    assert iou(read(tmp_path / "coco.json")[2], masks_of(photo_objects)).min() >= 0.95
    assert len(json.dumps(simple)) < len(json.dumps(exact)) / 2


def test_round_trip_of_several_images(
    shapes: sw.AnnotatedImage, photo_objects: sw.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = ["dot", "cat", "ring é", "corner", "rest", "thing 0", "thing 1", "thing 2", "thing 3", "unused"]
    path = tmp_path / "coco.json"
    sw.export.to_coco([photo_objects, shapes], path, classes=classes)
    assert [category["name"] for category in json.loads(path.read_bytes())["categories"]] == classes
    cat, other = sw.load_dataset(path)
    assert (cat.name, cat.size, other.name, other.size) == ("cat.jpg", (451, 300), "shapes.png", (80, 60))
    np.testing.assert_array_equal(masks_of(cat), masks_of(photo_objects))
    assert [(item.label, item.score) for item in other] == [(item.label, item.score) for item in shapes]
    np.testing.assert_array_equal(masks_of(sw.load_masks(path, image="shapes")), masks_of(shapes))
    decoded: list[Any] = []
    monkeypatch.setattr(coco, "stored_from_rle", lambda rle: (decoded.append(rle), stored_from_rle(rle))[1])
    assert len(sw.load_masks(path, image="shapes")) == len(decoded) == len(shapes), "masks of others are not decoded"
    with pytest.raises(sw.FormatError, match=r"2 images in it, give image= 'cat.jpg', 'shapes.png'"):
        sw.load_masks(path)
    with pytest.raises(sw.FormatError, match="called 'dog.png'"):
        sw.load_masks(path, image="dog.png")


def test_one_image_of_many_is_read_without_decoding_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = np.zeros((60, 80), bool)
    shape[20:40, 30:60] = True
    rle, ring = rle_from_mask(shape), [30, 20, 60, 20, 60, 40, 30, 40]
    counts = [30 * 60 + 20, 20, *[40, 20] * 29, 20 * 60 + 20]
    kinds = [rle, {"size": [60, 80], "counts": counts}, [ring]]
    data = {
        "images": [{"id": k, "file_name": f"{k}.jpg", "width": 80, "height": 60} for k in range(1000)],
        "categories": [{"id": 1, "name": "box"}],
        "annotations": [
            {"id": 3 * k + n, "image_id": k, "category_id": 1, "segmentation": kind, "bbox": [30, 20, 30, 20]}
            for k in range(1000)
            for n, kind in enumerate(kinds)
        ],
    }
    path = tmp_path / "many.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    read_masks: list[Any] = []
    runs, parsed = coco._runs, json.loads
    monkeypatch.setattr(coco, "_runs", lambda *given: (read_masks.append(given), runs(*given))[1])
    texts: list[Any] = []
    monkeypatch.setattr(json, "loads", lambda text, **options: (texts.append(text), parsed(text, **options))[1])
    found = sw.load_masks(path, image="500.jpg")
    assert [item.area for item in found] == [shape.sum()] * 3
    assert len(read_masks) == 3, "masks of others are not decoded"
    assert len(texts) <= 1, "the file is parsed once"


def test_a_dict_names_the_images(shapes: sw.AnnotatedImage) -> None:
    data = sw.export.to_coco({"a.png": shapes, "b.png": masks_of(shapes)})
    assert [image["file_name"] for image in data["images"]] == ["a.png", "b.png"]
    assert [entry["image_id"] for entry in data["annotations"]] == [1] * 6 + [2] * 6


def test_uncompressed_counts_are_read() -> None:
    (image,) = sw.export.from_coco(
        {
            "images": [{"id": 7, "file_name": "../../etc/a.png", "width": 3, "height": 2}],
            "categories": [{"id": 3, "name": "cat"}],
            "annotations": [
                {"image_id": 7, "category_id": 3, "segmentation": {"size": [2, 3], "counts": [2, 3, 1]}},
                {"image_id": 7, "category_id": 3, "segmentation": {"size": [2, 3], "counts": [6]}},
            ],
        }
    )
    assert image.name == "a.png"
    np.testing.assert_array_equal(masks_of(image), [[[0, 1, 1], [0, 1, 0]]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "not COCO"),
        ({"categories": []}, "3 is missing"),
        ({"images": [{"id": 7, "file_name": "a", "width": 1e9, "height": 1e9}]}, "pixels in all"),
        ({"images": [{"id": 7, "file_name": "a", "width": 2, "height": 2}]}, "RLE has size"),
        ({"segmentation": [[1, 2, 3]]}, "fewer than three corners"),
        ({"segmentation": "x"}, "not COCO"),
        ({"segmentation": {"size": [2, 3], "counts": [1]}}, "add up to 1"),
    ],
)
def test_damaged_files_are_refused(changes: dict[str, Any], message: str) -> None:
    entry = {"image_id": 7, "category_id": 3, "segmentation": {"size": [2, 3], "counts": [2, 3, 1]}}
    data: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "a.png", "width": 3, "height": 2}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [entry],
    }
    assert len(sw.export.from_coco(data)[0]) == 1
    entry.update({key: value for key, value in changes.items() if key in entry})
    data.update({key: value for key, value in changes.items() if key in data})
    with pytest.raises(sw.FormatError, match=message):
        sw.export.from_coco(data)


def test_what_cannot_be_written_is_refused(shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
    with pytest.raises(sw.FormatError, match="label 'rest' is not among the classes"):
        sw.export.to_coco(shapes, classes=["dog"])
    with pytest.raises(sw.FormatError, match=r"two images are called 'shapes.png'"):
        sw.export.to_coco([shapes, shapes])
    with pytest.raises(sw.FormatError, match="expected 'rle' or 'polygons'"):
        sw.export.to_coco(shapes, segmentation="runs")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(sw.FormatError, match="cannot write"):
        sw.export.to_coco(shapes, tmp_path / "file" / "coco.json")
    with pytest.raises(sw.FormatError, match="no image"):
        sw.export.to_coco({})
    with pytest.raises(sw.FormatError, match="no masks"):
        sw.export.to_coco([])
