from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_widget.engine.taught import TaughtMask, TaughtPhoto, readable, taught_photos
from sam_widget.errors import ImageError, MaskError, SessionError
from sam_widget.masks.runs import StoredMask
from sam_widget.session.session import Session
from tests.engine.cells import draw, folder

PICTURE, MASKS = draw(0)


def session(path: Path | None = None) -> Session:
    s = Session(PICTURE, autosave=path)
    y, x = np.argwhere(MASKS[0]).mean(0)
    s.click(float(x), float(y))
    s.click(1.0, 1.0, label=0)
    s.accept("cell")
    s.add_objects(MASKS[1])
    return s


def test_a_session_teaches_its_objects_and_the_clicks_that_led_to_them() -> None:
    (photo,) = taught_photos(session())
    clicked, imported = photo.masks
    assert clicked.prompt is not None
    assert [point.label for point in clicked.prompt.points] == [1, 0]
    assert imported.prompt is None
    np.testing.assert_array_equal(imported.stored.array, MASKS[1])
    np.testing.assert_array_equal(photo.read(), PICTURE)


def test_session_files_and_folders_of_them_are_read(tmp_path: Path) -> None:
    session(tmp_path / "one.sam").close()
    for given in (tmp_path, tmp_path / "one.sam", [str(tmp_path / "one.sam")]):
        (photo,) = taught_photos(given)
        assert len(photo.masks) == 2
        np.testing.assert_array_equal(photo.read(), PICTURE)


def test_masks_are_given_by_file_name(tmp_path: Path) -> None:
    truth = folder(tmp_path, 2)
    labels = sum(number * mask for number, mask in enumerate(truth["cells-001.png"], 1))
    photos = taught_photos(
        {"cells-000.png": np.stack(truth["cells-000.png"]), "cells-001.png": labels}, images=tmp_path
    )
    assert [len(photo.masks) for photo in photos] == [len(masks) for masks in truth.values()]
    one = taught_photos({tmp_path / "cells-000.png": truth["cells-000.png"][0]})
    assert len(one[0].masks) == 1


def test_what_cannot_be_taught_says_why(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="accept some objects first"):
        taught_photos(Session(PICTURE))
    with pytest.raises(SessionError, match="no file or folder"):
        taught_photos(tmp_path / "nowhere")
    with pytest.raises(SessionError, match="expected sessions"):
        taught_photos([3])  # type: ignore[list-item]
    folder(tmp_path, 1)
    with pytest.raises(MaskError, match="is 5 x 4 pixels, but the photo is 192 x 192"):
        taught_photos({"cells-000.png": np.ones((4, 5), bool)}, images=tmp_path)
    with pytest.raises(ImageError):
        taught_photos({"gone.png": np.ones((4, 5), bool)}, images=tmp_path)


def test_a_photo_that_cannot_be_read_is_passed_over() -> None:
    def gone() -> np.ndarray:
        raise ImageError("it is gone")

    masks = (TaughtMask(StoredMask(MASKS[0].copy())),)
    read, failed = readable([TaughtPhoto("a", gone, masks), TaughtPhoto("b", lambda: PICTURE, masks)])
    assert [photo.name for photo, _ in read] == ["b"]
    assert failed == ["a: it is gone"]
