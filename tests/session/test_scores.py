"""Masks that no model scored have no score: in sessions, files, scripts, reports, exports and the view's state."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.widget.sam_widget import SamWidget


def blob(top: int) -> np.ndarray:
    mask = np.zeros((300, 451), bool)
    mask[top : top + 40, 50:120] = True
    return mask


@pytest.fixture
def session(photo: np.ndarray, predictor: sw.Predictor) -> sw.Session:
    """Objects with a score, without one, with a given one, and merged."""
    session = sw.Session(photo, model=predictor)
    session.click(150, 120)
    session.accept("cat")
    session.add_objects(blob(10), labels="imported")
    session.add_objects(sw.Annotation("scored", sw.StoredMask(blob(60)), 0.25))
    session.add_objects([blob(110), blob(200)], labels=["a", "b"])
    session.merge([session.objects[-2].id, session.objects[-1].id], "merged")
    return session


def scores(objects: tuple[sw.SegmentedObject, ...]) -> list[float | None]:
    return [item.score for item in objects]


def test_only_what_a_model_or_a_file_scored_has_a_score(session: sw.Session, tmp_path: Path) -> None:
    cat = session.objects[0].score
    expected = [cat, None, 0.25, None]
    assert scores(session.objects) == expected
    session.save(tmp_path / "a.sam")
    loaded = sw.Session.load(tmp_path / "a.sam", model=session.predictor)
    assert scores(loaded.objects) == expected
    names: dict[str, sw.Session] = {}
    exec(session.to_code(), names)  # noqa: S102  it is our own
    assert scores(names["s"].objects) == [pytest.approx(cat), *expected[1:]]
    table = str(sw.replay(session))
    assert "imported" in table
    loaded.edit(loaded.objects[1].id)
    assert repr(loaded.chosen).startswith("Candidate(no score, ")
    loaded.refine()
    assert loaded.accept().score is not None, "the model answered"


def test_merging_scored_objects_leaves_no_score(photo: np.ndarray, predictor: sw.Predictor) -> None:
    session = sw.Session(photo, model=predictor)
    for x in (150, 300):
        session.click(x, 120)
        session.accept()
    assert session.merge([item.id for item in session.objects]).score is None


def test_exports_have_no_score_either(session: sw.Session, tmp_path: Path) -> None:
    session.export(tmp_path / "a.json", format="coco")
    entries = json.loads((tmp_path / "a.json").read_text())["annotations"]
    assert ["score" in entry for entry in entries] == [True, False, True, False]
    again = sw.load_masks(tmp_path / "a.json")
    assert [item.score for item in again][1::2] == [None, None]
    session.export(tmp_path / "a.csv")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 5


def test_a_view_gets_null(session: sw.Session) -> None:
    widget = SamWidget(session.image, model=session.predictor)
    try:
        widget.session.add_objects(blob(10), labels="imported")
        assert [item["score"] for item in widget.state["objects"]] == [None]
        widget.session.edit(widget.objects[0].id)
        assert [item["score"] for item in widget.state["candidates"]] == [None]
        assert widget.score is None
    finally:
        widget.close()
