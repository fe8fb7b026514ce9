"""supervision's Detections and pandas' DataFrame."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import supervision as sv

import sam_widget as sw
from sam_widget.errors import MissingExtraError
from tests.export.masks import disc, masks_of


def test_supervision_round_trip_and_annotators(photo_objects: sw.Session) -> None:
    detections = photo_objects.export("supervision")
    assert isinstance(detections, sv.Detections)
    np.testing.assert_array_equal(detections.mask, masks_of(photo_objects))
    np.testing.assert_array_equal(detections.xyxy, [item.box.corners for item in photo_objects.objects])
    np.testing.assert_array_equal(detections.area, [item.area for item in photo_objects.objects])
    assert detections.class_id.tolist() == [0, 1, 2, 3, 0, 1]
    back = sw.load_masks(detections)
    assert [item.label for item in back] == [item.label for item in photo_objects.objects]
    np.testing.assert_allclose([item.score for item in back], [item.score for item in photo_objects.objects], rtol=1e-6)
    painted = sv.MaskAnnotator().annotate(photo_objects.image.copy(), detections)
    assert (painted != photo_objects.image).any(axis=-1)[masks_of(photo_objects).any(axis=0)].mean() > 0.99
    added = sw.Session(photo_objects.image, model=photo_objects.predictor).add_objects(detections)
    np.testing.assert_array_equal(masks_of(list(added)), masks_of(photo_objects))


def test_supervision_without_scores_or_objects() -> None:
    assert sw.export.to_supervision(disc(20, 20, 9)).confidence is None
    empty = sw.export.to_supervision(sw.AnnotatedImage((), (80, 60)))
    assert (len(empty), empty.mask.shape) == (0, (0, 60, 80))
    with pytest.raises(sw.FormatError, match="empty"):
        sw.load_masks(empty)


def test_pandas_round_trip(shapes: sw.AnnotatedImage, photo_objects: sw.Session, tmp_path: Path) -> None:
    frame = sw.export.to_pandas([shapes, photo_objects], tmp_path / "objects.csv")
    assert isinstance(frame, pd.DataFrame)
    assert frame.groupby("image")["area"].sum()["shapes.png"] == sum(item.area for item in shapes)
    dot = frame.set_index("label").loc["dot"]
    assert (dot.x0, dot.y0, dot.x1, dot.y1, dot.centroid_x, dot.centroid_y) == (79, 59, 80, 60, 79.5, 59.5)
    for table in (frame, tmp_path / "objects.csv"):
        for image, source in zip(sw.load_dataset(table), (shapes, photo_objects), strict=True):
            np.testing.assert_array_equal(masks_of(image), masks_of(source))
            found = sw.export.annotations_of(source)
            assert [item.label for item in image] == [item.label for item in found]
            np.testing.assert_allclose([item.score for item in image], [item.score for item in found])


def test_labels_that_look_like_numbers_or_nothing_stay(tmp_path: Path) -> None:
    sw.export.to_pandas(
        sw.export.annotations_of([disc(20, 20, 9)] * 3, labels=["NA", "007", "a,b"]), tmp_path / "o.csv"
    )
    assert [(item.label, item.score) for item in sw.load_masks(tmp_path / "o.csv")] == [
        ("NA", None),
        ("007", None),
        ("a,b", None),
    ]


def test_other_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("a,b\n1,2\n")
    with pytest.raises(sw.FormatError, match="lacks the columns height, label, rle, width"):
        sw.load_masks(tmp_path / "o.csv")
    with pytest.raises(sw.FormatError, match="not a COCO RLE"):
        sw.load_masks(pd.DataFrame({"width": [4], "height": [4], "label": ["a"], "rle": ["0P9"]}))


@pytest.mark.parametrize(("name", "extra"), [("supervision", "supervision"), ("pandas", "pandas")])
def test_a_missing_library_is_named_with_its_extra(name: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf'this needs {name}, .* pip install "sam-widget\[{extra}\]"'):
        sw.export.export(disc(20, 20, 9), name)
