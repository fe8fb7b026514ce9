"""Write several photos as one page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sam_widget.errors import ImageError, door
from sam_widget.image.samples import sample
from sam_widget.page.page import write_sessions
from sam_widget.session.session import Session


@door
def save_page(path: str | Path, *, photos: Sequence[Any] | str | Path | None = None, any_photo: bool = False) -> Path:
    """Write photos as one HTML file that answers without a kernel; see `SamWidget.save_page`.

    The page is a gallery. "Continue in Jupyter" downloads an archive with a session file for each photo. A photo of a
    few hundred thousand pixels adds 1 to 3 MB.

    Args:
        path: Path of the file, such as "class.html"; an existing file is replaced.
        photos: Each a photo as `SamWidget` takes it, a session file (".sam"), whose objects and history come along, or
            a session or widget. By default a sample, with `any_photo`.
        any_photo: Whether the page also opens photos that are dropped on it, pasted or chosen; with one photo at most.
            Such a page takes 22 MB, and needs the extra `page` to be written.

    Returns:
        The path.

    Raises:
        ImageError: There are no photos, or one cannot be read.
        ModelError: A session's model cannot be in a page.
        SessionError: A session file is damaged, the page would take more than 100 MB, or it cannot be written.
    """
    if photos is None and any_photo:
        photos = [sample("cat")]
    if photos is None:
        raise ImageError("there are no photos for the page; give photos=[...], or any_photo=True")
    photos = [photos] if isinstance(photos, str | Path) else list(photos)
    if not photos:
        raise ImageError("there are no photos for the page; expected photos=[...], with paths, arrays or session files")
    return write_sessions(_sessions(photos), path, count=len(photos), any_photo=any_photo)


def _sessions(photos: Iterable[Any]) -> Iterator[tuple[str | None, Session]]:
    """Open one photo after the other; they share the model."""
    for photo in photos:
        given = getattr(photo, "session", photo)
        if isinstance(given, Session):
            yield None, given
            continue
        is_session = isinstance(photo, str | Path) and Path(photo).suffix == ".sam"
        session = Session.load(photo) if is_session else Session(photo, model="tiny")
        yield None, session
        session.close()
