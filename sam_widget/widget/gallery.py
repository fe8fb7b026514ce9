"""Gallery: a widget that goes through many images."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from sam_widget.errors import SessionError, door
from sam_widget.folders.image_folder import Album
from sam_widget.folders.sessions import export_sessions
from sam_widget.session.file.format import count_objects
from sam_widget.session.remote import remote
from sam_widget.widget import protocol
from sam_widget.widget.dispatcher import Target
from sam_widget.widget.gallery_opener import FolderOpener
from sam_widget.widget.sam_widget import SamWidget

if TYPE_CHECKING:
    from sam_widget.folders.batch import BatchReport
    from sam_widget.model.sam import Sam
    from sam_widget.predictor.embeddings import EmbeddingStore
    from sam_widget.predictor.predictor import Predictor


@dataclass(frozen=True)
class GalleryRow:
    """How far one image is.

    Attributes:
        name: Its path within the folder.
        objects: How many objects it has.
        done: Whether it has been marked as done.
        failed: Whether it could not be opened.
    """

    name: str
    objects: int
    done: bool
    failed: bool


class GalleryRequests:
    """What views may ask of a gallery, besides what they may ask of every widget."""

    def __init__(self, show: Callable[[int], None], mark: Callable[[bool], None]) -> None:
        self._show, self._mark = show, mark

    @remote(latest=True)
    def show(self, index: int) -> None:
        """Show another image of the gallery, by its number from 0. Supersedes a `show` waiting right before it."""
        self._show(index)

    @remote()
    def mark(self, done: bool) -> None:  # noqa: FBT001  a field of the message
        """Say of the image that is shown whether it is done."""
        self._mark(done)


class Gallery(SamWidget):
    """Goes through a folder of images with Next and Previous: a `SamWidget` of the one that is shown.

    Every image has a session of its own, kept in a file next to it or in a folder of your choice: every edit is saved
    at once, and you can continue today what you began yesterday. The next image is embedded while you work on this one,
    and embeddings are stored on disk, so that an image seen before opens at once.
    """

    gallery = traitlets.Dict(help="The names of the images: `protocol.GalleryData`; it never changes.").tag(sync=True)
    place = traitlets.Dict(help="Where it is: `protocol.PlaceData`; only the kernel writes it.").tag(sync=True)

    @door
    def __init__(
        self,
        images: str | Path | Iterable[str | Path],
        *,
        model: str | Path | Sam | Predictor = "tiny",
        sessions: str | Path | None = None,
        recursive: bool = False,
        store: EmbeddingStore | str | Path | None = None,
    ) -> None:
        """Open the first image that is not done, in the background.

        Args:
            images: A folder, an image file, or several of either.
            model: A name or checkpoint path, a loaded model, or a predictor, which then also says where embeddings are
                kept.
            sessions: The folder for session files; by default they are next to the images.
            recursive: Look into the folders of a folder, too.
            store: Where embeddings are kept: a store or its folder. By default the one that every widget looks in.

        Raises:
            ImageError: There is no such folder, or no image in it.
            SessionError: The file that remembers what is done is damaged.
        """
        self._album = Album(images, sessions=sessions, recursive=recursive)
        self._counts = [0] * len(self._album.images)
        self._done = {self._album.names.index(name) for name in self._album.done & set(self._album.names)}
        first = next((index for index in range(len(self._counts)) if index not in self._done), 0)
        self._folder = FolderOpener(self._album, index=first, model=model, store=store)
        requests = GalleryRequests(self._show, lambda done: self.mark(done=done))
        self._start(self._folder, Target(GalleryRequests, lambda: requests))
        self.observe(self._place, "state")
        self._place()
        threading.Thread(target=self._count, name="sam_widget counts", daemon=True).start()
        self.gallery = protocol.to_json(protocol.GalleryData(list(self._album.names)))

    # ------------------------------------------------------------------------------------------------ for scripts

    @property
    def images(self) -> tuple[Path, ...]:
        """The images, in order."""
        return self._album.images

    @property
    def index(self) -> int:
        """Number of the image shown, counted from 0."""
        return self._folder.index

    @property
    def name(self) -> str:
        """Name of the image shown: its path within the folder."""
        return self._album.names[self._folder.index]

    @property
    def overview(self) -> tuple[GalleryRow, ...]:
        """How far each image is, in order."""
        return tuple(
            GalleryRow(name, self._counts[index], index in self._done, index in self._folder.failed)
            for index, name in enumerate(self._album.names)
        )

    def go(self, image: int | str | Path) -> None:
        """Show another image: its number from 0 (negative ones count from the end), its name or its path.

        Returns once it is open. An image that cannot be opened is shown as that; what needs its session raises.

        Raises:
            ImageError: There is no such image.
        """
        index = self._album.find(image)
        self._dispatcher.call(lambda: self._show(index)).result()

    def next(self) -> None:
        """Show the next image.

        Raises:
            SessionError: This is the last one.
        """
        if self.index + 1 == len(self.images):
            raise SessionError(f"{self.name} is the last image; go(0) shows the first")
        self.go(self.index + 1)

    def previous(self) -> None:
        """Show the image before this one.

        Raises:
            SessionError: This is the first one.
        """
        if self.index == 0:
            raise SessionError(f"{self.name} is the first image; go(-1) shows the last")
        self.go(self.index - 1)

    def mark(self, *, done: bool = True) -> None:
        """Say whether the image shown is done; this is stored next to the sessions.

        Raises:
            StoreError: It cannot be written down.
            SessionError: The file that remembers it is damaged.
        """
        index = self.index
        self._album.mark(index, done=done)
        (self._done.add if done else self._done.discard)(index)
        self._place()

    def export(self, target: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> BatchReport:  # noqa: A002
        """Write the objects of all images in one format: `export("annotations.json")` writes COCO.

        Formats that hold one image write a file or folder for each into the folder `target`.

        Args:
            target: A file, whose suffix says which format is meant, or a folder.
            format: The name of the format, where the path does not say; see `sam_widget.export`.
            **options: Of the format's own function.

        Returns:
            Which session files were written out. One that is damaged is left out, and named with the reason.

        Raises:
            SessionError: No image has been opened yet.
            FormatError: There is no such format, or it cannot hold the objects.
            MissingExtraError: A library that the format needs is not installed.
        """
        files = {name: self._album.session_path(index) for index, name in enumerate(self._album.names)}
        there = {name: path for name, path in files.items() if path.is_file()}
        return export_sessions(there, target, format=format, **options)

    # ------------------------------------------------------------------------------------------------ other threads

    def _show(self, index: int) -> None:
        """Show an image, by its number, in the thread that answers prompts."""
        index = self._album.find(index)
        if index == self.index and self._stage.shown.session_if_open() is not None:
            return
        self._stage.shown.forget()
        with self._publisher.wire:
            self._stage.shown = self._folder.at(index)
        self._stage.open()

    def _place(self, _change: object = None) -> None:
        """Say where the gallery is, and how far."""
        with self._publisher.wire:
            session = self._stage.shown.session_if_open()
            if session is not None:
                self._counts[self.index] = len(session.objects)
            done, failed = sorted(self._done), sorted(self._folder.failed)
            place = protocol.PlaceData(self.index, list(self._counts), done, failed)
            self.place = protocol.to_json(place)

    def _count(self) -> None:
        """Count the objects of earlier days."""
        for index in range(len(self.images)):
            count = count_objects(self._album.session_path(index))
            with self._publisher.wire:
                if count and index != self.index:
                    self._counts[index] = count
        self._place()
