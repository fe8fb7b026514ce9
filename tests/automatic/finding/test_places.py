"""Sizes and places choose one of several instances."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.automatic.finding.finder import Instance
from sam_widget.automatic.finding.places import chosen_by_place, order_in
from sam_widget.masks.runs import StoredMask


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
    assert [one.id for one in chosen_by_place([*ours, other], [word, "dog"])] == [chosen, "dog"]


def test_other_words_choose_nothing() -> None:
    ours = [instance("a", 0, 0, 5, "cat"), instance("b", 50, 0, 5, "cat")]
    assert chosen_by_place(ours, ["cat"]) == ours
    assert chosen_by_place(ours, []) == ours
    assert order_in("nosuchword") is None
    assert order_in("left") == "left"
