"""The lessons as pages: each notebook with its stored outputs, the teachers' sheets, and lists with a picture each."""

from __future__ import annotations

import io
import json
import posixpath
import re
from base64 import b64decode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter
from PIL import Image

from notebooks import weave
from sam_widget.teach.lesson_page import PAGES, lesson_page
from sam_widget.teach.texts import Lang

NOTEBOOKS = Path(__file__).resolve().parents[1]
SUFFIXES: dict[Lang, str] = {"en": "", "zh-TW": ".zh-TW"}
# Width to height, of a picture that fills too little of a card.
WIDE = 2.5
# In an index page, where the list of lessons belongs.
LIST = "<!-- lessons -->"
WORDS = {
    "en": {
        "teachers": "For teachers",
        "other": "繁體中文",
        "live": "Try it here, without a kernel",
        "copy": 'This page shows the notebook as last run. To work in it: `sw.lessons("{number}", lang="{lang}")`',
    },
    "zh-TW": {
        "teachers": "給老師",
        "other": "English",
        "live": "在這裡直接動手，不需要 kernel",
        "copy": '這一頁是筆記本上次執行的結果。要自己動手：`sw.lessons("{number}", lang="{lang}")`',
    },
}


@dataclass(frozen=True)
class Lesson:
    """A notebook in one language."""

    path: Path
    name: str
    lang: Lang

    @property
    def page(self) -> str:
        """Its address in the site."""
        return f"lessons/{self.name}{SUFFIXES[self.lang]}.md"

    @property
    def sheet(self) -> tuple[Path, str] | None:
        """The teachers' sheet and its address, if there is one."""
        path = NOTEBOOKS / "teachers" / f"{self.name[:2]}.{self.lang}.md"
        return (path, f"lessons/{self.name[:2]}_teachers{SUFFIXES[self.lang]}.md") if path.exists() else None

    @property
    def live(self) -> str | None:
        """The address of the lesson as a page that works without a kernel, if it can be one."""
        number = self.name[:2]
        return f"lessons/live/{number}{SUFFIXES[self.lang]}.html" if number in PAGES else None

    @property
    def document(self) -> dict[str, Any]:
        """The notebook."""
        found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return found

    @property
    def title(self) -> str:
        """The heading of its first cell."""
        return "".join(self.document["cells"][0]["source"]).splitlines()[0].lstrip("# ")

    @property
    def summary(self) -> str:
        """The first paragraph after the title, without links."""
        paragraphs = weave.paragraphs("\n\n".join("".join(cell["source"]) for cell in self.document["cells"][:2]))
        text = " ".join(paragraphs[1].split()) if len(paragraphs) > 1 else ""
        return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)

    @property
    def picture(self) -> tuple[str, bytes] | None:
        """The name and the bytes of its most detailed picture that is not too wide for a card, if any is stored."""
        found = [
            (kind.removeprefix("image/"), b64decode("".join(value)))
            for cell in self.document["cells"]
            for output in cell.get("outputs", [])
            for kind, value in output.get("data", {}).items()
            if kind in ("image/png", "image/jpeg")
        ]
        if not found:
            return None
        kind, content = max(found, key=lambda one: (_width_to_height(one[1]) < WIDE, len(one[1])))
        return f"lessons/{self.name}{SUFFIXES[self.lang]}/picture.{kind}", content


def lessons(lang: Lang) -> list[Lesson]:
    """Return the lessons that exist in a language."""
    suffix = SUFFIXES[lang]
    paths = sorted(NOTEBOOKS.glob(f"[0-9][0-9]_*{suffix}.ipynb"))
    names = [path.name.removesuffix(f"{suffix}.ipynb") for path in paths]
    return [Lesson(path, name, lang) for path, name in zip(paths, names, strict=True) if "." not in name]


def sources() -> dict[str, Path]:
    """Return where each page comes from."""
    found = {}
    for lesson in (lesson for lang in SUFFIXES for lesson in lessons(lang)):
        found[lesson.page] = lesson.path
        if lesson.sheet:
            path, page = lesson.sheet
            found[page] = path
    return found


def _width_to_height(content: bytes) -> float:
    with Image.open(io.BytesIO(content)) as picture:
        return picture.width / picture.height


@cache
def exporter() -> MarkdownExporter:
    """Return what turns notebooks into Markdown."""
    return MarkdownExporter()


def add_to(files: Files, config: MkDocsConfig) -> None:
    """Add the pages and their pictures to the site."""
    for lesson in (lesson for lang in SUFFIXES for lesson in lessons(lang)):
        folder = lesson.page.removesuffix(".md")
        notebook = nbformat.reads(lesson.path.read_text(encoding="utf-8"), as_version=4)
        body, resources = exporter().from_notebook_node(
            notebook, {"output_files_dir": posixpath.basename(folder), "unique_key": "output"}
        )
        for name, content in resources["outputs"].items():
            files.append(File.generated(config, f"lessons/{name}", content=content))
        title, _, rest = body.strip().partition("\n")
        files.append(File.generated(config, lesson.page, content=f"{title}\n\n{_links(lesson)}\n\n{rest}"))
        if lesson.live:
            files.append(File.generated(config, lesson.live, content=lesson_page(lesson.name, lang=lesson.lang)))
        if lesson.picture:
            files.append(File.generated(config, lesson.picture[0], content=lesson.picture[1]))
        if lesson.sheet:
            path, page = lesson.sheet
            text = "\n\n".join(weave.unmarked(part) for part in weave.paragraphs(path.read_text(encoding="utf-8")))
            # Python-Markdown reads Markdown inside HTML only where it is told to.
            files.append(File.generated(config, page, content=text.replace("<details>", '<details markdown="1">')))


def _links(lesson: Lesson) -> str:
    """Return what stands below a lesson's title."""
    words = WORDS[lesson.lang]
    other = next((one for lang in SUFFIXES for one in lessons(lang) if one.name == lesson.name and one != lesson), None)
    links = [f"[{words['other']}]({posixpath.basename(other.page)})"] if other else []
    if lesson.live:
        links.insert(0, f"[{words['live']}]({posixpath.relpath(lesson.live, 'lessons')})")
    if lesson.sheet:
        links.append(f"[{words['teachers']}]({posixpath.basename(lesson.sheet[1])})")
    copy = words["copy"].format(number=lesson.name[:2], lang=lesson.lang)
    return " · ".join([copy.replace(', lang="en"', ""), *links])


def nav() -> list[dict[str, Any]]:
    """Return the entries of the section, after its index."""
    chinese = lessons("zh-TW")
    sheets = [
        {f"{lesson.name[:2]} {lesson.title}": lesson.sheet[1]}
        for lang in SUFFIXES
        for lesson in lessons(lang)
        if lesson.sheet
    ]
    return [
        *({lesson.title: lesson.page} for lesson in lessons("en")),
        {"繁體中文": ["lessons/index.zh-TW.md", *({lesson.title: lesson.page} for lesson in chinese)]},
        {"For teachers": sheets},
    ]


def listed(lang: str) -> str:
    """Return the list of lessons, with a picture each."""
    parts = []
    for lesson in lessons(lang):
        name = posixpath.basename(lesson.page)
        links = [f"[{WORDS[lang]['teachers']}]({posixpath.basename(lesson.sheet[1])})"] if lesson.sheet else []
        picture = (
            f"[![]({lesson.picture[0].removeprefix('lessons/')}){{ loading=lazy }}]({name})" if lesson.picture else ""
        )
        text = "\n\n".join([f"**[{lesson.name[:2]} {lesson.title}]({name})**", picture, lesson.summary, *links])
        parts.append("-   " + text.replace("\n", "\n    "))
    return '<div class="grid cards lessons" markdown>\n\n' + "\n\n".join(parts) + "\n\n</div>"
