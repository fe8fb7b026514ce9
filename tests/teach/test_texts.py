"""The texts of panels: all in both languages, with the same blanks."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from sam_widget.errors import SamWidgetError
from sam_widget.teach.texts import TEXTS, texts

ROOM = Path(__file__).parents[2] / "sam_widget" / "teach"


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_has_the_same_blanks_in_both_languages(key: str) -> None:
    english, chinese = ({field for _, field, _, _ in Formatter().parse(text) if field} for text in TEXTS[key])
    assert english == chinese
    assert re.search(r"[\u4e00-\u9fff]", TEXTS[key][1]), "Chinese"


def test_every_text_is_used() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in ROOM.glob("*.py") if not path.name.startswith("texts")
    )
    prefixes = set(re.findall(r"""f["']([a-z_]+\.[a-z_]*)\{""", source))
    unused = {key for key in TEXTS if f'"{key}"' not in source and not any(key.startswith(part) for part in prefixes)}
    assert unused == set()


def test_a_text_is_filled_in() -> None:
    assert texts("en")("guess.row", number=2, guess="A", answer="B") == "Question 2: you guessed A; it is B."
    assert texts("zh-TW")("guess.kept", guess="A").startswith("記下來了：A")
    with pytest.raises(SamWidgetError, match="zh-CN"):
        texts("zh-CN")  # type: ignore[arg-type]


def test_no_file_of_texts_replaces_texts_of_another() -> None:
    sources = [path.read_text(encoding="utf-8") for path in ROOM.glob("texts*.py")]
    keys = [
        key for source in sources for key in re.findall(r'^    "([a-z_0-9]+\.[a-z_0-9]+)": \(', source, re.MULTILINE)
    ]
    assert len(keys) == len(set(keys)) == len(TEXTS)
