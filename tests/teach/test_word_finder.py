"""Words, examples and thresholds on the masks of a photo."""

from __future__ import annotations

import pytest

import sam_widget as sw
from sam_widget.errors import PromptError
from sam_widget.teach.word_finder import WordFinder


@pytest.fixture(scope="module")
def panel() -> WordFinder:
    return sw.teach.WordFinder(sw.sample("coffee"), words="cup, spoon")


def test_words_are_found_and_the_threshold_asks_for_nothing_new(panel: WordFinder) -> None:
    assert [one.word for one in panel.found] == ["cup"]
    assert "Found: 1." in panel.note.text
    before, chart, searched = panel.photo.pixels, panel.chart.pixels, panel.found.search.instances
    panel.threshold.value = 0.95
    assert len(panel.found) == 0
    assert f"the best score is {searched[0].score:.2f}, the threshold 0.95" in panel.note.text
    assert panel.found.search.instances is searched
    assert (panel.photo.pixels != before).any()
    assert (panel.chart.pixels != chart).any()
    panel.threshold.value = 0.7
    assert (panel.photo.pixels == before).all()


def test_a_word_that_is_not_known_is_named_with_similar_ones_and_changes_nothing(panel: WordFinder) -> None:
    found = panel.found
    panel.words.value = "cup, teaspoon"
    assert panel.note.text == "“teaspoon” is not in the vocabulary. Near: spoon."
    assert panel.found is found
    panel.words.value = "藍色的杯子"
    assert panel.note.text == "Nothing found: no mask could be it."
    panel.words.value = "紅色的杯子，湯匙"
    assert [one.word for one in panel.found] == ["紅色的杯子"]
    with pytest.raises(PromptError, match="teaspoon"):
        sw.teach.WordFinder(sw.sample("coffee"), words="teaspoon")


def test_a_selected_mask_becomes_an_example(panel: WordFinder) -> None:
    panel.words.value = "thing"
    panel.like()
    assert panel.words.value == "thing", "nothing is selected"
    panel.choose_at(580, 30)
    assert panel.chosen is not None
    example = panel.chosen
    assert example.mask[30, 580]
    assert f"Selected: score {example.score:.2f}." in panel.here.text
    panel.like()
    best = panel.found.search.instances[0]
    assert panel.words.value == ""
    assert "Examples: 1; counter-examples: 0." in panel.here.text
    assert best.id == example.id, "it resembles itself most"
    panel.choose_at(580, 30)
    panel.not_like()
    assert example.id not in {one.id for one in panel.found.search.instances}
    panel.forget()
    assert panel.words.value == "thing"
    assert example.id in {one.id for one in panel.found.search.instances}


def test_a_counter_example_of_the_only_find_leaves_nothing() -> None:
    panel = sw.teach.WordFinder(sw.sample("coffee"), words="cup", lang="zh-TW")
    assert "找到 1 個" in panel.note.text
    panel.chosen = panel.found[0]
    panel.not_like()
    assert len(panel.found) == 0
    assert panel.note.text.startswith("什麼都沒找到")
    assert "反例：1 個" in panel.here.text
