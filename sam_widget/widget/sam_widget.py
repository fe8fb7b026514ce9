"""SamWidget: a session in a notebook cell."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anywidget
import ipywidgets
import numpy as np
import traitlets

from sam_widget.errors import SamWidgetError, door
from sam_widget.image.rendering import SourceImage
from sam_widget.session.file.reader import Record
from sam_widget.session.file.recorder import open_record
from sam_widget.session.session import Session
from sam_widget.session.state import SessionState
from sam_widget.widget.cell_output import CellOutput, is_jupyter
from sam_widget.widget.delegates import Scripting
from sam_widget.widget.direct import listener
from sam_widget.widget.dispatcher import Dispatcher, Target
from sam_widget.widget.opening import ImageOpener, Opener
from sam_widget.widget.publisher import Publisher
from sam_widget.widget.replies import Replies
from sam_widget.widget.requests import ViewRequests
from sam_widget.widget.stage import Stage
from sam_widget.widget.static_picture import nobody_is_there, picture_of
from sam_widget.widget.throttle import Throttle

if TYPE_CHECKING:
    from sam_widget.model.sam import Sam
    from sam_widget.predictor.predictor import Predictor

STATIC = Path(__file__).parent / "static"
log = logging.getLogger(__name__)
# What the traits show before there is a session.
NOTHING = SessionState()
# Seconds after an edit until what a page saves with the notebook is brought up to date.
KEEP_SECONDS = 1.5


def _bundled(name: str) -> str:
    """Return a file of the frontend, or an empty text where it is not built: its build imports this module."""
    path = STATIC / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


class SamWidget(Scripting, anywidget.AnyWidget, ipywidgets.ValueWidget):  # type: ignore[misc]
    """Click on an image, get masks: the widget.

    All state lives in `session`, in Python; views draw it. The same methods work on widget and session, and whatever
    calls them, every open view shows the result. The model runs in a thread of its own.

    `prompt`, `candidates`, `chosen`, `score` and `objects` can be observed and linked, but only the session sets them;
    an observer is called in the thread that made the edit, when all of them are up to date.
    """

    # As text: for a path, anywidget keeps a file watcher that holds every widget for ever.
    _esm = _bundled("widget.js")
    _css = _bundled("widget.css")

    state = traitlets.Dict(help="All that a view draws: `protocol.State`; only the kernel writes it.").tag(sync=True)
    saved = traitlets.Dict(help="`protocol.Saved` in a page without a kernel, else empty.").tag(sync=True)
    candidates = traitlets.Tuple(
        read_only=True, help="The masks offered for the prompt: `Candidate`, in the model's own order."
    )
    chosen = traitlets.Any(
        None, allow_none=True, read_only=True, help="The candidate that `accept` would take, or None."
    )
    objects = traitlets.Tuple(read_only=True, help="The accepted objects: `SegmentedObject`, oldest first.")
    prompt = traitlets.Any(None, allow_none=True, read_only=True, help="The `Prompt` being worked on.")
    score = traitlets.Float(None, allow_none=True, read_only=True, help="Score of the chosen candidate, or None.")
    value = traitlets.Any(None, read_only=True, help="The same as `chosen`: what `ipywidgets.interactive` watches.")

    @door
    def __init__(
        self,
        image: Any,
        *,
        model: str | Path | Sam | Predictor = "tiny",
        autosave: str | Path | None = None,
        keep_image: bool = True,
        record: Record | None = None,
    ) -> None:
        """Open an image. Returns at once: a URL is fetched, the model loaded and the image embedded in the background.

        Args:
            image: Path, URL, bytes, PIL image, array (any dtype and number of channels; HW, HWC, CHW) or tensor.
            model: A name or checkpoint path, a loaded model, or a predictor.
            autosave: A session file, such as "truck.sam". What is in it already comes back, history and all; from then
                on, an edit is on the disk before a view shows it.
            keep_image: Put the image into a new session file, so that it opens without the photo.
            record: The record to continue; `load` passes it.

        Raises:
            ImageError: The image cannot be read. A URL's error shows in the widget instead, and is raised by the first
                method that needs the image.
            ModelError: There is no model of that name, and no such file.
            SessionError: Another kernel is writing the session file, it is damaged, or about another image.
        """
        opener = ImageOpener(image, model=model, autosave=autosave, keep_image=keep_image, record=record)
        self._start(opener)

    def _start(self, opener: Opener, *targets: Target) -> None:
        """Put the parts together, and begin to open the first image.

        Args:
            opener: Opens sessions.
            targets: What views may ask, besides what they may ask of every widget and its session.
        """
        if not self._esm:
            path = STATIC / "widget.js"
            raise SamWidgetError(f"the widget's frontend is missing ({path}); run `make build` or `pip install .`")
        self._publisher = Publisher(self._send_to_all, self._show_state)
        self._later = Throttle(self._keep_state, seconds=KEEP_SECONDS)
        self._output = CellOutput(self._to_draw)
        self._replies = Replies(self._send_to_all, lambda: self._publisher.revision, self._publisher.wire)
        self._dispatcher = Dispatcher(self._replies, self._publisher.names.prompts)
        self._stage = Stage(opener, call=self._dispatcher.call, publish=self._publish)
        requests = ViewRequests(self._stage, self._publisher, self._replies)
        session = Target(Session, lambda: self.session)
        self._dispatcher.serve(Target(ViewRequests, lambda: requests), session, *targets)
        self._dispatcher.between = requests.search_on
        self._hang_up: Callable[[], None] = lambda: None
        super().__init__()
        self.on_msg(self._receive)
        if (heard := listener()) is not None:
            self._publisher.line = heard.register(self.model_id, self._dispatcher.receive_directly)
            self._hang_up = partial(heard.unregister, self.model_id)
        self._publish()
        self._dispatcher.call(self._stage.open)

    def _send(self, msg: dict[str, Any], buffers: Any = None) -> None:
        """Send a message of any kind: all of ipywidgets' own pass here."""
        super()._send(msg, buffers)
        # From 7.4 on ipykernel takes a view's next message for a reply, due in the shell that this one was sent from,
        # and that may run a cell for long. Here nothing waits for replies: a message's own subshell is right.
        getattr(self.comm, "__dict__", {}).pop("_reply_subshell_id", None)

    def _get_embed_state(self, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002  ipywidgets' own
        """What ipywidgets writes into a page. Photo and masks cannot be requested there, so they are included.

        So does all that is a default here, such as the view's code: a page knows no defaults of an anywidget.
        """
        with self._publisher.wire:
            embedded: dict[str, Any] = super()._get_embed_state(drop_defaults=False)
            if (saved := self._publisher.saved(self._stage)) is not None:
                embedded["state"]["saved"] = saved
        return embedded

    # ------------------------------------------------------------------------------------------------ for scripts

    @property
    @door
    def session(self) -> Session:
        """The session that this widget shows. Waits until the image and the model are there.

        Raises:
            SamWidgetError: They could not be opened.
        """
        return self._stage.session

    def __repr__(self) -> str:
        """One line: what is shown, how far it is, and how many objects there are."""
        if "_stage" not in vars(self):
            return f"<{type(self).__name__}>"
        count = len(self.objects)
        what = f"{count} object{'' if count == 1 else 's'}"
        return f"<{type(self).__name__} of {self._stage.shown.title}: {self._stage.status}, {what}>"

    def get_interact_value(self) -> np.ndarray | None:
        """Return what `ipywidgets.interactive(f, mask=w)` hands to `f`: the chosen mask, (H, W) bool, or None."""
        return None if self.chosen is None else np.asarray(self.chosen.mask)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the live view, and the picture that a saved notebook shows where none can run.

        When a program runs the notebook, no live view will be seen: then only the picture is returned, once it is made.
        """
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        alone = nobody_is_there()
        if alone:
            # What went wrong is in the state, and raised by the first method that needs the image.
            with contextlib.suppress(Exception):
                self.session  # noqa: B018 - waits until it is open
        shown = self._to_draw()
        if shown is None:
            return bundle
        data, metadata = dict(bundle[0]), dict(bundle[1])
        data["image/png"], metadata["image/png"] = picture_of(shown)
        if alone:
            data.pop("application/vnd.jupyter.widget-view+json", None)
        return data, metadata

    def _ipython_display_(self) -> None:
        """Show the live view, and in outputs of their own what a saved notebook shows where none can run.

        Raises:
            NotImplementedError: One output is right here, which `_repr_mimebundle_` returns.
        """
        bundle = super()._repr_mimebundle_()
        if bundle is None or nobody_is_there() or not is_jupyter():
            raise NotImplementedError
        # As text, not how far it is: that would be read long after.
        self._output.show({**bundle[0], "text/plain": f"{type(self).__name__} of {self._stage.shown.title}"})

    def _to_draw(self) -> Session | SourceImage | None:
        """Return what a picture can be drawn of; None for a URL or file that is not read yet."""
        shown = self._stage.shown.session_if_open() or self._stage.shown.source
        return None if isinstance(shown, str | Path) else shown

    @classmethod
    @door
    def load(
        cls,
        path: str | Path,
        *,
        image: Any = None,
        model: str | Path | Sam | Predictor | None = None,
        autosave: str | Path | None = None,
    ) -> Self:
        """Open a session that was saved, in a widget; see `Session.load`.

        Raises:
            SessionError: There is no such file, it is damaged or of a newer version, its image cannot be found or is
                another one, or another kernel is writing it.
            ImageError: The image cannot be read.
        """
        record = open_record(path, autosave=autosave)
        try:
            source = record.image(image)
            return cls(
                source, model=record.model_to_load() if model is None else model, autosave=autosave, record=record
            )
        except BaseException:
            record.close()
            raise

    def close(self) -> None:
        """End the worker and every view, and close the session file."""
        # ipywidgets closes what is deleted, even if __init__ has refused the arguments.
        if "_dispatcher" in vars(self):
            self._hang_up()
            self._later.close()
            self._output.close()
            self._dispatcher.close()
            self._stage.close()
        super().close()

    # ------------------------------------------------------------------------------------------------ the wire

    def _receive(self, _widget: object, content: object, _buffers: object) -> None:
        """Take a message from a view. Never waits for the model."""
        self._dispatcher.receive(content)

    def _should_send_property(self, key: str, value: Any) -> bool:
        """Whether ipywidgets sends a trait as it changes: not the state, of which views are sent what changes."""
        return key != "state" and bool(super()._should_send_property(key, value))

    def _keep_state(self) -> None:
        """Send the state as a whole: pages save it with the notebook."""
        with self._publisher.wire:
            self.send_state("state")

    def _show_state(self, state: dict[str, Any]) -> None:
        self.state = state
        self._later.ask()
        self._output.follow()

    def _publish(self) -> None:
        """Show the present state everywhere, and to the observers of the traits.

        Never raises: an edit that is done stays done, and the widget continues working, whatever a view or an observer
        makes of it.
        """
        with self._publisher.wire:
            try:
                self._publisher.publish(self._stage)
            except Exception:
                log.exception("the views of %s could not be brought up to date", self._stage.shown.title)
            try:
                self._set_traits()
            except Exception:
                log.exception("an observer of %s has failed", self._stage.shown.title)

    def _set_traits(self) -> None:
        session = self._stage.shown.session_if_open()
        now = NOTHING if session is None else session.state
        # An observer of one of them finds the others up to date, too.
        with self.hold_trait_notifications():
            self.set_trait("prompt", None if session is None else now.prompt)
            self.set_trait("candidates", now.candidates)
            self.set_trait("objects", now.objects)
            self.set_trait("chosen", now.chosen)
            self.set_trait("value", now.chosen)
            self.set_trait("score", None if now.chosen is None else now.chosen.score)

    def _send_to_all(self, message: dict[str, Any], buffers: Sequence[bytes]) -> None:
        self.send(message, buffers)
