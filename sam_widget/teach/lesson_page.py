"""Write a lesson as a page: one HTML file whose panels work without a kernel, a server or a network."""

from __future__ import annotations

import base64
import html
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from markdown_it import MarkdownIt
from PIL import Image

from sam_widget.atomic import write_whole
from sam_widget.errors import SamWidgetError, SessionError, door
from sam_widget.page.page import NOTICES, licence, sealed
from sam_widget.page.parts import bundled, packed, page_model
from sam_widget.page.photo import photo_of
from sam_widget.predictor.predictor import EmbeddingCache, Predictor
from sam_widget.session.session import Session
from sam_widget.teach.catalogue import Lesson, lesson_named
from sam_widget.teach.drawing import colour_map
from sam_widget.teach.lesson_cells import Cell, PanelCall, Picture, Source, cells_of
from sam_widget.teach.lesson_panels import PANELS, PagePhoto, mae_weights, panel_data, text_of
from sam_widget.teach.texts import TEXTS, Lang, check_lang, texts

# Lessons whose panels work in a page; the others need files, training or larger models.
PAGES = ("04", "05", "06")
_MAPS = ("viridis", "RdBu_r", "inferno")
_MAE_CARD = Path(__file__).resolve().parents[1] / "weights" / "mae.md"
# Finds the triangles of interpolation in lesson 06.
_DELAUNATOR = """\
delaunator (2026, Mapbox): ISC. robust-predicates (Vladimir Agafonkin): in the public domain.

The ISC licence: Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is
hereby granted, provided that the above copyright notice and this permission notice appear in all copies. THE SOFTWARE
IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED
WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR
CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF
CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS
SOFTWARE.

"""
_MARKDOWN = MarkdownIt("commonmark").enable("table")

_TEMPLATE = """\
<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
<details class="sam-page-about"><summary>{licences}</summary><pre>{notices}</pre><pre>{licence}</pre><pre>{card}</pre>
</details>
<script type="application/json" id="sam-about">{about}</script>
{data}
<script>{code}</script>
</body>
</html>
"""


@door
def save_lesson(path: str | Path, *, lesson: str, lang: Lang = "en") -> Path:
    """Write a lesson as one HTML file, which opens by a double click, and whose panels answer without a kernel.

    The page has the lesson's prose, its code with what it printed last, and its panels. What the panels show is
    computed in the browser: every step of `tiny`'s prompt encoder and mask decoder, or the masked autoencoder. A panel
    that trains a model is a picture of its last run.

    Args:
        path: Path of the file, such as "04.html"; an existing file is replaced.
        lesson: Name of a lesson, or its number: "04", "05" or "06".
        lang: "en" or "zh-TW".

    Returns:
        The path.

    Raises:
        SamWidgetError: There is no lesson of that name, it cannot be a page, or the language is neither "en" nor
            "zh-TW".
        SessionError: The file cannot be written, or the page's frontend was not built.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise SessionError(f"{path.name!r} is not a name of a page; give one that ends in .html")
    text = lesson_page(lesson, lang=lang)
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise SessionError(
            f"the page cannot be written to {str(path)!r} ({error.strerror or error}); choose another folder"
        ) from error
    return path


def lesson_page(lesson: str, *, lang: Lang = "en") -> str:
    """Return the HTML that `save_lesson` writes.

    Raises:
        SamWidgetError: See `save_lesson`.
    """
    check_lang(lang)
    found = lesson_named(lesson)
    if found.name[:2] not in PAGES:
        raise SamWidgetError(f"lesson {found.name!r} cannot be a page; those that can are {', '.join(PAGES)}")
    return _Writer(found, lang).page()


class _Writer:
    """Puts a page together: the cells first, which say what photos and panels it needs."""

    def __init__(self, lesson: Lesson, lang: Lang) -> None:
        self._lesson, self._lang, self._say = lesson, lang, texts(lang)
        self._predictor = Predictor("tiny", cache=EmbeddingCache())
        self._photos: dict[Source, PagePhoto] = {}
        self._panels: list[dict[str, Any]] = []

    def page(self) -> str:
        cells = cells_of(self._lesson.path(self._lang))
        body = "\n".join(part for cell in cells for part in self._parts(cell))
        for cell in cells:
            for photo in self._photos.values() if cell.click else ():
                photo.click = cell.click
        data = {"study": packed(bundled("study.js"))}
        cards = list[str]()
        for photo in [*self._photos.values()][:1]:
            model = page_model(self._predictor, photo.subject.photo)
            data |= model.data
            cards.append(model.card)
        if any(panel["kind"] == "HiddenPatches" for panel in self._panels):
            data["mae"] = packed(mae_weights())
            cards.append(_MAE_CARD.read_text(encoding="utf-8"))
        if any(photo.viewed for photo in self._photos.values()):
            data["code"] = packed(bundled("worker.js"))
        photos = []
        for number, photo in enumerate(self._photos.values()):
            about, parts = self._photo(photo)
            photos.append(about)
            data |= {f"{key}-{number}": value for key, value in parts.items()}
        column = 0 if self._lang == "en" else 1
        about = {"model": self._predictor.model.name, "photos": photos, "panels": self._panels}
        about |= {"texts": {key: text[column] for key, text in TEXTS.items()}}
        about |= {"maps": {name: text_of(colour_map(name)) for name in _MAPS}}
        return sealed(
            _TEMPLATE,
            code=bundled("lesson.js").decode(),
            about=about,
            data=data,
            lang=self._lang,
            title=html.escape(self._lesson.title if self._lang == "en" else self._lesson.title_zh),
            style=bundled("lesson.css").decode(),
            body=body,
            licences=html.escape(self._say("page.licences")),
            notices=html.escape(_DELAUNATOR + NOTICES),
            licence=html.escape(licence()),
            card=html.escape("\n".join(cards)),
        )

    def _parts(self, cell: Cell) -> list[str]:
        say = self._say
        if cell.code is None:
            head, rest = re.fullmatch(r"(# [^\n]*\n)?(.*)", cell.text, re.DOTALL).groups()  # type: ignore[union-attr]
            note = say("page.about", number=self._lesson.name[:2]) if head else ""
            return [_MARKDOWN.render(f"{head or ''}\n{note and f'*{note}*'}\n\n{rest}")]
        if cell.asks is not None:
            return [self._place({"kind": "ask", "photo": 0, **cell.asks})]
        if cell.shows_guesses:
            return [self._place({"kind": "table", "photo": 0})]
        parts = [f'<details class="lesson-code"><summary>{say("page.code")}</summary>{_pre(cell.code)}</details>']
        if cell.reveals is not None:
            return [*parts, self._revealed(cell)]
        working = [call for call in cell.panels if call.kind in PANELS]
        if working:
            return [*parts, *(self._place(panel_data(call, self._photos, self._predictor)) for call in working)]
        # A click is made in the page, too.
        if cell.text.strip() and cell.click is None:
            parts.append(_pre(cell.text))
        parts += [self._stored(picture, cell.panels) for picture in cell.pictures]
        return parts

    def _place(self, data: dict[str, Any]) -> str:
        """Return where a panel belongs in the page."""
        number, opening = len(self._panels), self._say("page.opening")
        self._panels.append(data)
        return f'<div class="lesson-panel" data-panel="{number}" data-kind="{data["kind"]}">{opening}</div>'

    def _revealed(self, cell: Cell) -> str:
        """Return a part that opens: what the cell printed, and the answer to a question."""
        answered = re.escape(self._say("guess.missing", number=cell.reveals, answer="@")).replace("@", "(.*)")
        found = re.search(answered, cell.text)
        printed = re.sub(answered, "", cell.text).strip("\n")
        answer, title = html.escape(found[1] if found else "…", quote=True), self._say("guess.answer")
        return (
            f'<details class="lesson-reveal" data-number="{cell.reveals}" data-answer="{answer}">'
            f"<summary>{title}</summary>{_pre(printed) if printed else ''}</details>"
        )

    def _stored(self, picture: Picture, panels: list[PanelCall]) -> str:
        data = base64.b64encode(picture.data).decode()
        name = html.escape(self._say("page.stored"), quote=True)
        shown = f'<img src="data:{picture.mime};base64,{data}" alt="{name}">'
        if not panels:
            return f"<p>{shown}</p>"
        call = html.escape(f'sw.lessons("{self._lesson.name[:2]}", lang="{self._lang}")')
        recorded = self._say("page.recorded", call=f"<code>{call}</code>")
        return f"<figure>{shown}<figcaption>{recorded}</figcaption></figure>"

    def _photo(self, photo: PagePhoto) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what a page knows of a photo, and its data."""
        session = Session(photo.subject.photo, model=self._predictor)
        if photo.click is not None:
            session.click(*photo.click)
        made = photo_of(session, "photo")
        shown = io.BytesIO()
        Image.fromarray(photo.subject.photo).save(shown, "PNG")
        parts = {"shown": packed(shown.getvalue()), "masks": packed(np.packbits(photo.masks).tobytes())}
        if photo.viewed:
            parts |= made.data
        else:
            parts["features"] = made.data["features"]
        session.close()
        return made.about | {"masks": len(photo.masks)}, parts


def _pre(text: str) -> str:
    # Long lines scroll, also by the keyboard.
    return f'<pre tabindex="0">{html.escape(text)}</pre>'
