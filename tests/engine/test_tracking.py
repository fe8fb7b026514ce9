from __future__ import annotations

from pathlib import Path

import pytest

from sam_widget.engine.journal import Journal
from sam_widget.engine.tracking import PAUSE, Tracker
from sam_widget.session.session import Session
from sam_widget.session.state import SegmentedObject
from tests.engine.cells import draw

PICTURE, MASKS = draw(0)


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.db")


def watched(journal: Journal, session: Session, clock: Clock) -> tuple[Tracker, list[tuple[object, object]]]:
    told: list[tuple[object, object]] = []

    def tell(before: SegmentedObject | None, after: SegmentedObject | None) -> None:
        told.append((before and before.id, after and after.id))

    tracker = Tracker(session, "a.png", journal, stage=lambda: 1, who="ada", clock=clock, told=tell)
    return tracker, told


def clicked(session: Session, number: int = 0) -> SegmentedObject:
    rows, columns = MASKS[number].nonzero()
    session.click(float(columns.mean()), float(rows.mean()))
    return session.accept()


def test_each_mask_is_written_down_with_its_clicks_and_seconds(journal: Journal) -> None:
    session, clock = Session(PICTURE), Clock()
    tracker, told = watched(journal, session, clock)
    clock.now = 7
    assert tracker.seconds == 7
    first = clicked(session)
    clock.now = 7 + PAUSE + 50  # a cup of coffee
    session.click(1.0, 1.0)
    session.click(2.0, 2.0, label=0)
    second = session.accept()
    one, two = journal.masks("a.png")
    assert (one.object, one.clicks, one.seconds, one.who, one.stage) == (first.id, 1, 7, "ada", 1)
    assert (two.object, two.clicks, two.seconds) == (second.id, 2, PAUSE)
    assert one.model == session.predictor.model.weights_id
    assert '"points":[[1.0,1.0,1],[2.0,2.0,0]]' in two.prompts
    assert told == [(None, first.id), (None, second.id)]


def test_undo_and_redo_are_followed(journal: Journal) -> None:
    session = Session(PICTURE)
    _, told = watched(journal, session, Clock())
    item = clicked(session)
    session.undo()
    assert [entry.gone for entry in journal.masks()] == [True]
    session.redo()
    assert [entry.gone for entry in journal.masks()] == [False]
    session.edit(item.id)
    session.click(1.0, 1.0, label=0)
    session.accept()
    assert len(journal.masks()) == 1
    assert told == [(None, item.id), (item.id, None), (None, item.id), (item.id, item.id)]


def test_what_was_done_while_nobody_watched_is_found_again(journal: Journal) -> None:
    session = Session(PICTURE)
    tracker, _ = watched(journal, session, Clock())
    lost = clicked(session)
    tracker.close()
    session.remove(lost.id)
    made = clicked(session, 1)
    assert [entry.object for entry in journal.masks()] == [lost.id]
    watched(journal, session, Clock())
    entries = {entry.object: entry for entry in journal.masks()}
    assert entries[lost.id].gone
    assert entries[made.id].seconds is None
