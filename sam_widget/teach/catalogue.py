"""The lessons that come with the package: a table, and copies to work in."""

from __future__ import annotations

import html
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from sam_widget.errors import SamWidgetError, StoreError, door
from sam_widget.teach.texts import Lang, check_lang

PACKAGE = Path(__file__).resolve().parents[1]
# In a wheel; in a checkout they are next to the package.
PLACES = (PACKAGE / "teach" / "notebooks", PACKAGE.parent / "notebooks")


@dataclass(frozen=True)
class Lesson:
    """A notebook to learn from.

    Attributes:
        name: The argument of `lessons`.
        title: Title in English.
        title_zh: Title in Traditional Chinese.
        minutes: How long a student takes.
    """

    name: str
    title: str
    title_zh: str
    minutes: int

    def file(self, lang: Lang = "en") -> str:
        """Return the name of the notebook in a language."""
        return f"{self.name}.ipynb" if lang == "en" else f"{self.name}.{lang}.ipynb"

    def path(self, lang: Lang = "en") -> Path:
        """Return the notebook that comes with the package.

        Raises:
            StoreError: This installation does not have it.
        """
        found = next((place / self.file(lang) for place in PLACES if (place / self.file(lang)).is_file()), None)
        if found is None:
            raise StoreError(f"{self.file(lang)} is missing from {PLACES[0]}; install sam_widget again")
        return found


LESSONS = (
    Lesson("01_quickstart", "Segment anything, in this cell", "在這一格裡分割任何東西", 10),
    Lesson("02_label_a_folder", "Label a folder", "標註一整個資料夾", 15),
    Lesson("03_data_engine", "The data engine", "資料引擎", 15),
    Lesson("04_how_sam_works", "How Segment Anything works", "Segment Anything 怎麼運作", 15),
    Lesson("05_one_click_three_masks", "One click, three masks", "點一下，三個遮罩", 15),
    Lesson("06_mae", "Learning without labels: masked autoencoders", "不用標註也能學：遮罩自編碼器", 15),
    Lesson("07_train_your_own_sam", "Train your own Segment Anything", "訓練你自己的 Segment Anything", 15),
    Lesson("08_compare", "Which model is better?", "哪個模型比較好？", 15),
    Lesson("09_words", "Words as prompts", "用文字當提示", 15),
)


class LessonTable(tuple[Lesson, ...]):
    """The lessons; prints as a table, and is one in a notebook."""

    __slots__ = ()

    def _cells(self) -> list[list[str]]:
        head = ["name", "title", "標題", "min"]
        return [head, *([one.name, one.title, one.title_zh, str(one.minutes)] for one in self)]

    def __repr__(self) -> str:
        """Return the table as columns of text."""
        lines = self._cells()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    def _repr_html_(self) -> str:
        head, *rows = (
            "".join(f"<{tag} style='text-align:left'>{html.escape(cell)}</{tag}>" for cell in line)
            for tag, line in zip(["th", *["td"] * len(self)], self._cells(), strict=True)
        )
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


@overload
def lessons(name: None = None) -> LessonTable: ...


@overload
def lessons(name: str, *, lang: Lang = "en", folder: str | Path = ".") -> Path: ...


@door
def lessons(name: str | None = None, *, lang: Lang = "en", folder: str | Path = ".") -> LessonTable | Path:
    """List the lessons, or copy one to work in.

    Args:
        name: Name of a lesson, such as "01_quickstart", or its number, "01"; None lists them all.
        lang: "en" or "zh-TW".
        folder: Where to put the copy.

    Returns:
        The table of lessons, or the path of the copy. An unchanged copy that is already there is returned.

    Raises:
        SamWidgetError: There is no lesson of that name, or the language is neither "en" nor "zh-TW".
        StoreError: A different file of that name exists, which is never overwritten, the copy cannot be written, or the
            lesson is missing from the installation.
    """
    check_lang(lang)
    if name is None:
        return LessonTable(LESSONS)
    source = lesson_named(name).path(lang)
    target = Path(folder).expanduser() / source.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # "x" fails if the file exists.
        with source.open("rb") as read, target.open("xb") as written:
            shutil.copyfileobj(read, written)
    except FileExistsError:
        if target.is_file() and target.read_bytes() == source.read_bytes():
            return target
        raise StoreError(f"{target} exists and may contain your work; move it, or give another folder=") from None
    except OSError as error:
        raise StoreError(
            f"the lesson cannot be written to {target} ({error.strerror or error}); give another folder="
        ) from error
    return target


def lesson_named(name: str) -> Lesson:
    """Return a lesson by its name, such as "01_quickstart", or its number, "01".

    Raises:
        SamWidgetError: There is no lesson of that name.
    """
    lesson = next((one for one in LESSONS if name in (one.name, one.name.partition("_")[0])), None)
    if lesson is None:
        raise SamWidgetError(
            f"there is no lesson named {name!r}; the lessons are {', '.join(one.name for one in LESSONS)}"
        )
    return lesson
