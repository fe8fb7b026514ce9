"""Gallery: a widget that goes through many images."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from sam_widget.errors import SamWidgetError, SessionError, StoreError
from sam_widget.folders.image_folder import Album
from sam_widget.folders.sessions import export_sessions
from sam_widget.image.pyramid import Pyramid
from sam_widget.image.rendering import SourceImage
from sam_widget.image.sources import describe
from sam_widget.session.file.format import count_objects
from sam_widget.widget import protocol
from sam_widget.widget.prefetch import Ahead
from sam_widget.widget.sam_widget import Open, SamWidget, decode_ms
from sam_widget.widget.state import image_data

if TYPE_CHECKING:
    from sam_widget.folders.batch import BatchReport
    from sam_widget.model.sam import Sam
    from sam_widget.predictor.embeddings import EmbeddingStore
    from sam_widget.predictor.predictor import Predictor
    from sam_widget.session.session import Session

# The image shown and its neighbours, in the order in which they are made ready.
NEIGHBOURS = (0, 1, -1, 2)
AHEAD = max(NEIGHBOURS)


@dataclass(frozen=True)
class GalleryRow:
    """How far one image is.

    Attributes:
        name: Its path within the folder.
        objects: How many objects it has.
        done: Whether somebody has called it done.
        failed: Whether it could not be opened.
    """

    name: str
    objects: int
    done: bool
    failed: bool


@dataclass(eq=False)
class _Go(Open):
    """Go to another image, because Python says so."""

    index: int
    finished: Future[None] = field(default_factory=Future)


@dataclass(eq=False)
class _Made(Open):
    """An image has been embedded, or that failed."""

    index: int
    error: Exception | None


class Gallery(SamWidget):
    """Goes through a folder of images with Next and Previous: a `SamWidget` of the one that is shown.

    Every image has a session of its own, kept in a file beside it or in a folder of your choice: every edit is there
    at once, and what you began yesterday goes on today. The next image is embedded while a person works on this one,
    and embeddings are kept on disk, so that an image seen before opens at once.
    """

    gallery = traitlets.Dict(help="The names of the images: `protocol.GalleryData`; it never changes.").tag(sync=True)
    place = traitlets.Dict(help="Where it is: `protocol.PlaceData`; only the kernel writes it.").tag(sync=True)

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
            sessions: The folder where what you do is kept; by default beside the images.
            recursive: Look into the folders of a folder, too.
            store: Where embeddings are kept: a store or its folder. By default the one that every widget looks in.

        Raises:
            ImageError: There is no such folder, or no image in it.
            SessionError: The file that remembers what is done is damaged.
        """
        self._album = Album(images, sessions=sessions, recursive=recursive)
        self._store = store
        self._predictor: Predictor | None = None
        self._sources: dict[int, SourceImage] = {}  # The images read ahead.
        self._counts = [0] * len(self._album.images)
        self._done = {self._album.names.index(name) for name in self._album.done & set(self._album.names)}
        self._failed: set[int] = set()
        self._index = next((index for index in range(len(self._counts)) if index not in self._done), 0)
        self._ahead = Ahead(self._embed, lambda index, error: self._worker.put(_Made(index, error)))
        super().__init__(self._album.images[self._index], model=model)
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
        return self._index

    @property
    def name(self) -> str:
        """Name of the image shown: its path within the folder."""
        return self._album.names[self._index]

    @property
    def overview(self) -> tuple[GalleryRow, ...]:
        """How far each image is, in order."""
        return tuple(
            GalleryRow(name, self._counts[index], index in self._done, index in self._failed)
            for index, name in enumerate(self._album.names)
        )

    def go(self, image: int | str | Path) -> None:
        """Show another image: its number from 0 (negative ones count from the end), its name or its path.

        Returns once it is open. An image that cannot be opened is shown as that; what needs its session raises.

        Raises:
            ImageError: There is no such image.
        """
        job = _Go(self._album.find(image))
        self._worker.put(job)
        job.finished.result()

    def next(self) -> None:
        """Show the next image.

        Raises:
            SessionError: This is the last one.
        """
        if self._index + 1 == len(self.images):
            raise SessionError(f"{self.name} is the last image; go(0) shows the first")
        self.go(self._index + 1)

    def previous(self) -> None:
        """Show the image before this one.

        Raises:
            SessionError: This is the first one.
        """
        if self._index == 0:
            raise SessionError(f"{self.name} is the first image; go(-1) shows the last")
        self.go(self._index - 1)

    def mark(self, *, done: bool = True) -> None:
        """Say whether the image shown is done; it is remembered beside the sessions.

        Raises:
            StoreError: It cannot be written down.
            SessionError: The file that remembers it is damaged.
        """
        index = self._index
        self._album.mark(index, done=done)
        (self._done.add if done else self._done.discard)(index)
        self._publish()

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

    def close(self) -> None:
        """End the threads and every view."""
        if "_ahead" in vars(self):
            self._ahead.close()
        super().close()
        if "_opened" in vars(self):
            self._leave()

    # ---------------------------------------------------------------------------------------- the worker thread

    def _read(self, image: Any) -> Any:
        # A bad first image must not keep anybody from the others.
        return image

    def _run(self, job: protocol.Request | Open) -> None:
        if isinstance(job, _Made):
            self._show_made(job)
        elif isinstance(job, _Go):
            self._show(job.index)
            job.finished.set_result(None)
        else:
            super()._run(job)

    def _superseded(self, job: protocol.Request | Open) -> None:
        if isinstance(job, _Go):
            job.finished.set_exception(SessionError("this gallery is closed; make a new one"))
        super()._superseded(job)

    def _perform(self, request: protocol.Request) -> None:
        if isinstance(request, protocol.Show):
            self._show(self._album.find(request.index))
        elif isinstance(request, protocol.Mark):
            self.mark(done=request.done)
        else:
            super()._perform(request)

    def _show(self, index: int) -> None:
        if index == self._index and self._opened.done() and not self._opened.exception():
            return
        self._leave()
        with self._wire:
            self._index = index
            self._source = self._album.images[index]
            self._title = describe(self._source)
            self._opened = Future()
        self._open()

    def _leave(self) -> None:
        """Close the file of the session shown, for others to open; what was done is in it."""
        session = self._session_if_open()
        if session is not None:
            session.close()

    def _open_session(self) -> Session:
        from sam_widget.session.session import Session  # Imports torch: seconds, once.

        source = self._sources.get(self._index) or SourceImage(self._source)
        self._pyramid = Pyramid(source)
        self._image = image_data(self._pyramid)
        if self._predictor is None:
            self._say("loading", "Loading the model…")
            self._predictor = self._load_predictor()
        file = self._album.session_path(self._index)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the folder {str(file.parent)!r} cannot be made ({error.strerror or error}); choose another one: "
                "Gallery(..., sessions=...)"
            ) from error
        return Session(source, model=self._predictor, autosave=file, keep_image=False)

    def _load_predictor(self) -> Predictor:
        from sam_widget.predictor.embeddings import EmbeddingCache, EmbeddingStore
        from sam_widget.predictor.predictor import Predictor
        from sam_widget.session.session import predictor_of

        if isinstance(self._model, Predictor):
            return self._model
        store = self._store if isinstance(self._store, EmbeddingStore) else EmbeddingStore(self._store)
        shared = predictor_of(self._model, progress=self._downloaded)
        return Predictor(shared.model, cache=EmbeddingCache(store=store))  # type: ignore[arg-type]  # a Sam, if not a predictor

    def _open(self) -> None:
        index = self._index
        try:
            session = self._open_session()
            self._failed.discard(index)
        except Exception as error:  # noqa: BLE001  it is shown, and logged where it is a fault of ours
            self._failed.add(index)
            self._pyramid = self._image = None
            self._fail(error)
        else:
            session.on_change(self._publish)
            self._opened.set_result(session)
            at_hand = self._decode_ms is not None and session.predictor.has(session.image_hash)
            if at_hand:
                self._say("ready", "")
            else:
                self._say("embedding", f"Embedding {self._title} with {session.predictor.model.name}…")
        self._ahead.want([index + n for n in NEIGHBOURS if 0 <= index + n < len(self.images)])

    def _show_made(self, made: _Made) -> None:
        if made.index != self._index or self._status != "embedding":
            return
        try:
            if made.error is not None:
                raise made.error
            self._decode_ms = self._decode_ms or decode_ms(self.session)
        except Exception as error:  # noqa: BLE001  it is shown, and logged where it is a fault of ours
            self._fail(error)
        else:
            self._say("ready", "")

    def _publish(self) -> None:
        with self._wire:
            super()._publish()
            session = self._session_if_open()
            if session is not None:
                self._counts[self._index] = len(session.objects)
            else:  # What the traits say is of the image before.
                for name in ("prompt", "chosen", "value", "score"):
                    self.set_trait(name, None)
                for name in ("candidates", "objects"):
                    self.set_trait(name, ())
            place = protocol.PlaceData(self._index, list(self._counts), sorted(self._done), sorted(self._failed))
            self.place = protocol.to_json(place)

    # ---------------------------------------------------------------------------------------- other threads

    def _count(self) -> None:
        """Count the objects of earlier days."""
        for index in range(len(self.images)):
            count = count_objects(self._album.session_path(index))
            with self._wire:
                if count and index != self._index:
                    self._counts[index] = count
        self._publish()

    def _embed(self, index: int) -> None:
        """Embed an image, or find that it has been."""
        if index == self._index:
            _ = self.session.embedding
        elif self._predictor is not None and index not in self._failed:
            # What is wrong with an image is told when it is shown.
            with contextlib.suppress(SamWidgetError):
                source = self._sources.get(index) or SourceImage(self._album.images[index])
                near = range(self._index - AHEAD, self._index + AHEAD + 1)
                self._sources = {n: kept for n, kept in (*self._sources.items(), (index, source)) if n in near}
                self._predictor.embed(source.rgb)
