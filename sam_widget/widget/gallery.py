"""Gallery: a widget for many images."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from sam_widget.errors import ImageError, SessionError, door
from sam_widget.folders.image_folder import Album
from sam_widget.folders.sessions import export_sessions
from sam_widget.model.names import default_model
from sam_widget.session.file.format import count_objects
from sam_widget.session.remote import remote
from sam_widget.session.session import Session
from sam_widget.widget import panels, protocol, threads
from sam_widget.widget.dispatcher import ANSWERED, Target
from sam_widget.widget.gallery_opener import FolderOpener, GivenModel
from sam_widget.widget.gallery_search import GallerySearch, Wanted
from sam_widget.widget.protocol import Request
from sam_widget.widget.sam_widget import SamWidget

if TYPE_CHECKING:
    from sam_widget.automatic.finding.finder import Finder
    from sam_widget.folders.batch import BatchReport
    from sam_widget.folders.finding import Hits
    from sam_widget.model.sam import Sam
    from sam_widget.predictor.embeddings import EmbeddingStore
    from sam_widget.predictor.predictor import Predictor
    from sam_widget.session.session import Session


@dataclass(frozen=True)
class GalleryRow:
    """The progress of one image.

    Attributes:
        name: Its path relative to the folder.
        objects: Number of its objects.
        done: Whether it is marked as done.
        failed: Whether it could not be opened.
    """

    name: str
    objects: int
    done: bool
    failed: bool


class GalleryRequests:
    """The requests of views to a gallery, in addition to those to every widget."""

    def __init__(
        self,
        show: Callable[[int], None],
        mark: Callable[[bool], None],
        finding: GallerySearch,
        session: Callable[[], Session],
    ) -> None:
        self._show, self._mark, self._finding, self._session = show, mark, finding, session

    @remote(latest=True)
    def show(self, index: int) -> None:
        """Show another image of the gallery, by its number from 0. Supersedes a `show` waiting right before it."""
        self._show(index)

    @remote()
    def mark(self, done: bool) -> None:  # noqa: FBT001  a field of the message
        """Mark the displayed image as done or not done."""
        self._mark(done)

    @remote(latest=True)
    def find_in_all(
        self, request: Request, *, words: Sequence[str], like: Sequence[str], threshold: float | None
    ) -> object:
        """Find words, and objects like those with these ids of the displayed image, in all images of the gallery.

        Answered at the end; the trait `searched` shows progress. It takes the place of such a search that is running.
        """
        self._finding.begin(request, self._session(), words, like, threshold)
        return ANSWERED

    @remote(lane="now")
    def stop_find_in_all(self) -> None:
        """Stop finding in all images; what was found remains. Answered immediately."""
        self._finding.stop()

    @remote(lane="now")
    def end_find_in_all(self) -> None:
        """Stop finding in all images, and no longer list what was found; each image still offers it."""
        self._finding.end()


class Gallery(SamWidget):
    """A `SamWidget` with Next and Previous buttons, for a folder of images.

    Every image has its own session, in a file next to it or in a folder of your choice: every edit is saved
    immediately, and you can continue the next day. The next image is embedded while you work on the current one, and
    embeddings are stored on disk, so that images open instantly the second time.
    """

    gallery = traitlets.Dict(help="The names of the images: `panels.GalleryData`; it never changes.").tag(sync=True)
    place = traitlets.Dict(help="Where it is: `panels.PlaceData`; only the kernel writes it.").tag(sync=True)
    searched = traitlets.Dict(
        help="The search in all images: `panels.SearchedData`, or empty; only the kernel writes it."
    ).tag(sync=True)

    @door
    def __init__(
        self,
        images: str | Path | Iterable[str | Path],
        *,
        model: str | Path | Sam | Predictor | None = None,
        sessions: str | Path | None = None,
        recursive: bool = False,
        store: EmbeddingStore | str | Path | None = None,
    ) -> None:
        """Open the first image that is not marked as done, in the background.

        Args:
            images: A folder, an image file, or several of either.
            model: A name or checkpoint path, a loaded model, the address of a server, or a predictor, whose embedding
                cache is then used. None for the server of $SAM_WIDGET_SERVER, if it is set, and else for "tiny".
            sessions: The folder of the session files; by default they are next to the images.
            recursive: Include subfolders.
            store: An embedding store or its folder. Defaults to the store that every widget uses.

        Raises:
            ImageError: The folder does not exist or contains no images.
            SessionError: The file that stores which images are done is damaged.
        """
        album, given = (
            Album(images, sessions=sessions, recursive=recursive),
            GivenModel(default_model() if model is None else model, store),
        )
        done = album.done
        first = next((index for index, name in enumerate(album.names) if name not in done), 0)
        opener = FolderOpener(album, index=first, predictor=given)
        opener.decodes_in_view = given.runs_in_view
        self._begin(album, opener)

    def _begin(self, album: Album, opener: FolderOpener, *targets: Target) -> None:
        """Connect the parts, and start to open the first image; see `_start`."""
        self._album, self._folder = album, opener
        self._counts = [0] * len(album.images)
        self._done = {album.names.index(name) for name in album.done & set(album.names)}
        self._finding = GallerySearch(
            self._album,
            call=lambda function: self._dispatcher.call(function),  # noqa: PLW0108  it is made below
            shown=lambda: (self.index, self._stage.shown.session_if_open()),
            replies=lambda: self._replies,
            changed=self._searched,
        )
        requests = GalleryRequests(self._show, lambda done: self.mark(done=done), self._finding, lambda: self.session)
        self._start(self._folder, Target(GalleryRequests, lambda: requests), *targets)
        self.observe(self._place, "state")
        self._place()
        if threads.THERE_ARE:
            threading.Thread(target=self._count, name="sam_widget counts", daemon=True).start()
        else:
            self._count()
        self.gallery = protocol.to_json(panels.GalleryData(list(self._album.names)))

    # ------------------------------------------------------------------------------------------------ for scripts

    @property
    def images(self) -> tuple[Path, ...]:
        """The images, in order."""
        return self._album.images

    @property
    def index(self) -> int:
        """Index of the displayed image, counted from 0."""
        return self._folder.index

    @property
    def name(self) -> str:
        """Name of the displayed image: its path relative to the folder."""
        return self._album.names[self._folder.index]

    @property
    def overview(self) -> tuple[GalleryRow, ...]:
        """The progress of each image, in order."""
        return tuple(
            GalleryRow(name, self._counts[index], index in self._done, index in self._folder.failed)
            for index, name in enumerate(self._album.names)
        )

    def go(self, image: int | str | Path) -> None:
        """Show another image, given its index (negative ones count from the end), name or path.

        Returns once it is open. If an image cannot be opened, the view shows the error, and methods that need its
        session raise it.

        Raises:
            ImageError: The image is not in the gallery.
        """
        index = self._album.find(image)
        self._dispatcher.call(lambda: self._show(index)).result()

    def next(self) -> None:
        """Show the next image.

        Raises:
            SessionError: This is the last image.
        """
        if self.index + 1 == len(self.images):
            raise SessionError(f"{self.name} is the last image; go(0) shows the first")
        self.go(self.index + 1)

    def previous(self) -> None:
        """Show the previous image.

        Raises:
            SessionError: This is the first image.
        """
        if self.index == 0:
            raise SessionError(f"{self.name} is the first image; go(-1) shows the last")
        self.go(self.index - 1)

    def mark(self, *, done: bool = True) -> None:
        """Mark the displayed image as done or not done; the mark is stored next to the sessions.

        Raises:
            StoreError: The mark cannot be written.
            SessionError: The file that stores the marks is damaged.
        """
        index = self.index
        self._album.mark(index, done=done)
        (self._done.add if done else self._done.discard)(index)
        self._place()

    def export(self, target: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> BatchReport:  # noqa: A002
        """Write the objects of all images in one format: `export("annotations.json")` writes COCO.

        Formats that hold a single image write one file or folder per image into the folder `target`.

        Args:
            target: A file, whose suffix determines the format, or a folder.
            format: The name of the format, if the path does not determine it; see `sam_widget.export`.
            **options: Options of the format's export function.

        Returns:
            The session files that were exported; damaged files are among the failed, with the reason.

        Raises:
            SessionError: No image has been opened yet.
            FormatError: The format does not exist, or cannot represent the objects.
            MissingExtraError: A library that the format requires is not installed.
        """
        files = {name: self._album.session_path(index) for index, name in enumerate(self._album.names)}
        there = {name: path for name, path in files.items() if path.is_file()}
        return export_sessions(there, target, format=format, **options)

    @door
    def save_page(
        self, path: str | Path, *, photos: Sequence[int | str | Path] | None = None, any_photo: bool = False
    ) -> Path:
        """Write the images as one HTML file that answers without a kernel; see `SamWidget.save_page`.

        The page is a gallery, too, with the objects and the history of each image. "Continue in Jupyter" downloads an
        archive of session files; unpacked, its folder is the `sessions` of `Gallery`.

        Args:
            path: Path of the file, such as "class.html"; an existing file is replaced.
            photos: Indices, names or paths of the images; all by default.
            any_photo: See `SamWidget.save_page`; with one photo only.

        Returns:
            The path.

        Raises:
            ImageError: An image is not in the gallery, or cannot be read.
            MissingExtraError: The page needs the extra `page`; see `SamWidget.save_page`.
            ModelError: The gallery's model cannot be in a page.
            SessionError: A session file is damaged, several photos are given with `any_photo`, the page would
                take more than 100 MB, or it cannot be written.
        """
        from sam_widget.widget.gallery_page import write_gallery

        wanted = range(len(self.images)) if photos is None else [self._album.find(photo) for photo in photos]
        if not wanted:
            raise ImageError("there are no photos for the page; leave out photos=[] for all images")
        return write_gallery(
            self._album, self.session, self.index, path, wanted=wanted, done=self._done, any_photo=any_photo
        )

    def find(  # type: ignore[override]  # it searches all images, as `session.find` does one
        self,
        *words: str,
        like: Any = None,
        not_like: Any = None,
        model: str | Finder | None = None,
        threshold: float | None = None,
        limit: int | None = None,
        accept: bool = False,
        progress: Callable[[int, int], object] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Hits:
        """Find words or examples in all images: "find more like this", across a folder.

        What is found is offered in each image's session, to be accepted or refused when the image is shown.

        Args:
            *words: Phrases; see `Session.find`.
            like: Examples: an object of the displayed image (by index, id, or itself), or (image, object) with the name
                or index of any image, or several of these.
            not_like: Counter-examples, in the same way.
            model: Name of another finder, or a `Finder`; None for the embedded one.
            threshold: Score from which an instance counts as found; None for the finder's own.
            limit: The most instances per image.
            accept: Add what is found as objects instead.
            progress: Called with the number of images done and in total.
            cancelled: Called at every step; once it returns true, the rest is left out.

        Returns:
            The images in which something was found, best first.

        Raises:
            PromptError: There is nothing to find, words are not in the vocabulary, or an example is malformed.
            SessionError: An example does not exist.
            ModelError: The finder cannot be loaded.
        """
        wanted = Wanted(words, like, not_like, model, threshold, limit, accept)
        hits = self._finding.find(wanted, self.session, progress=progress, cancelled=cancelled)
        self._count()
        return hits

    def close(self) -> None:
        """Stop the worker and a search, close every view, and close the session file."""
        if "_finding" in vars(self):
            self._finding.close()
        super().close()

    # ------------------------------------------------------------------------------------------------ other threads

    def _show(self, index: int) -> None:
        """Show an image, by its index, in the worker's thread."""
        index = self._album.find(index)
        if index == self.index and self._stage.shown.session_if_open() is not None:
            return
        self._stage.shown.forget()
        with self._publisher.wire:
            self._stage.shown = self._folder.at(index)
        self._stage.open()

    def _place(self, _change: object = None) -> None:
        """Send the gallery's position and progress to the views."""
        with self._publisher.wire:
            session = self._stage.shown.session_if_open()
            if session is not None:
                self._counts[self.index] = len(session.objects)
            done, failed = sorted(self._done), sorted(self._folder.failed)
            place = panels.PlaceData(self.index, list(self._counts), done, failed)
            self.place = protocol.to_json(place)

    def _searched(self) -> None:
        """Send the search in all images to the views."""
        with self._publisher.wire:
            job = self._finding.job
            self.searched = {} if job is None else protocol.to_json(job.shown())

    def _count(self) -> None:
        """Count the objects in existing session files."""
        for index in range(len(self.images)):
            count = count_objects(self._album.session_path(index))
            with self._publisher.wire:
                if count and index != self.index:
                    self._counts[index] = count
        self._place()
