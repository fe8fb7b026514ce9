"""Sizes and places choose one of several instances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.automatic.finding.embedded import EmbeddedFinder
from sam_widget.automatic.finding.finder import Instance
from sam_widget.automatic.finding.places import chosen_by_place
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.words import Order
from tests.finders import Squares


def order_in(word: str) -> Order:
    order = EmbeddedFinder().order(word)
    assert order is not None
    return order


def instance(name: str, x: int, y: int, side: int, word: str) -> Instance:
    mask = np.zeros((100, 100), bool)
    mask[y : y + side, x : x + side] = True
    return Instance(StoredMask(mask), 0.9, word, id=name)


@pytest.mark.parametrize(
    ("word", "chosen"),
    [
        ("largest cat", "big"),
        ("smallest cat", "dot"),
        ("left cat", "big"),
        ("cat on the right", "dot"),
        ("top cat", "mid"),
        ("bottom cat", "dot"),
        ("cat in the centre", "mid"),
        ("左邊的貓", "big"),
        ("最大的貓", "big"),
    ],
)
def test_one_is_chosen(word: str, chosen: str) -> None:
    ours = [instance("big", 0, 60, 30, word), instance("mid", 45, 20, 20, word), instance("dot", 95, 95, 5, word)]
    other = instance("dog", 50, 50, 9, "dog")
    assert [one.id for one in chosen_by_place([*ours, other], {word: order_in(word)})] == [chosen, "dog"]


def test_other_words_choose_nothing() -> None:
    ours = [instance("a", 0, 0, 5, "cat"), instance("b", 50, 0, 5, "cat")]
    assert chosen_by_place(ours, {}) == ours
    assert chosen_by_place(ours, {"left dog": "left"}) == ours
    assert EmbeddedFinder().order("cat") is None
    assert EmbeddedFinder().order("left") == "left"


class Placed(Squares):
    def order(self, word: str) -> Order | None:  # type: ignore[override]
        return "right" if word == "cat" else None


def test_any_finder_may_leave_the_choice_to_the_session(
    predictor: Predictor, photo: np.ndarray, tmp_path: Path
) -> None:
    finder = Placed("places")
    session = sw.Session(photo, model=predictor, autosave=tmp_path / "photo.sam")
    assert [one.id for one in session.find("cat", "cup", model=finder)] == ["2", "1"]
    assert [one.id for one in session.search.sift(0.1)] == ["2", "3"]  # type: ignore[union-attr]
    session.close()
    again = sw.Session.load(tmp_path / "photo.sam", model=predictor)
    assert [one.id for one in again.search or ()] == ["2", "3"]
    assert len(sw.Session(photo, model=predictor).find("cat", model=Squares("places"))) == 2
