"""What is done with what a search found: accept, refuse, refine, sift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam_widget.errors import PromptError, SessionError
from sam_widget.session.session import Session
from tests.finders import Squares


@pytest.fixture
def session(predictor: Any, photo: np.ndarray) -> Session:
    return Session(photo, model=predictor)


@pytest.fixture
def finder() -> Squares:
    return Squares()


def test_all_are_accepted_in_one_edit_with_their_words(session: Session, finder: Squares) -> None:
    found = session.find("cat", "cup", model=finder)
    added = found.accept()
    assert session.objects == added
    assert [item.label for item in added] == ["cat", "cup", "cat"]
    assert len({item.color for item in added}) == 3
    assert [item.score for item in added] == [0.9, 0.8, 0.6]
    assert session.search is None
    assert session.position == 2
    session.undo()
    assert session.objects == ()
    assert len(session.search or ()) == 3


def test_some_are_accepted_and_the_others_stay(session: Session, finder: Squares) -> None:
    found = session.find("cat", "cup", model=finder)
    assert [item.label for item in found.accept(found[1], label="mug")] == ["mug"]
    assert session.search is not None
    assert [one.id for one in session.search] == ["0", "1"]
    assert [item.score for item in found.accept("3")] == [0.2], "a faint one"
    session.search.accept(-1)
    assert [item.label for item in session.objects] == ["mug", "cat", "cat"]


def test_a_refused_one_is_a_counter_example(session: Session, finder: Squares) -> None:
    found = session.find("cat", model=finder).refuse(1)
    assert [one.id for one in found] == ["0"]
    assert [one.name for one in found.search.query.not_like] == ["cat"]
    found = found.refuse("0")
    assert list(found) == []
    assert session.position == 3
    session.undo()
    assert [one.id for one in session.search or ()] == ["0"]


def test_the_threshold_asks_the_finder_nothing(session: Session, finder: Squares, monkeypatch: Any) -> None:
    found = session.find("cat", model=finder)
    monkeypatch.setattr(finder, "find", None)
    assert [one.id for one in found.sift(0.7)] == ["0"]
    assert [one.id for one in found.sift(0.1, gesture="drag")] == ["0", "1", "3"]
    assert [one.id for one in found.sift(0.5, gesture="drag")] == ["0", "1"]
    assert session.position == 3
    for bad in (-0.1, 1.5, float("nan"), "half", True):
        with pytest.raises(PromptError, match="from 0 to 1"):
            found.sift(bad)  # type: ignore[arg-type]
    assert session.position == 3


def test_an_instance_is_refined_by_clicks(session: Session, finder: Squares) -> None:
    found = session.find("cat", model=finder)
    wanted = found[0]
    candidates = found.refine(0)
    assert session.chosen is not None
    assert np.array_equal(session.chosen.mask, wanted.mask), "the model's own mask is another one"
    assert session.prompt == wanted.prompt
    assert len(candidates) == 1
    session.click(25, 25)
    assert len(session.candidates) == 3
    accepted = session.accept()
    assert accepted.label == "cat"
    assert accepted.origin is None
    assert [one.id for one in session.search or ()] == ["1"], "it is a prompt now"
    session.click(100, 100)
    assert session.accept().label == "object 1"


def test_the_models_own_candidate_is_chosen_if_it_is_the_same(session: Session, finder: Squares) -> None:
    session.click(15, 20)
    own = session.candidates[1]
    session.undo()
    found = session.find("cat", model=finder)
    object.__setattr__(found[0], "stored", own.stored)
    candidates = found.refine(found[0])
    assert len(candidates) == 3
    assert session.state.chosen_index == 1


def test_a_search_that_ended_is_not_edited(session: Session, finder: Squares) -> None:
    found = session.find("cat", model=finder)
    found.close()
    found.close()
    assert session.position == 2
    for edit in (found.accept, lambda: found.refine(0), lambda: found.refuse(0), lambda: found.sift(0.1)):
        with pytest.raises(SessionError, match="'cat' has ended"):
            edit()
    session.find("cup", model=finder)
    with pytest.raises(SessionError, match="'cat' has ended"):
        found.accept()
    assert session.objects == ()


def test_there_must_be_something_to_accept(session: Session, finder: Squares) -> None:
    with pytest.raises(SessionError, match="no 'dog' above 0.50"):
        session.find("dog", model=finder).accept()
    found = session.find("cat", model=finder)
    with pytest.raises(SessionError, match="no instance 7 among 2"):
        found.accept(7)
    with pytest.raises(SessionError, match="no instance '2'"):
        found.accept("2")


def test_reprs_are_one_line(session: Session, finder: Squares) -> None:
    found = session.find("cat", model=finder)
    assert repr(found) == "Found(cat: 2)"
    assert repr(found[0]) == "Instance('cat', score 0.90, 400 of 451 x 300 pixels)"
    assert repr(found.accept(0)[0]) == "SegmentedObject('cat', score 0.90, 400 of 451 x 300 pixels)"
