"""Phrases that the embedded vocabulary understands, and those that it refuses."""

from __future__ import annotations

import pytest

from sam_widget.errors import PromptError
from sam_widget.prompts.words import MAX_LENGTH, vocabulary


@pytest.mark.parametrize(
    ("text", "noun", "colours", "order"),
    [
        ("cat", "cat", (), None),
        ("  Dogs ", "dog", (), None),
        ("the cat on the left", "cat", (), "left"),
        ("red cup", "cup", ("red",), None),
        ("black white cat", "cat", ("black", "white"), None),
        ("biggest gray dog", "dog", ("grey",), "largest"),
        ("mice", "mouse", (), None),
        # Names that begin with a colour stay names.
        ("red fox", "red fox", (), None),
        ("black swan", "black swan", (), None),
        ("orange", "orange", (), None),
        ("red thing", "", ("red",), None),
        ("blue", "", ("blue",), None),
        ("largest", "", (), "largest"),
        ("貓", "cat", (), None),
        ("左邊的貓", "cat", (), "left"),
        ("紅色的杯子", "cup", ("red",), None),
        ("白色狗", "dog", ("white",), None),
        # These begin with a colour's character, and are animals.
        ("紅毛猩猩", "orangutan", (), None),
        ("黑熊", "american black bear", (), None),
    ],
)
def test_a_phrase_is_a_noun_with_colours_and_a_place(
    text: str, noun: str, colours: tuple[str, ...], order: str | None
) -> None:
    phrase = vocabulary().parse(text)
    assert (phrase.noun, phrase.colours, phrase.order) == (noun, colours, order)
    assert bool(phrase.classes) == bool(noun)


def test_broader_terms_stand_for_all_their_classes() -> None:
    words = vocabulary()
    assert len(words.parse("dog").classes) == 118
    assert set(words.parse("dog").classes) < set(words.parse("animal").classes)
    assert [words.names[k] for k in words.parse("elephant").classes] == ["Indian elephant", "African elephant"]


@pytest.mark.parametrize("text", ["giraffe", "person", "red giraffe", "tree", "cell", "長頸鹿", "cat dog"])
def test_what_the_model_does_not_know_by_name_is_refused(text: str) -> None:
    with pytest.raises(PromptError, match="not one of the 1,000 things"):
        vocabulary().parse(text)


def test_a_refusal_lists_near_words() -> None:
    with pytest.raises(PromptError, match=r"'catt' is not .* near words: cat\b"):
        vocabulary().parse("catt")
    with pytest.raises(PromptError, match=r"^'a photo of a catt' is not"):
        vocabulary().parse(" a photo of a catt ")


@pytest.mark.parametrize("text", ["", "  ", "a the", "x" * (MAX_LENGTH + 1), None, 3])
def test_what_is_no_phrase_is_refused(text: object) -> None:
    with pytest.raises(PromptError, match="expected"):
        vocabulary().parse(text)  # type: ignore[arg-type]
