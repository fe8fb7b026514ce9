"""One photo of a page: its session, its features, and the picture that is shown."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from sam_widget.errors import SessionError
from sam_widget.image.pyramid import TILE, Pyramid
from sam_widget.image.rendering import USUAL
from sam_widget.page.parts import packed, page_features
from sam_widget.predictor.in_view import ViewPredictor
from sam_widget.predictor.interface import has_torch
from sam_widget.session.file.format import read, write_new
from sam_widget.session.session import Session
from sam_widget.text import clean

if TYPE_CHECKING:
    from sam_widget.predictor.predictor import Predictor

# A photo that takes more bytes than this without loss is shown as JPEG, and is not in the session that a page saves.
MOST_LOSSLESS = 4_000_000
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class PagePhoto:
    """A photo as it is in a page.

    Attributes:
        name: Its name, for titles and files.
        about: What the page knows before it opens the photo; `PhotoAbout` in `js/src/local/worker.ts`.
        data: The session file, the features, and the picture, each compressed and in base64.
    """

    name: str
    about: dict[str, Any]
    data: dict[str, str]

    @property
    def size(self) -> int:
        """Bytes of the page that are this photo's."""
        return sum(map(len, self.data.values()))


def photo_of(session: Session, name: str | None = None) -> PagePhoto:
    """Return a session's photo for a page; its name is by default the session's.

    Raises:
        SessionError: The session's model is on another machine.
    """
    features = page_features(local_predictor(session), session.source.render(session.state.rendering))
    saved = _saved(session, keep_image=True)
    in_session = len(saved) <= MOST_LOSSLESS + _without_image(session)
    if not in_session:
        saved = _saved(session, keep_image=False)
    usual = session.state.rendering == USUAL
    mime, picture = ("image/png", b"") if in_session and usual else _picture(session, lossless=in_session)
    name = clean(name or session.image_name or "image")
    about = {"name": name, "image": _image(Pyramid(session.source)), "mime": mime, "objects": len(session.objects)}
    data = {"session": saved, "features": features, "picture": picture}
    return PagePhoto(name, about, {key: packed(value) for key, value in data.items()})


def local_predictor(session: Session) -> Predictor | ViewPredictor:
    """Return the session's predictor.

    Raises:
        SessionError: The session's model is on another machine.
    """
    predictor = session.predictor
    if isinstance(predictor, ViewPredictor):
        return predictor
    if has_torch():
        from sam_widget.predictor.predictor import Predictor

        if isinstance(predictor, Predictor):
            return predictor
    raise SessionError("a page needs the model on this machine; open the image with model='tiny'")


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
