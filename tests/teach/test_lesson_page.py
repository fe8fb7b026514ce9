"""Lessons as files: what is in them. `tests/browser/test_lesson_pages.py` opens them."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

import pytest

import sam_widget as sw
from sam_widget.errors import SamWidgetError, SessionError
from sam_widget.teach.lesson_page import PAGES, lesson_page
from sam_widget.teach.texts import Lang

MOST = {"04": 6e6, "05": 11e6, "06": 12e6}


@pytest.mark.parametrize("lang", ["en", "zh-TW"])
@pytest.mark.parametrize("lesson", PAGES)
def test_a_lesson_is_one_file_that_may_load_nothing(lesson: str, lang: Lang, tmp_path: Path) -> None:
    path = sw.save_lesson(tmp_path / "lesson.html", lesson=lesson, lang=lang)
    assert path.stat().st_size <= MOST[lesson]
    text = path.read_text("utf-8")
    assert f'<html lang="{lang}">' in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert policy
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}' 'wasm-unsafe-eval'"
    assert text.count("<script>") == 1
    assert len(re.findall(r"<h1>", text)) == 1
    assert "Apache License" in text


# What a reader of a page cannot do, by language: cells, kernels, keys and buttons of Jupyter, and training.
OF_NOTEBOOKS = {
    "en": r"\bcells?\b|kernel|this notebook|shift\W+enter|create new view|\brun the\b|press train|your own table",
    "zh-TW": r"[下第兩那][一二]?格|一格一格執行|執行下面|kernel|筆記本|shift\W+enter|create new view|按「訓練」",
}


@pytest.mark.parametrize("lang", ["en", "zh-TW"])
@pytest.mark.parametrize("lesson", PAGES)
def test_a_page_asks_for_nothing_that_only_a_notebook_can_do(lesson: str, lang: Lang) -> None:
    text = lesson_page(lesson, lang=lang)
    main = text[text.index("<main>") : text.index("</main>")]
    # Code is code, and pictures are not words.
    prose = re.sub(r'<pre.*?</pre>|src="[^"]*"', " ", main, flags=re.DOTALL)
    words = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", prose)).split())
    found = re.search(OF_NOTEBOOKS[lang], words, re.IGNORECASE)
    assert found is None, words[max(0, found.start() - 60) : found.end() + 60]


def test_what_trains_is_said_to_be_a_picture_next_to_it() -> None:
    text = lesson_page("06")
    captions = re.findall(r"<figure><img [^>]*><figcaption>(.*?)</figcaption></figure>", text, re.DOTALL)
    assert len(captions) == 2
    for caption in captions:
        assert caption.startswith("This is a picture of the last run, not a panel.")
        assert '<code>sw.lessons("06", lang="en")</code>' in html.unescape(caption)


def test_columns_of_what_was_printed_stay_in_line() -> None:
    printed = re.findall(r"<pre[^>]*>([^<]*score off by[^<]*)</pre>", lesson_page("06"))
    (table,) = printed
    head, first, *_ = table.splitlines()
    assert head.index("steps") + len("steps") == first.index("99") + len("99")


def test_answers_are_hidden_until_the_reader_looks() -> None:
    text = lesson_page("04_how_sam_works")
    shown = re.sub(r'<details class="lesson-reveal".*?</details>', "", text, flags=re.DOTALL)
    assert 'data-number="1" data-answer="B"' in text
    assert "You did not guess" not in shown.partition("<script")[0]
    assert len(re.findall(r'data-kind="ask"', text)) == 5


def test_what_cannot_be_a_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SamWidgetError, match="'07_train_your_own_sam' cannot be a page; those that can are 04"):
        sw.save_lesson(tmp_path / "07.html", lesson="07")
    with pytest.raises(SamWidgetError, match="there is no lesson named '44'; the lessons are 01_quickstart"):
        sw.save_lesson(tmp_path / "44.html", lesson="44")
    with pytest.raises(SamWidgetError, match="lang='fr'; give 'en' or 'zh-TW'"):
        sw.save_lesson(tmp_path / "04.html", lesson="04", lang="fr")  # type: ignore[arg-type]
    with pytest.raises(SessionError, match=r"'04.pdf' is not a name of a page; give one that ends in .html"):
        sw.save_lesson(tmp_path / "04.pdf", lesson="04")
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match="cannot be written"):
        sw.save_lesson(tmp_path / "file" / "04.html", lesson="04")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
