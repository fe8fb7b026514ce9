"""What published finders have in common."""

from __future__ import annotations

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.automatic.finding.finder import Example
from sam_widget.automatic.finding.published import outcome
from sam_widget.automatic.finding.published.outcome import (
    DUPLICATE,
    Scored,
    distinct,
    instance,
    likeness,
    tight_box,
)
from sam_widget.masks.runs import StoredMask


def block(x: int, y: int, side: int = 10) -> StoredMask:
    mask = np.zeros((40, 50), bool)
    mask[y : y + side, x : x + side] = True
    return StoredMask(mask)


def test_an_instance_is_identified_by_its_pixels() -> None:
    one, same, other = (instance(Scored(block(x, 4), 0.5), "cat") for x in (5, 5, 6))
    assert one.id == same.id != other.id
    assert one.prompt.box == sw.Box(5, 4, 15, 14)
    assert (one.word, one.score, one.area) == ("cat", 0.5, 100)


def test_the_best_of_several_words_is_kept() -> None:
    found = distinct(
        [(Scored(block(5, 5), 0.4), "cat"), (Scored(block(30, 5), 0.9), "cat"), (Scored(block(5, 5), 0.6), "dog")]
    )
    assert [(one.word, one.score) for one in found] == [("cat", 0.9), ("dog", 0.6)]


def test_duplicates_are_those_that_overlap_in_most_of_their_union() -> None:
    # A shift by one of ten columns: 90 pixels of 110; by two: 80 of 120.
    assert 80 / 120 < DUPLICATE < 90 / 110
    masks = {
        "best": (block(5, 5), 0.9),
        "shifted": (block(6, 5), 0.8),
        "further": (block(7, 5), 0.7),
        "inside": (block(6, 6, 5), 0.6),
        "apart": (block(30, 25), 0.5),
        "empty": (StoredMask(np.zeros((40, 50), bool)), 0.95),
    }
    found = distinct([(Scored(*scored), word) for word, scored in reversed(masks.items())])
    assert [one.word for one in found] == ["best", "further", "inside", "apart"]


def test_an_example_has_a_tight_box_in_this_image() -> None:
    assert tight_box(Example(stored=block(5, 4))) == (5, 4, 15, 14)
    with pytest.raises(sw.PromptError, match="'cat.jpg: cat' has no mask in this image"):
        tight_box(Example(features=np.ones(3, np.float32), name="cat.jpg: cat"))
    with pytest.raises(sw.PromptError, match="has no mask"):
        tight_box(Example(stored=StoredMask(np.zeros((40, 50), bool)), name="object 1"))


def test_likeness_is_none_for_what_is_unrelated() -> None:
    np.testing.assert_allclose(likeness(np.array([1.0, 0.75, 0.5, -1.0]), 0.5), [1, 0.5, 0, 0])


def test_no_more_than_a_limit_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "MOST", 2)
    found = distinct([(Scored(block(x, 0, 5), x / 50), "cat") for x in (0, 10, 20, 30)])
    assert [one.score for one in found] == [0.6, 0.4]


def test_a_prompt_is_kept() -> None:
    prompt = sw.Prompt(box=sw.Box(1, 2, 30, 31))
    assert instance(Scored(block(5, 4), 0.5, prompt), "cat").prompt == prompt
