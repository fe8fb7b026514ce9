"""Listing lessons, and copying one to work in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sam_widget as sw
from sam_widget.errors import SamWidgetError, StoreError
from sam_widget.teach import catalogue
from sam_widget.teach.catalogue import LESSONS


def test_the_table_lists_every_notebook_with_titles_and_minutes() -> None:
    table = sw.lessons()
    folder = Path(__file__).parents[2] / "notebooks"
    assert [one.name for one in table] == sorted(
        path.stem for path in folder.glob("*.ipynb") if ".zh-TW" not in path.name
    )
    for one in table:
        assert one.name in repr(table)
        assert one.title_zh in repr(table)
        assert f">{one.minutes}<" in table._repr_html_()


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
@pytest.mark.parametrize("lang", ["en", "zh-TW"])
def test_a_lessons_title_is_its_first_line(lesson: sw.teach.Lesson, lang: sw.teach.Lang) -> None:
    first = json.loads(lesson.path(lang).read_text(encoding="utf-8"))["cells"][0]["source"][0].strip()
    assert first == f"# {lesson.title if lang == 'en' else lesson.title_zh}"


def test_a_copy_is_made_and_never_overwritten(tmp_path: Path) -> None:
    copy = sw.lessons("01_quickstart", folder=tmp_path / "class")
    assert copy == tmp_path / "class" / "01_quickstart.ipynb"
    assert copy.read_bytes() == LESSONS[0].path().read_bytes()
    assert sw.lessons("01", folder=tmp_path / "class") == copy
    copy.write_text("my work", encoding="utf-8")
    with pytest.raises(StoreError, match=r"01_quickstart\.ipynb exists .* another folder="):
        sw.lessons("01_quickstart", folder=tmp_path / "class")
    assert copy.read_text(encoding="utf-8") == "my work"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_every_lesson_is_copied_in_traditional_chinese(lesson: sw.teach.Lesson, tmp_path: Path) -> None:
    copy = sw.lessons(lesson.name, lang="zh-TW", folder=tmp_path)
    assert copy.name == f"{lesson.name}.zh-TW.ipynb"
    assert lesson.title_zh in copy.read_text(encoding="utf-8")


def test_a_lesson_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "PLACES", (tmp_path / "nowhere",))
    with pytest.raises(StoreError, match=r"01_quickstart\.zh-TW\.ipynb is missing .* install sam_widget again"):
        sw.lessons("01", lang="zh-TW", folder=tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_lesson_that_does_not_exist_is_refused_with_the_names_of_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(SamWidgetError, match="'99_nothing'.*01_quickstart"):
        sw.lessons("99_nothing", folder=tmp_path)
    with pytest.raises(SamWidgetError, match="lang='fr'"):
        sw.lessons("01", lang="fr", folder=tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="file"):
        sw.lessons("01", folder=tmp_path / "file")
