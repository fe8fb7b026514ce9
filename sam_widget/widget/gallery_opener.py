"""Open the images of a gallery, and embed upcoming images in the background."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from sam_widget.errors import SamWidgetError, StoreError
from sam_widget.folders.image_folder import Album
from sam_widget.image.rendering import SourceImage
from sam_widget.predictor.interface import predictor_of, runs_in_view
from sam_widget.session.session import Session
from sam_widget.widget.opening import Opener, Say, Shown, downloads, refuse_unknown
from sam_widget.widget.prefetch import Prefetcher

if TYPE_CHECKING:
    from pathlib import Path

    from sam_widget.model.sam import Sam
    from sam_widget.predictor.embeddings import EmbeddingStore
    from sam_widget.predictor.predictor import Predictor

# Offsets of the images to embed, in order: the displayed image, then its neighbours.
NEIGHBOURS = (0, 1, -1, 2)
AHEAD = max(NEIGHBOURS)


class GivenModel:
    """The model that a gallery was given, loaded on first use, with an embedding store."""

    def __init__(self, model: str | Path | Sam | Predictor, store: EmbeddingStore | str | Path | None) -> None:
        """Refuse a misspelt model at once.

        Raises:
            ModelError: There is no model of that name, and no such file.
        """
        refuse_unknown(model)
        self._model, self._store = model, store
        self._predictor: Predictor | None = None

    def __call__(self, say: Say) -> Predictor:
        """Return its predictor."""
        if self._predictor is None:
            say("Loading the model…")
            self._predictor = self._load(say)
        return self._predictor

    @property
    def runs_in_view(self) -> bool:
        """Whether views run it, since torch is not installed."""
        return runs_in_view(self._model)

    def _load(self, say: Say) -> Predictor:
        if self.runs_in_view:  # views remember features, and there is no store
            return cast("Predictor", predictor_of(self._model))
        from sam_widget.predictor.with_store import predictor_with_store  # Imports torch.

        return predictor_with_store(self._model, self._store, progress=downloads(self._model, say), later=True)


class FolderOpener(Opener):
    """Opens the sessions of an album, and remembers which images could not be opened.

    Attributes:
        index: Index of the displayed image.
        failed: Indices of the images that could not be opened.
    """

    def __init__(self, album: Album, *, index: int, predictor: Callable[[Say], Predictor]) -> None:
        """Prepare to open the image at `index`; `predictor` returns the predictor for each image that is opened."""
        self._album, self._predictor_now = album, predictor
        self.index = index
        self.failed: set[int] = set()
        self._predictor: Predictor | None = None
        self._sources: dict[int, SourceImage] = {}  # images read ahead
        self._shown: Shown | None = None
        self._then: Callable[[Exception | None], object] = lambda _error: None
        self._prefetcher = Prefetcher(self._embed, self._made)

    def first(self) -> Shown:
        """Return the first image to show."""
        return self.at(self.index)

    def at(self, index: int) -> Shown:
        """Go to an image, by its index."""
        self.index = index
        shown = Shown.of(self._album.images[index])
        shown.source = self._sources.get(index, shown.source)
        return shown

    def open(self, shown: Shown, say: Say) -> Session:
        """Open the session of an image from its file, or start a new one."""
        index = self.index
        try:
            session = self._open(index, shown, say)
        except Exception:
            self.failed.add(index)
            raise
        self.failed.discard(index)
        return session

    def _open(self, index: int, shown: Shown, say: Say) -> Session:
        source = shown.read()
        self._predictor = self._predictor_now(say)
        file = self._album.session_path(index)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the folder {str(file.parent)!r} cannot be made ({error.strerror or error}); choose another one: "
                "Gallery(..., sessions=...)"
            ) from error
        return Session(source, model=self._predictor, autosave=file, keep_image=False)

    def embed(self, shown: Shown, then: Callable[[Exception | None], object]) -> None:
        """Embed the displayed image and its neighbours, in a background thread."""
        self._shown, self._then = shown, then
        near = [self.index + step for step in NEIGHBOURS]
        self._prefetcher.want([index for index in near if 0 <= index < len(self._album.images)])

    def close(self) -> None:
        """End the thread that embeds."""
        self._prefetcher.close()

    def _embed(self, index: int) -> None:
        """Embed an image, unless its embedding is cached."""
        if index == self.index and self._shown is not None:
            if (session := self._shown.session_if_open()) is not None:
                _ = session.answering
        elif self._predictor is not None and index not in self.failed:
            # Errors of an image are reported when it is displayed.
            with contextlib.suppress(SamWidgetError):
                source = self._sources.get(index) or SourceImage(self._album.images[index])
                near = range(self.index - AHEAD, self.index + AHEAD + 1)
                self._sources = {n: kept for n, kept in (*self._sources.items(), (index, source)) if n in near}
                self._predictor.embed(source.rgb)

    def _made(self, index: int, error: Exception | None) -> None:
        if index == self.index:
            self._then(error)
