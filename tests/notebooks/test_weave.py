"""Notebooks are woven from one source of code, and prose in two languages that do not drift apart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from notebooks import weave
from sam_widget.teach.lesson_page import PAGES
from sam_widget.teach.texts import Lang

CODE = '# %% setup\nLANG = "en"\nimport numpy\n\n# %% do\nnumpy.zeros(3)\n'
ENGLISH = "# Title\n\nFirst\nparagraph.\n\n<!-- code: setup -->\n\nSecond.\n\n<!-- code: do -->\n"
CHINESE = "# 標題\n\n第一段。\n\n<!-- code: setup -->\n\n第二段。\n\n<!-- code: do -->\n"
BOTH = [(lesson, lang) for lesson in weave.lessons() for lang in weave.LANGUAGES]
IDS = [f"{lesson.stem}-{lang}" for lesson, lang in BOTH]


def test_cells_and_prose_are_woven() -> None:
    cells = json.loads(weave.woven(CODE, ENGLISH, "en"))["cells"]
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in cells] == [
        ("markdown", "# Title\n\nFirst\nparagraph."),
        ("code", 'LANG = "en"\nimport numpy'),
        ("markdown", "Second."),
        ("code", "numpy.zeros(3)"),
    ]


def test_the_translation_has_the_same_code_but_for_the_language_and_no_marks() -> None:
    cells = json.loads(weave.woven(CODE, weave.marked(ENGLISH, CHINESE), "zh-TW"))["cells"]
    assert ["".join(cell["source"]) for cell in cells] == [
        "# 標題\n\n第一段。",
        'LANG = "zh-TW"\nimport numpy',
        "第二段。",
        "numpy.zeros(3)",
    ]


def test_a_paragraph_that_changed_since_it_was_translated_is_named() -> None:
    translated = weave.marked(ENGLISH, CHINESE)
    assert weave.untranslated(ENGLISH, translated) == []
    assert weave.untranslated(ENGLISH.replace("First\nparagraph", "First paragraph"), translated) == []
    assert weave.untranslated(ENGLISH.replace("Second", "Another"), translated) == [
        "changed since it was translated: 'Another.'"
    ]
    assert weave.untranslated(ENGLISH, CHINESE), "unmarked"
    assert weave.untranslated(ENGLISH + "\nMore.\n", translated) == ["6 paragraphs in English, 5 translated"]
    assert weave.untranslated(ENGLISH, translated.replace("code: do", "code: something"))


def test_prose_that_omits_or_repeats_a_cell_is_refused() -> None:
    with pytest.raises(SystemExit, match="setup.*do"):
        weave.woven(CODE, ENGLISH.replace("<!-- code: do -->", ""), "en")
    with pytest.raises(SystemExit, match="expected each once"):
        weave.woven(CODE, ENGLISH + "\n<!-- code: do -->\n", "en")
    with pytest.raises(SystemExit, match="same name"):
        weave.code_cells(CODE + "# %% do\n1\n")


EITHER = "Guess, then <!-- notebook -->run the next cell<!-- page -->look below<!-- end -->."


@pytest.mark.parametrize(
    ("paragraph", "notebook", "page"),
    [
        (EITHER, "Guess, then run the next cell.", "Guess, then look below."),
        ("Read. <!-- notebook -->Run\nit.<!-- end -->", "Read. Run\nit.", "Read."),
        ("<!-- page -->Look.<!-- end --> Read.", "Read.", "Look. Read."),
        ("<!-- notebook -->Run.<!-- end -->", "Run.", ""),
        (f"{EITHER} <!-- page -->Look.<!-- end -->", "Guess, then run the next cell.", "Guess, then look below. Look."),
    ],
)
def test_words_can_belong_to_the_notebook_or_to_the_page(paragraph: str, notebook: str, page: str) -> None:
    assert (weave.read_as(paragraph, page=False), weave.read_as(paragraph, page=True)) == (notebook, page)


@pytest.mark.parametrize("mark", ["notebook", "page", "end"])
def test_a_part_that_does_not_begin_or_end_is_refused(mark: str) -> None:
    with pytest.raises(SystemExit, match=f"<!-- {mark} --> stands alone in the paragraph 'Some"):
        weave.read_as(f"Some <!-- {mark} -->words.", page=False)


def test_the_notebook_shows_its_own_words_and_keeps_those_of_the_page() -> None:
    prose = ENGLISH.replace("Second.", f"{EITHER}\n\n<!-- page -->More.<!-- end -->")
    first, _, second, _ = json.loads(weave.woven(CODE, prose, "en"))["cells"]
    assert first["metadata"] == {}
    assert second["source"] == ["Guess, then run the next cell."]
    assert second["metadata"] == {"sam_widget": {"page": ["Guess, then look below.\n", "\n", "More."]}}
    with pytest.raises(SystemExit, match=r"a cell would be empty in the notebook: 'More.'"):
        weave.woven(CODE, ENGLISH.replace("Second.", "<!-- page -->More.<!-- end -->"), "en")


@pytest.mark.parametrize("lesson", weave.lessons(), ids=lambda lesson: lesson.stem)
def test_both_languages_tell_notebook_and_page_apart_in_the_same_paragraphs(lesson: Path) -> None:
    english, chinese = (
        [
            weave.read_as(part, page=False) != weave.read_as(part, page=True)
            for part in weave.paragraphs(weave.prose_of(lesson, lang).read_text(encoding="utf-8"))
        ]
        for lang in weave.LANGUAGES
    )
    assert english == chinese
    # The other lessons cannot be pages.
    assert any(english) == (lesson.name[:2] in PAGES)


def test_a_translation_of_another_length_cannot_be_marked() -> None:
    with pytest.raises(SystemExit, match="6 paragraphs in English, 5 translated"):
        weave.marked(ENGLISH + "\nMore.\n", CHINESE)


def test_the_command_writes_notebooks_and_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weave, "HERE", tmp_path)
    for room in ("code", "prose", "teachers"):
        (tmp_path / room).mkdir()
    (tmp_path / "code" / "07_it.py").write_text(CODE, encoding="utf-8")
    for room in ("prose", "teachers"):
        (tmp_path / room / "07.en.md").write_text(ENGLISH, encoding="utf-8")
        (tmp_path / room / "07.zh-TW.md").write_text(CHINESE, encoding="utf-8")
    weave.main(["--mark-translated", "07"])
    assert {path.name for path in tmp_path.glob("*.ipynb")} == {"07_it.ipynb", "07_it.zh-TW.ipynb"}
    for room in ("prose", "teachers"):
        translated = (tmp_path / room / "07.zh-TW.md").read_text(encoding="utf-8")
        assert weave.untranslated(ENGLISH, translated) == []


@pytest.mark.parametrize("lang", weave.LANGUAGES)
def test_the_first_lesson_links_all_others(lang: Lang) -> None:
    first, *others = weave.lessons()
    text = weave.notebook_of(first, lang).read_text(encoding="utf-8")
    links = re.findall(r"\| \[(\d\d) [^\]]+\]\(([^)]+)\) \|", text)
    assert links == [(one.name[:2], weave.notebook_of(one, lang).name) for one in others]
    assert all((weave.HERE / name).is_file() for _, name in links)


def test_links_to_lessons_are_not_translated() -> None:
    english, chinese = (prose + "\n<!-- lessons -->\n" for prose in (ENGLISH, CHINESE))
    translated = weave.marked(english, chinese)
    assert weave.untranslated(english, translated) == []
    assert "05 點一下，三個遮罩](05_one_click_three_masks.zh-TW.ipynb)" in weave.woven(CODE, translated, "zh-TW")


@pytest.mark.parametrize(("lesson", "lang"), BOTH, ids=IDS)
def test_a_notebook_is_up_to_date(lesson: Path, lang: Lang) -> None:
    path = weave.notebook_of(lesson, lang)
    found = weave.without_outputs(json.loads(path.read_text(encoding="utf-8")))
    assert weave.as_text(found) == weave.weave(lesson, lang), f"{path.name} is stale: make notebooks"


@pytest.mark.parametrize("lesson", weave.lessons(), ids=lambda lesson: lesson.stem)
@pytest.mark.parametrize("room", ["prose", "teachers"])
def test_every_paragraph_is_translated(lesson: Path, room: str) -> None:
    english, chinese = (weave.prose_of(lesson, lang, room=room).read_text(encoding="utf-8") for lang in weave.LANGUAGES)
    assert weave.untranslated(english, chinese) == [], (
        f"translate them in {room}/, then: python notebooks/weave.py --mark-translated {lesson.name[:2]}"
    )


@pytest.mark.parametrize("lesson", weave.lessons(), ids=lambda lesson: lesson.stem)
def test_both_languages_run_the_same_cells(lesson: Path) -> None:
    english, chinese = (
        [
            "".join(cell["source"]).replace(weave.TRANSLATED, weave.ENGLISH)
            for cell in json.loads(weave.notebook_of(lesson, lang).read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "code"
        ]
        for lang in weave.LANGUAGES
    )
    assert english == chinese
    assert any(weave.ENGLISH in cell for cell in english), "panels need the language"


@pytest.mark.parametrize("lesson", weave.lessons(), ids=lambda lesson: lesson.stem)
@pytest.mark.parametrize("room", ["prose", "teachers"])
def test_bold_chinese_ends_before_its_punctuation(lesson: Path, room: str) -> None:
    """CommonMark does not end bold text between punctuation and a Chinese character."""
    parts = weave.prose_of(lesson, "zh-TW", room=room).read_text(encoding="utf-8").split("**")
    assert len(parts) % 2 == 1
    bold = zip(parts[1::2], parts[2::2], strict=True)
    assert [text for text, after in bold if text[-1] in "，。：；？！、」" and re.match(r"\w", after)] == []
