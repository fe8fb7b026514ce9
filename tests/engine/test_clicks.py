from __future__ import annotations

from pathlib import Path

import pytest

import sam_widget as sw
from sam_widget.session.session import Session
from tests.engine.cells import draw, folder


def test_clicks_are_counted_on_your_own_photos(tmp_path: Path) -> None:
    truth = folder(tmp_path, 2)
    told: list[tuple[int, int]] = []
    figures = sw.evaluate_clicks(
        "tiny", truth, images=tmp_path, progress=lambda done, total: told.append((done, total))
    )
    assert (figures.model, figures.photos, figures.masks) == ("tiny", 2, 10)
    assert figures.miou.keys() == {1, 3, 5}
    assert 0.4 < figures.miou[1] <= figures.miou[5] + 0.05
    assert 1 <= figures.noc85 <= figures.noc90 <= 20
    assert len(figures.clicks85) == 10
    assert figures.failed85 == pytest.approx(0, abs=0.11)
    assert told[-1] == (10, 10)
    assert "clicks to IoU 0.85" in repr(figures)
    assert "<td>10 in 2 photos</td>" in figures._repr_html_()


def test_a_session_is_evaluated_on_its_objects() -> None:
    picture, masks = draw(0)
    session = Session(picture)
    session.add_objects(masks[0])
    assert sw.evaluate_clicks("tiny", session).masks == 1
