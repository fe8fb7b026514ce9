"""Replaying a session: with the same model, another model, and other images."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sam_widget as sw
from sam_widget.model.sam import Sam
from sam_widget.model.tiny.tiny import tiny

LABEL = '<img src=x onerror=alert(1)> & "x"'


@pytest.fixture
def session(photo: np.ndarray, predictor: sw.Predictor) -> sw.Session:
    session = sw.Session(photo, model=predictor)
    session.adjust(specks=False)  # so that masks are those that the model predicts
    session.click(150, 120)
    session.choose(1)
    assert session.chosen is not max(session.candidates, key=lambda c: c.score)
    session.accept("ear")
    session.drag(100, 20, 300, 200)
    session.adjust(holes=30)
    session.brush([(100, 100), (120, 120)], 6)
    session.accept(LABEL)
    session.adjust(holes=0)
    session.click(200, 100)
    session.refine()
    session.accept("refined")
    return session


@pytest.fixture(scope="module")
def stranger() -> Sam:
    """Another model: the same architecture with random weights."""
    torch.manual_seed(0)
    return tiny()


def test_the_same_model_gives_the_same_masks(session: sw.Session, tmp_path: Path) -> None:
    session.save(tmp_path / "a.sam")
    for source in (tmp_path / "a.sam", str(tmp_path / "a.sam"), session):
        report = sw.replay(source)
        assert [row.label for row in report] == ["ear", LABEL, "refined"]
        assert [row.iou for row in report] == [1, 1, 1]
        assert report.mean_iou == 1
        assert all(row.score == pytest.approx(row.old_score) for row in report)
        assert not any(row.note for row in report)


def test_another_model_answers_the_same_prompts(session: sw.Session, stranger: Sam) -> None:
    state = session.state
    report = sw.replay(session, model=stranger)
    assert session.state is state
    expected = sw.Predictor(stranger)
    answer = expected.predict(expected.embed(session.image), points=[(150, 120)])
    first = report.rows[0]
    assert first.new_mask is not None
    # The second of three was chosen by hand, so the second of three it is, whatever the scores are now.
    np.testing.assert_array_equal(first.new_mask, answer.masks[1])
    union = (first.old_mask | first.new_mask).sum()
    assert first.iou == pytest.approx((first.old_mask & first.new_mask).sum() / union)
    assert (report.old_model, report.model) == ("tiny", "tiny")
    assert report.rows[2].note == "refined from its own mask"


def test_other_images_in_one_report(session: sw.Session, photo: np.ndarray, tmp_path: Path) -> None:
    larger = tmp_path / "larger.png"
    Image.fromarray(photo).resize((902, 600), Image.Resampling.LANCZOS).save(larger)
    report = sw.replay(session, image=[photo, larger, np.flip(photo, axis=1).copy()])
    assert [row.image for row in report][::3] == [
        "array 300x451x3",
        "larger.png",
        "array 300x451x3 (3)",
    ]
    same, scaled, flipped = report.rows[0:3], report.rows[3:6], report.rows[6:9]
    assert [row.iou for row in same] == [1, 1, 1]
    for row in scaled:
        assert row.new_mask is not None
        assert row.old_mask.shape == row.new_mask.shape == (600, 902)
    assert np.mean([row.iou for row in scaled if row.iou is not None]) > 0.6
    assert np.mean([row.iou for row in flipped if row.iou is not None]) < 0.9


def test_what_cannot_be_replayed_is_said(session: sw.Session) -> None:
    session.add_objects(np.eye(300, 451, dtype=bool), labels="stripe")
    session.merge([session.objects[0].id, session.objects[1].id], "both")
    session.click(60, 60)
    report = sw.replay(session)
    notes = {row.label: row.note for row in report}
    assert "no prompt" in notes["stripe"]
    assert "edited or imported" in notes["both"]
    by_label = {row.label: row for row in report}
    assert by_label["stripe"].iou is None
    assert by_label["(not accepted)"].iou == 1
    with pytest.raises(sw.SessionError, match="no object to replay"):
        sw.replay(sw.Session(session.image, model=session.predictor))
    with pytest.raises(sw.SessionError, match="no session file"):
        sw.replay("nothing.sam")
    with pytest.raises(sw.SessionError, match="cannot replay int"):
        sw.replay(3)


class Text(HTMLParser):
    """Which tags there are, and what stands in the cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_table_shows_text_as_text(session: sw.Session) -> None:
    report = sw.replay(session)
    page = Text()
    page.feed(report._repr_html_())
    assert page.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert LABEL in page.texts
    assert "mean IoU 1.000" in page.texts[0]
    lines = str(report).splitlines()
    assert len(lines) == 5
    ear = session.objects[0]
    score, area = f"{ear.score:.2f}", str(ear.area)
    assert lines[2].split()[-6:] == ["ear", "1.000", score, score, area, area]


def test_the_figure_shows_both(session: sw.Session, photo: np.ndarray) -> None:
    session.rename(session.objects[0].id, "$x_")
    figure = sw.replay(session, image=[photo, photo[::2, ::2]]).figure(width=6)
    assert len(figure.axes) == 4
    figure.canvas.draw()
    assert figure.axes[1].texts[0].get_text() == "$x_ 1.00"
    shown = figure.axes[0].images[0].get_array()
    assert (np.asarray(shown)[session.objects[0].mask] != photo[session.objects[0].mask]).any()
