"""A gallery's images as one page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sam_widget.folders.image_folder import Album
from sam_widget.page.page import write_sessions
from sam_widget.session.session import Session


def write_gallery(
    album: Album,
    shown: Session,
    index: int,
    path: str | Path,
    *,
    wanted: Sequence[int],
    done: Collection[int],
    any_photo: bool = False,
) -> Path:
    """Write images of an album as a page; see `Gallery.save_page`.

    Args:
        album: The images and their session files.
        shown: The open session of the image at `index`; its model is used for all.
        index: Index of the displayed image.
        path: The file.
        wanted: Indices of the images, in order.
        done: Indices of the images that are marked as done.
        any_photo: See `Gallery.save_page`.
    """

    def sessions() -> Iterator[tuple[str, Session]]:
        for number in wanted:
            name = album.names[number]
            if number == index:
                yield name, shown
                continue
            file, image = album.session_path(number), album.images[number]
            if file.is_file():
                session = Session.load(file, image=image, model=shown.predictor)
            else:
                session = Session(image, model=shown.predictor)
            yield name, session
            session.close()

    marked = [place for place, number in enumerate(wanted) if number in done]
    return write_sessions(sessions(), path, count=len(wanted), done=marked, any_photo=any_photo)
