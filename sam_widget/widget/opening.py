"""The displayed image, and opening its session; see `gallery_opener` for the images of a gallery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_widget.image.addresses import is_url, without_secrets
from sam_widget.image.pyramid import Pyramid
from sam_widget.image.rendering import SourceImage
from sam_widget.image.sources import describe
from sam_widget.model.names import check_name, is_worded
from sam_widget.predictor.interface import runs_in_view
from sam_widget.session.file.reader import Record
from sam_widget.session.file.recorder import claim_record
from sam_widget.session.session import Session
from sam_widget.widget.protocol import ImageData
from sam_widget.widget.state import image_data

if TYPE_CHECKING:
    from sam_widget.model.sam import Sam
    from sam_widget.predictor.predictor import Predictor

# Reports an activity, such as a download.
Say = Callable[[str], None]


@dataclass(eq=False)
class Shown:
    """An image on its way from a path to an open session.

    Attributes:
        title: Name of the image in messages.
        source: The image, or its source.
        session: Its session once open, or the error if it cannot be opened.
        pyramid: Its tiles, once the image is read.
        image: Its description in the state, once the image is read.
    """

    title: str
    source: Any
    session: Future[Session] = field(default_factory=Future)
    pyramid: Pyramid | None = None
    image: ImageData | None = None

    @classmethod
    def of(cls, source: Any) -> Shown:
        """Wrap an image, whether or not it has been read."""
        if isinstance(source, SourceImage):
            return cls(source.reference.name, source)
        return cls(describe(source) if isinstance(source, str | Path) else "the image", source)

    def session_if_open(self) -> Session | None:
        """Return the session; None if it is not open yet, or cannot be opened."""
        return self.session.result() if self.session.done() and not self.session.exception() else None

    def read(self) -> SourceImage:
        """Read the image, and create its tile pyramid.

        Raises:
            ImageError: The image cannot be read.
        """
        if not isinstance(self.source, SourceImage):
            self.source = SourceImage(self.source)
        self.pyramid = Pyramid(self.source)
        self.image = image_data(self.pyramid)
        return self.source

    def forget(self) -> None:
        """Free the memory of the image and the session, and close the session's file."""
        if (session := self.session_if_open()) is not None:
            session.close()


class Opener(ABC):
    """Opens sessions for a widget.

    Attributes:
        decodes_in_view: Whether the model runs in views, since torch is not installed.
    """

    decodes_in_view: bool = False

    @abstractmethod
    def first(self) -> Shown:
        """Return the first image to show."""

    @abstractmethod
    def open(self, shown: Shown, say: Say) -> Session:
        """Open the session of an image, which may take long."""

    @abstractmethod
    def embed(self, shown: Shown, then: Callable[[Exception | None], object]) -> None:
        """Embed an image, if it is open, in any thread; then call `then` with the error, or None."""

    @abstractmethod
    def close(self) -> None:
        """Stop background work."""


class ImageOpener(Opener):
    """Opens the image of a `SamWidget`."""

    def __init__(
        self,
        image: Any,
        *,
        model: str | Path | Sam | Predictor,
        autosave: str | Path | None,
        keep_image: bool,
        record: Record | None,
    ) -> None:
        """Read everything that can be read quickly.

        Raises:
            ImageError: The image cannot be read.
            SessionError: The session file cannot be written, or belongs to another image.
            ModelError: There is no model of that name, and no such file.
        """
        refuse_unknown(model)
        # A URL is fetched in the background.
        ready = is_url(image) or isinstance(image, SourceImage)
        self._shown = Shown.of(image)
        self._shown.source = image if ready else SourceImage(image)
        self._model, self._autosave, self._keep_image = model, autosave, keep_image
        self._record = record
        self.decodes_in_view = runs_in_view(model)
        if record is None and autosave is not None:
            # Immediately: no model is needed to detect that another kernel has the file open.
            source = self._shown.source
            self._record = claim_record(autosave, source if isinstance(source, SourceImage) else None)

    def first(self) -> Shown:
        """Return the image."""
        return self._shown

    def open(self, shown: Shown, say: Say) -> Session:
        """Read the image, load the model, and restore a saved session."""
        source = shown.read()
        say("Loading the model…")
        session = Session(source, model=self._model, progress=downloads(self._model, say))
        if self._record is not None:
            if self._record.contents is not None:
                self._record.check(session.source)
            session.resume(self._record, autosave=self._autosave, keep_image=self._keep_image)
        return session

    def embed(self, shown: Shown, then: Callable[[Exception | None], object]) -> None:
        """Embed the image immediately."""
        if (session := shown.session_if_open()) is None:
            return
        error: Exception | None = None
        try:
            _ = session.answering
        except Exception as caught:  # noqa: BLE001  it is handed on
            error = caught
        then(error)

    def close(self) -> None:
        """Close the session file, in case no session has taken it over."""
        if self._record is not None:
            self._record.close()


def refuse_unknown(model: object) -> None:
    """Refuse a misspelt model at once: loading one waits for torch.

    Raises:
        ModelError: There is no model of that name, and no such file.
    """
    if isinstance(model, str | Path) and not is_worded(model):
        check_name(model)


def downloads(model: object, say: Say) -> Callable[[int, int], None]:
    """Return a progress callback for a download, which reports each percent once, because reports go to every view."""
    last = ""
    model = without_secrets(str(model)) if is_url(model) else model

    def progress(done: int, total: int) -> None:
        nonlocal last
        percent = 100 * done // total if total else 0
        message = f"Downloading {model}: {percent}% of {total / 1e6:.0f} MB"
        if message != last:
            last = message
            say(message)

    return progress
