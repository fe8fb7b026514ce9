"""Write a session as a page: one HTML file that hovers, clicks and scores without a kernel, a server or a network."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import itertools
import json
import re
import warnings
from collections.abc import Collection, Iterable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_widget.atomic import write_whole
from sam_widget.errors import SessionError
from sam_widget.page.parts import PageModel, bundled, packed, page_model
from sam_widget.page.parts import any_photo as any_photo_model
from sam_widget.page.photo import PagePhoto, local_predictor, photo_of
from sam_widget.session.session import Session
from sam_widget.text import clean

if TYPE_CHECKING:
    from sam_widget.predictor.in_view import ViewPredictor
    from sam_widget.predictor.predictor import Predictor

_PACKAGE = Path(__file__).resolve().parents[1]
# Bytes of a page: from the first on there is a warning; the second is also the most that a file on GitHub may have.
LARGE, MOST = 25_000_000, 100_000_000

_TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header class="sam-page-head">
<h1>{title}</h1>
{opens}<button type="button" id="sam-continue" title="{hint}">Continue in Jupyter</button>
</header>
<main id="sam-view">Opening…</main>
<details class="sam-page-about"><summary>About this page</summary>
<p>Made with sam_widget. It works without a network and sends nothing. {use}</p>
<h2>Licences</h2><pre>{notices}</pre><pre>{licence}</pre>
<h2>The model</h2><pre>{card}</pre>
</details>
<script type="application/json" id="sam-about">{about}</script>
{data}
<script>{code}</script>
</body>
</html>
"""

_OPENS = """\
<p role="status" id="sam-progress"></p>
<label class="sam-page-open">Open a photo<input type="file" accept="image/*" id="sam-open" disabled></label>
"""
_USE = '"Continue in Jupyter" downloads the session, with its whole history, for sw.SamWidget.load("{stem}.sam").'
_USE_SEVERAL = (
    '"Continue in Jupyter" downloads an archive with a session file for each photo. Unpack it to a folder, "sessions", '
    'and continue with sw.Gallery("photos", sessions="sessions"), if you have the photos, or open one of the sessions '
    "with sw.SamWidget.load."
)

NOTICES = """\
sam_widget and the weights of tiny: Apache-2.0, below.
fflate (Arjun Barrett): MIT. sql.js (its authors, Alon Zakai): MIT; it contains SQLite, which is in the public domain.
blakejs (DC Posch): MIT.

The MIT licence: Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction, including without
limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software,
and to permit persons to whom the Software is furnished to do so, subject to the following conditions: The above
copyright notice and this permission notice shall be included in all copies or substantial portions of the Software. THE
SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def write_page(session: Session, path: str | Path, *, any_photo: bool = False) -> Path:
    """Write a session as a page that answers without a kernel; returns its path.

    The page has the photo, the session with its history, and the model's decoder, which answers points and boxes.
    Finding, everything mode, scribbles, the brush and mask settings are not in it.

    A photo that takes more than 4 MB as PNG is shown as JPEG, and the session that the page saves names it instead of
    containing it.

    Args:
        session: Uses a model on this machine.
        path: Path of the file, such as "cat.html"; an existing file is replaced.
        any_photo: Whether the page also opens photos that are dropped on it.

    Raises:
        MissingExtraError: A model other than `tiny` needs `onnx`, which is not installed.
        ModelError: The model cannot be in a page, for example because it was tuned.
        SessionError: The file cannot be written.
    """
    return write_sessions([(None, session)], path, any_photo=any_photo)


def write_sessions(
    sessions: Iterable[tuple[str | None, Session]],
    path: str | Path,
    *,
    count: int = 1,
    done: Collection[int] = (),
    any_photo: bool = False,
) -> Path:
    """Write sessions as one page, whose view is that of a gallery if they are several; returns its path.

    Args:
        sessions: Names and sessions, each asked for when the one before is in the page; a name of None is the
            session's own.
        path: See `write_page`.
        count: How many they are.
        done: The indices of those that are marked as done.
        any_photo: Whether the page also opens photos that are dropped on it; with one session only.

    Raises:
        MissingExtraError: A model other than `tiny` needs `onnx`, which is not installed.
        ModelError: A model cannot be in a page, for example because it was tuned.
        SessionError: The page would take more than 100 MB, or the file cannot be written.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise SessionError(f"{path.name!r} is not a name of a page; give one that ends in .html")
    if any_photo and count > 1:
        raise SessionError("a page of several photos opens no others; give one photo, or leave any_photo out")
    text = page_of(sessions, count=count, done=done, title=path.stem, any_photo=any_photo)
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise SessionError(
            f"the page cannot be written to {str(path)!r} ({error.strerror or error}); choose another folder"
        ) from error
    if len(text) > LARGE:
        most = f"mail programs often refuse more than {LARGE / 1e6:.0f} MB"
        warnings.warn(f"{path.name} takes {len(text) / 1e6:.0f} MB; {most}", stacklevel=4)
    return path


def page_of(
    sessions: Session | Iterable[tuple[str | None, Session]],
    *,
    count: int = 1,
    done: Collection[int] = (),
    title: str = "",
    any_photo: bool = False,
) -> str:
    """Return the HTML that `write_sessions` writes; the title of a page with one photo is the photo's name."""
    code, worker, style = (bundled(name).decode() for name in ("page.js", "worker.js", "page.css"))
    predictor: Predictor | ViewPredictor | None = None
    answers: PageModel | None = None
    photos, size = list[PagePhoto](), 0
    for name, session in [(None, sessions)] if isinstance(sessions, Session) else sessions:
        of_session, before = local_predictor(session), answers
        if answers is None or predictor is None or of_session.model is not predictor.model:
            predictor = of_session
            answers = page_model(predictor, session.source.render(session.state.rendering))
            if before is not None and before.data != answers.data:
                raise SessionError("these sessions use different models; write a page for each")
        photos.append(photo_of(session, _free(name or session.image_name or "", {photo.name for photo in photos})))
        size += photos[-1].size
        if size > MOST - sum(map(len, answers.data.values())) - len(code) - len(worker):
            expected, most = size / len(photos) * count / 1e6, MOST / 1e6
            raise SessionError(
                f"a page of these {count} photos would take about {expected:.0f} MB, but {most:.0f} MB are allowed, "
                f"which is enough for {len(photos) - 1} of them; make several pages"
            )
    if predictor is None or answers is None:
        raise SessionError("there are no sessions for the page; expected one or more")
    first, several = photos[0], len(photos) > 1
    title = title if several and title else first.name
    about: dict[str, Any] = {"model": predictor.model.name, "answering": answers.answering}
    about |= {"photos": [photo.about for photo in photos], "done": sorted(done), "padding": None}
    if any_photo:
        opener = any_photo_model(predictor.model)
        answers = replace(opener, data=answers.data | opener.data, card=answers.card)
        about["padding"] = predictor.config.pixel_mean
    data = {"code": packed((answers.code + worker).encode())} | answers.data
    data |= {f"{key}-{index}": text for index, photo in enumerate(photos) for key, text in photo.data.items()}
    return sealed(
        _TEMPLATE,
        code=code,
        about=about,
        data=data,
        title=html.escape(title),
        use=html.escape(_USE_SEVERAL if several else _USE.format(stem=re.sub(r"\.[^.]*$", "", first.name) or "image")),
        opens=_OPENS if any_photo else "",
        hint="Download the session, with its history, to open it in a notebook",
        style=style,
        notices=html.escape(answers.notices + NOTICES),
        licence=html.escape(licence()),
        card=html.escape(answers.card),
    )


def sealed(template: str, *, code: str, about: dict[str, Any], data: dict[str, str], **texts: str) -> str:
    """Fill in a page whose policy allows one script and no connection.

    Args:
        template: Has blanks for `policy`, `code`, `about`, `data` and each of `texts`.
        code: The script.
        about: What it is told, as JSON.
        data: Compressed and as text, by the names that the script reads.
        texts: HTML for the other blanks.
    """
    # A script ends at the first "</script", wherever that is in it.
    code = re.sub(r"</(?=script)", r"<\\/", code, flags=re.IGNORECASE).replace("<!--", "<\\!--")
    allowed = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{allowed}' 'wasm-unsafe-eval'; worker-src blob:; "
        "style-src 'unsafe-inline'; img-src blob: data:; base-uri 'none'; form-action 'none'"
    )
    return template.format(
        policy=policy,
        about=json.dumps(about).replace("<", "\\u003c"),
        data="\n".join(_script(key, value) for key, value in data.items()),
        code=code,
        **texts,
    )


def _free(name: str, taken: Collection[str]) -> str:
    """Return a name for a photo that no other has, and that is also right as a path in an archive."""
    parts = [part for part in clean(name or "image").replace("\\", "/").split("/") if part not in ("", ".", "..")]
    name = "/".join(parts) or "image"
    stem, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    others = (f"{stem} ({number}){dot}{suffix}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], others) if each not in taken)


def licence() -> str:
    """Return the package's licence: in a distribution next to its metadata, in a checkout at its root."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("sam-widget") or ():
            if file.name == "LICENSE":
                return file.read_text(encoding="utf-8")
    checkout = _PACKAGE.parent / "LICENSE"
    return checkout.read_text(encoding="utf-8") if checkout.is_file() else "https://www.apache.org/licenses/LICENSE-2.0"


def _script(name: str, data: str) -> str:
    return f'<script type="application/octet-stream" id="sam-{name}">{data}</script>'
