"""Masks are found in any supported source, and added to a session as one edit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import supervision as sv

import sam_widget as sw
from sam_widget.errors import MaskError
from sam_widget.masks.annotations import Annotation, annotations_of
from sam_widget.masks.codecs import rle_from_mask
from sam_widget.masks.runs import StoredMask
from sam_widget.text import clean

HEIGHT, WIDTH = 30, 40


def square(x: int, y: int, side: int = 8) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + side, x : x + side] = True
    return mask


ONE, TWO = square(2, 3), square(20, 10)
LABEL_MAP = np.where(ONE, 3, np.where(TWO, 7, 0))


def record(mask: Any) -> dict[str, Any]:
    return {"segmentation": mask, "predicted_iou": np.float32(1.02), "point_coords": [[5.5, 6.5]], "area": 64}


@pytest.mark.parametrize(
    "source",
    [
        [ONE, TWO],
        np.stack((ONE, TWO)),
        LABEL_MAP,
        [Annotation("a", StoredMask(ONE.copy())), TWO],
        [record(ONE), record(rle_from_mask(TWO))],
        [SimpleNamespace(**record(ONE)), SimpleNamespace(**record(TWO))],
        (mask for mask in (ONE, TWO)),
    ],
    ids=["masks", "stack", "label map", "annotations", "records", "record objects", "generator"],
)
def test_masks_are_found_in(source: Any) -> None:
    found = annotations_of(source)
    np.testing.assert_array_equal([item.mask for item in found], [ONE, TWO])
    assert found[0].box == sw.Box(2, 3, 10, 11)


def test_names_scores_and_points_are_kept() -> None:
    (found,) = annotations_of(record(ONE))
    assert (found.label, found.score) == ("object 1", 1.0)
    assert found.prompt == sw.Prompt.from_arrays([(5.5, 6.5)])
    assert [item.label for item in annotations_of(LABEL_MAP)] == ["3", "7"]
    unnamed = Annotation("object 1", StoredMask(ONE.copy()))
    assert [item.label for item in annotations_of([TWO, unnamed, TWO])] == ["object 2", "object 1", "object 3"]
    assert [item.label for item in annotations_of([ONE, TWO], labels="leaf")] == ["leaf", "leaf"]
    assert [item.label for item in annotations_of([ONE, TWO], labels=["a", ""])] == ["a", "object 1"]


@pytest.mark.parametrize("label", ["caf\udce9", "cat \ud83d", "Größe 🐱"])
def test_a_label_is_cleaned_as_text_everywhere_is(label: str) -> None:
    assert Annotation(label, StoredMask(ONE.copy())).label == clean(label)


def test_supervision_detections() -> None:
    detections = sv.Detections(
        xyxy=np.array([[2, 3, 10, 11], [20, 10, 28, 18]], np.float32),
        mask=np.stack((ONE, TWO)),
        confidence=np.array([0.5, 0.75], np.float32),
        class_id=np.array([4, 1]),
    )
    assert [(item.label, item.score) for item in annotations_of(detections)] == [("4", 0.5), ("1", 0.75)]
    detections.data["class_name"] = np.array(["cat", "dog"])
    assert [item.label for item in annotations_of(detections)] == ["cat", "dog"]
    detections.mask = None
    with pytest.raises(MaskError, match="boxes but no masks"):
        annotations_of(detections)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (7, "cannot read masks from int"),
        ("masks.png", "cannot read masks from str"),
        (np.zeros((4, 4)), "type float64"),
        (np.zeros((2, 4, 4, 4), bool), "shape \\(2, 4, 4, 4\\)"),
        ([ONE, np.zeros((HEIGHT, WIDTH), bool)], "mask 1, 'object 2', is empty"),
        ([ONE, np.ones((4, 4), bool)], "has shape \\(4, 4\\)"),
        ({"mask": ONE}, "keys mask"),
    ],
)
def test_what_holds_no_masks_is_refused(source: Any, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        annotations_of(source)


def test_labels_must_fit() -> None:
    with pytest.raises(MaskError, match="2 masks but 3 labels"):
        annotations_of([ONE, TWO], labels=["a", "b", "c"])


def test_a_session_takes_them_in_as_one_edit(predictor: sw.Predictor) -> None:
    session = sw.Session(np.zeros((HEIGHT, WIDTH, 3), np.uint8), model=predictor)
    first, second = session.add_objects([ONE, TWO], labels=["cat", "dog"])
    third, fourth = session.add_objects([first, record(TWO)])
    assert session.objects == (first, second, third, fourth)
    assert [item.label for item in session.objects] == ["cat", "dog", "cat", "object 1"]
    assert [item.color for item in session.objects] == [0, 1, 2, 3]
    assert len({item.id for item in session.objects}) == 4
    np.testing.assert_array_equal(second.mask, TWO)
    assert second.box == sw.Box(20, 10, 28, 18)
    session.undo()
    assert session.objects == (first, second)
    session.redo()
    assert len(session.objects) == 4
    assert annotations_of(session)[1].id == second.id


def test_what_does_not_fit_the_image_changes_nothing(predictor: sw.Predictor) -> None:
    session = sw.Session(np.zeros((HEIGHT, WIDTH, 3), np.uint8), model=predictor)
    with pytest.raises(sw.SessionError, match="4 x 5 pixels, but the image is 40 x 30"):
        session.add_objects(np.ones((5, 4), bool))
    with pytest.raises(MaskError, match="mask 1.* empty"):
        session.add_objects([ONE, np.zeros((HEIGHT, WIDTH), bool)])
    assert session.add_objects([]) == ()
    assert not session.can_undo
