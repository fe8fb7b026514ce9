"""Hugging Face's own `datasets` writes to disk and reads what is exported."""

from __future__ import annotations

import sys
from pathlib import Path

import datasets
import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import MissingExtraError
from tests.export.masks import masks_of


def test_a_dataset_goes_to_disk_and_back(shapes: sw.AnnotatedImage, photo_objects: sw.Session, tmp_path: Path) -> None:
    made = sw.export.to_datasets([shapes, photo_objects])
    made.save_to_disk(tmp_path / "set")
    loaded = datasets.load_from_disk(tmp_path / "set")
    assert loaded.column_names == ["image", "image_name", "width", "height", "objects"]
    assert loaded[0]["image"] is None or loaded[0]["image"].size == shapes.size
    assert (np.asarray(loaded[1]["image"]) == photo_objects.image).all()
    first = loaded[1]["objects"][0]
    x, y, width, height = first["bbox"]
    assert (x, y, x + width, y + height) == photo_objects.objects[0].box.corners
    assert first["category"] == photo_objects.objects[0].label
    for found, source in zip(sw.load_dataset(loaded), (shapes, photo_objects), strict=True):
        np.testing.assert_array_equal(masks_of(found), masks_of(source))
        expected = sw.export.annotations_of(source)
        assert [item.label for item in found] == [item.label for item in expected]
        assert [item.score for item in found] == pytest.approx([item.score for item in expected])
    assert len(sw.load_masks(loaded, image="shapes.png")) == len(shapes)


def test_one_session_is_one_row(photo_objects: sw.Session) -> None:
    made = photo_objects.export("datasets")
    assert isinstance(made, datasets.Dataset)
    assert len(made) == 1
    assert made[0]["image_name"] == photo_objects.image_name


def test_images_without_objects_or_pixels_stay() -> None:
    made = sw.export.to_datasets({"a.png": sw.AnnotatedImage((), (80, 60))})
    assert made[0]["image"] is None
    assert [(image.name, image.size, len(image)) for image in sw.load_dataset(made)] == [("a.png", (80, 60), 0)]


def test_what_is_damaged_is_counted_and_what_is_something_else_is_refused() -> None:
    good = sw.export.to_datasets(np.eye(9, dtype=bool))
    row = good[0]
    bad = {**row["objects"][0], "rle": "not counts \x00"}
    mixed = datasets.Dataset.from_list([{"width": 9, "height": 9, "objects": [row["objects"][0], bad]}])
    with pytest.warns(UserWarning, match="1 of 2 regions.*object 2 of image 1"):
        (image,) = sw.load_dataset(mixed)
    np.testing.assert_array_equal(masks_of(image), [np.eye(9, dtype=bool)])
    with pytest.raises(sw.FormatError, match="lacks the columns height, objects, width"):
        sw.load_dataset(datasets.Dataset.from_list([{"text": "hello"}]))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r'pip install "sam-widget\[datasets\]"'):
        sw.export.to_datasets(np.eye(9, dtype=bool))
