"""Weave the lessons from code cells and prose, in both languages. `make notebooks` also runs them (`outputs.py`).

    python notebooks/weave.py                        # write every notebook
    python notebooks/weave.py --mark-translated 05   # its translation is up to date with the English

A lesson has one source of code, `code/NN_name.py`, in which `# %% name` begins a cell, and two of prose,
`prose/NN.en.md` and `prose/NN.zh-TW.md`, in which a line `<!-- code: name -->` says where a cell belongs, and `<!--
lessons -->` where a table with links to the other lessons does. Prose consists of paragraphs, separated by blank
lines. Each paragraph of a translation follows `<!-- en: 1a2b3c4d -->`, the hash of the English paragraph that it
translates: if the English changes, a test names the paragraph until it is translated again and marked. The teachers'
sheets, `teachers/NN.en.md` and `NN.zh-TW.md`, are checked in the same way.

A lesson can also be a page (`sw.save_lesson`), in which nothing is run. Words within a paragraph can belong to only one
of the two:

    Guess before you <!-- notebook -->run the next cell<!-- page -->open *What came out*<!-- end -->.

Either part may be missing: `<!-- notebook -->Press Shift+Enter.<!-- end -->`, `<!-- page -->It is below.<!-- end -->`.
The notebook shows its own words alone; where those of the page differ, they are in the cell's metadata.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from sam_widget.teach.catalogue import LESSONS
from sam_widget.teach.texts import Lang

HERE = Path(__file__).resolve().parent
LANGUAGES: tuple[Lang, ...] = ("en", "zh-TW")
# The only line of code that depends on the language.
ENGLISH, TRANSLATED = 'LANG = "en"', 'LANG = "zh-TW"'
_CELL = re.compile(r"^# %% (\S+)$", re.MULTILINE)
_CODE = re.compile(r"<!-- code: (\S+) -->")
_LESSONS = "<!-- lessons -->"
_EITHER = re.compile(
    r"<!-- notebook -->(?P<notebook>.*?)(?:<!-- page -->(?P<page>.*?))?<!-- end -->"
    r"|<!-- page -->(?P<only_page>.*?)<!-- end -->",
    re.DOTALL,
)
_PART = re.compile(r"<!-- (?:notebook|page|end) -->")
_MARK = re.compile(r"<!-- en: ([0-9a-f]{8}) -->\n")


def lessons() -> list[Path]:
    """Return the code of each lesson."""
    return sorted((HERE / "code").glob("*.py"))


def code_cells(source: str) -> dict[str, str]:
    """Split Python source into cells, by name."""
    _, *parts = _CELL.split(source)
    names, bodies = parts[::2], [body.strip() for body in parts[1::2]]
    if len(set(names)) < len(names):
        raise SystemExit(f"two cells have the same name: {names}")
    return dict(zip(names, bodies, strict=True))


def paragraphs(prose: str) -> list[str]:
    """Split prose into paragraphs."""
    return [part.strip() for part in re.split(r"\n\s*\n", prose.strip())]


def mark_of(paragraph: str) -> str:
    """Return the mark of a translation of this paragraph. Line breaks do not matter."""
    return hashlib.sha256(" ".join(paragraph.split()).encode()).hexdigest()[:8]


def unmarked(translated: str) -> str:
    """Return a translated paragraph without its mark."""
    return _MARK.sub("", translated)


def read_as(paragraph: str, *, page: bool) -> str:
    """Return a paragraph as a page has it, or a notebook; empty if it belongs to the other one.

    Raises:
        SystemExit: A mark begins nothing or ends nothing.
    """

    def part(found: re.Match[str]) -> str:
        return (found["page"] or found["only_page"] or "") if page else (found["notebook"] or "")

    chosen = _EITHER.sub(part, paragraph)
    if left := _PART.search(chosen):
        raise SystemExit(f"{left[0]} stands alone in the paragraph {paragraph.splitlines()[0]!r}")
    return chosen.strip()


def untranslated(english: str, translated: str) -> list[str]:
    """Return a line about each paragraph whose translation is missing or older than the English."""
    pairs = paragraphs(english), paragraphs(translated)
    if len(pairs[0]) != len(pairs[1]):
        return [f"{len(pairs[0])} paragraphs in English, {len(pairs[1])} translated"]
    wrong = []
    for ours, theirs in zip(*pairs, strict=True):
        mark = _MARK.match(theirs)
        if (theirs != ours) if _is_place(ours) else (mark is None or mark[1] != mark_of(ours)):
            wrong.append(f"changed since it was translated: {ours.splitlines()[0]!r}")
    return wrong


def marked(english: str, translated: str) -> str:
    """Return a translation with the marks of the English, paragraph by paragraph."""
    pairs = paragraphs(english), [unmarked(part) for part in paragraphs(translated)]
    if len(pairs[0]) != len(pairs[1]):
        raise SystemExit(f"{len(pairs[0])} paragraphs in English, {len(pairs[1])} translated; expected as many")
    parts = [
        theirs if _is_place(ours) else f"<!-- en: {mark_of(ours)} -->\n{theirs}"
        for ours, theirs in zip(*pairs, strict=True)
    ]
    return "\n\n".join(parts) + "\n"


def _is_place(paragraph: str) -> bool:
    """Return whether a paragraph stands for something that is woven in, and is not translated."""
    return paragraph == _LESSONS or _CODE.fullmatch(paragraph) is not None


def linked(lang: Lang) -> str:
    """Return a table in Markdown with a link to each lesson but the first, which has the table."""
    rows = ["| | min |" if lang == "en" else "| | 分鐘 |", "|---|---|"]
    for lesson in LESSONS[1:]:
        title = lesson.title if lang == "en" else lesson.title_zh
        rows.append(f"| [{lesson.name[:2]} {title}]({lesson.file(lang)}) | {lesson.minutes} |")
    return "\n".join(rows)


def woven(code: str, prose: str, lang: Lang) -> str:
    """Return a notebook, as JSON, in which each code cell occurs once.

    Raises:
        SystemExit: The prose omits a cell of code, repeats one or names one that does not exist.
    """
    cells = code_cells(code)
    named = _CODE.findall(prose)
    if sorted(named) != sorted(cells):
        raise SystemExit(f"the prose has the cells {named}, the code has {[*cells]}; expected each once")
    document: list[dict[str, Any]] = []
    texts: list[str] = []

    def close() -> None:
        if texts:
            shown, of_page = (_joined(texts, page=page) for page in (False, True))
            if not shown:
                raise SystemExit(f"a cell would be empty in the notebook: {of_page.splitlines()[0]!r}")
            cell = _cell("markdown", f"text-{len(document):02d}", shown)
            if of_page != shown:
                cell["metadata"] = {"sam_widget": {"page": of_page.splitlines(keepends=True)}}
            document.append(cell)
            texts.clear()

    for paragraph in paragraphs(prose):
        if name := _CODE.fullmatch(paragraph):
            close()
            source = cells[name[1]]
            document.append(_cell("code", name[1], source if lang == "en" else source.replace(ENGLISH, TRANSLATED)))
        else:
            texts.append(linked(lang) if paragraph == _LESSONS else unmarked(paragraph))
    close()
    notebook = {
        "cells": document,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return as_text(notebook)


def as_text(notebook: dict[str, Any]) -> str:
    """Return a notebook as its file has it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def without_outputs(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook without outputs and what says whose outputs they are."""
    cells = [
        {**cell, "execution_count": None, "outputs": []} if cell["cell_type"] == "code" else cell
        for cell in notebook["cells"]
    ]
    metadata = {key: value for key, value in notebook["metadata"].items() if key != "sam_widget"}
    return {**notebook, "cells": cells, "metadata": metadata}


def with_outputs(notebook: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook with the outputs that it had before, where the cell's code is the same."""
    had = {cell.get("id"): cell for cell in before["cells"] if cell["cell_type"] == "code"}
    cells = []
    for cell in notebook["cells"]:
        old = had.get(cell["id"])
        if old is not None and old["source"] == cell["source"]:
            cells.append({**cell, "execution_count": old["execution_count"], "outputs": old["outputs"]})
        else:
            cells.append(cell)
    ours = {key: value for key, value in before["metadata"].items() if key == "sam_widget"}
    return {**notebook, "cells": cells, "metadata": {**notebook["metadata"], **ours}}


def _joined(texts: list[str], *, page: bool) -> str:
    return "\n\n".join(filter(None, (read_as(text, page=page) for text in texts)))


def _cell(kind: str, name: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}, "source": source.splitlines(keepends=True)}
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}


def prose_of(lesson: Path, lang: str, *, room: str = "prose") -> Path:
    """Return the path of a lesson's prose, or of its teacher's sheet with `room="teachers"`."""
    return HERE / room / f"{lesson.name[:2]}.{lang}.md"


def notebook_of(lesson: Path, lang: Lang) -> Path:
    """Return the path of a woven notebook."""
    return HERE / (f"{lesson.stem}.ipynb" if lang == "en" else f"{lesson.stem}.{lang}.ipynb")


def weave(lesson: Path, lang: Lang) -> str:
    """Return a lesson's notebook as it should be."""
    return woven(lesson.read_text(encoding="utf-8"), prose_of(lesson, lang).read_text(encoding="utf-8"), lang)


def write_all() -> None:
    """Write each lesson's notebooks; outputs of code that did not change stay."""
    for lesson in lessons():
        for lang in LANGUAGES:
            path, text = notebook_of(lesson, lang), weave(lesson, lang)
            if path.exists():
                text = as_text(with_outputs(json.loads(text), json.loads(path.read_text(encoding="utf-8"))))
            path.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Read the command line and write notebooks or marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mark-translated", metavar="NN", nargs="+", default=[], help="numbers of lessons")
    given = parser.parse_args(arguments)
    for lesson in lessons():
        if lesson.name[:2] in given.mark_translated:
            for room in ("prose", "teachers"):
                path = prose_of(lesson, "zh-TW", room=room)
                english = prose_of(lesson, "en", room=room).read_text(encoding="utf-8")
                path.write_text(marked(english, path.read_text(encoding="utf-8")), encoding="utf-8")
    write_all()


if __name__ == "__main__":
    main(sys.argv[1:])
