"""`sw.show`: an image with masks that exist already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sam_widget as sw

CAT = sw.sample("cat")


def boxes() -> np.ndarray:
    masks = np.zeros((2, *CAT.shape[:2]), bool)
    masks[0, 20:60, 30:90] = True
    masks[1, 100:180, 40:200] = True
    return masks


def test_masks_become_objects_that_can_be_edited() -> None:
    w = sw.show(CAT, boxes(), labels=["ear", "face"])
    assert [(item.label, item.area) for item in w.objects] == [("ear", 40 * 60), ("face", 80 * 160)]
    w.edit(w.objects[0].id)
    w.brush([(60, 70)], radius=10, label=1)
    assert w.accept().area > 40 * 60
    w.close()


def test_a_label_map_and_no_masks() -> None:
    numbers = np.zeros(CAT.shape[:2], np.uint8)
    numbers[20:60, 30:90], numbers[100:180, 40:200] = 1, 7
    w = sw.show(CAT, numbers)
    assert [item.area for item in w.objects] == [40 * 60, 80 * 160]
    w.close()
    empty = sw.show(CAT)
    assert empty.objects == ()
    empty.close()


@pytest.mark.parametrize("name", ["masks.json", "masks.geojson", "masks.npz"])
def test_a_file_of_masks(tmp_path: Path, name: str) -> None:
    w = sw.show(CAT, boxes(), labels="box")
    w.export(tmp_path / name)
    again = sw.show(CAT, tmp_path / name)
    assert [(item.label, item.area) for item in again.objects] == [(item.label, item.area) for item in w.objects]
    w.close()
    again.close()


def test_masks_of_another_image_are_refused_and_leave_no_widget(tmp_path: Path) -> None:
    with pytest.raises(sw.SessionError, match="the masks are 5 x 4 pixels, but the image is 451 x 300"):
        sw.show(CAT, np.ones((4, 5), bool), autosave=tmp_path / "cat.sam")
    sw.show(CAT, autosave=tmp_path / "cat.sam").close()  # the file is not held by the refused widget
