"""Write a session as a page: one HTML file that hovers, clicks and scores without a kernel, a server or a network."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import html
import io
import json
import re
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from PIL import Image

from sam_widget.atomic import write_whole
from sam_widget.errors import SessionError
from sam_widget.image.pyramid import TILE, Pyramid
from sam_widget.image.rendering import USUAL
from sam_widget.page.tensors import decoder_weights, photo_features
from sam_widget.predictor.predictor import Predictor
from sam_widget.session.file.format import read, write_new
from sam_widget.session.session import Session
from sam_widget.text import clean

STATIC = Path(__file__).parent / "static"
_PACKAGE = Path(__file__).resolve().parents[1]
# A photo that takes more bytes than this without loss is shown as JPEG, and is not in the session that a page saves.
MOST_LOSSLESS = 4_000_000
_JPEG_QUALITY = 90

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
<button type="button" id="sam-continue" title="{hint}">Continue in Jupyter</button>
</header>
<main id="sam-view">Opening…</main>
<details class="sam-page-about"><summary>About this page</summary>
<p>Made with sam_widget. It works without a network and sends nothing. "Continue in Jupyter" downloads the session, with
its whole history, for <code>sw.SamWidget.load("{stem}.sam")</code>.</p>
<h2>Licences</h2><pre>{notices}</pre><pre>{licence}</pre>
<h2>The model</h2><pre>{card}</pre>
</details>
<script type="application/json" id="sam-about">{about}</script>
{data}
<script>{code}</script>
</body>
</html>
"""

_NOTICES = """\
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


def write_page(session: Session, path: str | Path) -> Path:
    """Write a session as a page that answers without a kernel; returns its path.

    The page has the photo, the session with its history, and `tiny`'s decoder, which answers points and boxes. Finding,
    everything mode, scribbles, the brush and mask settings are not in it.

    A photo that takes more than 4 MB as PNG is shown as JPEG, and the session that the page saves names it instead of
    containing it.

    Args:
        session: Uses `tiny`.
        path: Path of the file, such as "cat.html"; an existing file is replaced.

    Raises:
        ModelError: The session uses another model than `tiny`.
        SessionError: The file cannot be written.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise SessionError(f"{path.name!r} is not a name of a page; give one that ends in .html")
    text = page_of(session)
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise SessionError(
            f"the page cannot be written to {str(path)!r} ({error.strerror or error}); choose another folder"
        ) from error
    return path


def page_of(session: Session) -> str:
    """Return the HTML that `write_page` writes."""
    code, worker, style = (_bundled(name) for name in ("page.js", "worker.js", "page.css"))
    predictor = session.predictor
    if not isinstance(predictor, Predictor):
        raise SessionError("a page needs the model on this machine; open the image with model='tiny'")
    weights = decoder_weights(predictor.model)
    rendering = session.state.rendering
    features = photo_features(predictor.embed(session.source.render(rendering)))
    saved = _saved(session, keep_image=True)
    in_session = len(saved) <= MOST_LOSSLESS + _without_image(session)
    if not in_session:
        saved = _saved(session, keep_image=False)
    pyramid = Pyramid(session.source)
    mime, picture = ("image/png", b"") if in_session and rendering == USUAL else _picture(session, lossless=in_session)
    name = clean(session.image_name or "image")
    about = {"image": _image(pyramid), "mime": mime, "model": predictor.model.name, "name": name}
    data = {"code": worker.encode(), "session": saved, "weights": weights, "features": features, "picture": picture}
    # A script ends at the first "</script", wherever that is in it.
    code = re.sub(r"</(?=script)", r"<\\/", code, flags=re.IGNORECASE).replace("<!--", "<\\!--")
    allowed = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{allowed}' 'wasm-unsafe-eval'; worker-src blob:; "
        "style-src 'unsafe-inline'; img-src blob: data:; base-uri 'none'; form-action 'none'"
    )
    return _TEMPLATE.format(
        policy=policy,
        title=html.escape(name),
        stem=html.escape(re.sub(r"\.[^.]*$", "", name) or "image"),
        hint="Download the session, with its history, to open it in a notebook",
        style=style,
        notices=html.escape(_NOTICES),
        licence=html.escape(_licence()),
        card=html.escape((_PACKAGE / "weights" / "tiny.md").read_text(encoding="utf-8")),
        about=json.dumps(about).replace("<", "\\u003c"),
        data="\n".join(_script(key, value) for key, value in data.items()),
        code=code,
    )


def _bundled(name: str) -> str:
    try:
        return (STATIC / name).read_text(encoding="utf-8")
    except OSError:
        raise SessionError(f"the page's frontend is missing ({STATIC}); run `make build` or `pip install .`") from None


def _licence() -> str:
    """Return the package's licence: in a distribution next to its metadata, in a checkout at its root."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("sam-widget") or ():
            if file.name == "LICENSE":
                return file.read_text(encoding="utf-8")
    checkout = _PACKAGE.parent / "LICENSE"
    return checkout.read_text(encoding="utf-8") if checkout.is_file() else "https://www.apache.org/licenses/LICENSE-2.0"


def _script(name: str, data: bytes) -> str:
    packed = base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()
    return f'<script type="application/octet-stream" id="sam-{name}">{packed}</script>'


def _saved(session: Session, *, keep_image: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.sam"
        session.save(path, keep_image=keep_image)
        # A page is given to others, whom the folders of this machine do not concern.
        contents = read(path)
        contents.meta["image"] |= {"path": None, "relative": None}
        write_new(path, contents)
        return path.read_bytes()


def _without_image(session: Session) -> int:
    return len(_saved(session, keep_image=False))


def _picture(session: Session, *, lossless: bool) -> tuple[str, bytes]:
    picture, buffer = Image.fromarray(session.source.render(session.state.rendering)), io.BytesIO()
    if lossless:
        picture.save(buffer, "PNG")
        return "image/png", buffer.getvalue()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return "image/jpeg", buffer.getvalue()


def _image(pyramid: Pyramid) -> dict[str, Any]:
    """Return the image as `widget.protocol.ImageData` describes it."""
    source = pyramid.source
    width, height = source.size
    (low, high), (black, white), (dark, bright) = source.extent, source.window, source.bulk
    values = {"dtype": str(source.values.dtype), "channels": source.channels, "low": low, "high": high}
    values |= {"black": black, "white": white, "dark": dark, "bright": bright}
    size = {"width": width, "height": height, "levels": pyramid.levels, "tile": TILE}
    return {"hash": source.hash, **size, "values": values}
