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
from sam_widget.model.names import default_model
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
from sam_widget.widget.view_decoding import ViewDecoding, abilities

if TYPE_CHECKING:
    from sam_widget.model.sam import Sam
    from sam_widget.predictor.predictor import Predictor

STATIC = Path(__file__).parent / "static"
log = logging.getLogger(__name__)
# The traits' values before there is a session.
NOTHING = SessionState()
# Seconds after an edit until the state that a page saves with the notebook is updated.
KEEP_SECONDS = 1.5


def _bundled(name: str) -> str:
    """Return a file of the frontend, or an empty text if it is not built yet, because its build imports this module."""
    path = STATIC / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


class SamWidget(Scripting, anywidget.AnyWidget, ipywidgets.ValueWidget):  # type: ignore[misc]
    """The interactive widget: click on an image, get masks.

    All state is in `session`, in Python; views draw it. Widget and session have the same methods, and every open view
    shows their effects, whether they are called from Python or from a view. The model runs in a separate thread.

    `prompt`, `candidates`, `chosen`, `score` and `objects` can be observed and linked, but only the session sets them;
    observers are called in the editing thread, after all of them are updated.
    """

    # Given as text, because for a path, anywidget creates a file watcher that keeps every widget alive forever.
    _esm = _bundled("loader.js")
    _css = _bundled("widget.css")
    _code = traitlets.Unicode(_bundled("widget.js"), help="The frontend, which `_esm` loads once per page.").tag(
        sync=True
    )

    state = traitlets.Dict(help="All that a view draws: `protocol.State`; only the kernel writes it.").tag(sync=True)
    saved = traitlets.Dict(help="`protocol.Saved` in a page without a kernel, else empty.").tag(sync=True)
    abilities = traitlets.Dict(
        None, allow_none=True, help="What views can do, if that is not everything: `kernel/abilities.ts`."
    ).tag(sync=True)
    candidates = traitlets.Tuple(
        read_only=True, help="The masks predicted for the prompt: `Candidate`, in the model's own order."
    )
    chosen = traitlets.Any(
        None, allow_none=True, read_only=True, help="The candidate that `accept` would use, or None."
    )
    objects = traitlets.Tuple(read_only=True, help="The accepted objects: `SegmentedObject`, oldest first.")
    prompt = traitlets.Any(None, allow_none=True, read_only=True, help="The current `Prompt`.")
    score = traitlets.Float(None, allow_none=True, read_only=True, help="Score of the chosen candidate, or None.")
    value = traitlets.Any(None, read_only=True, help="The same as `chosen`: what `ipywidgets.interactive` watches.")

    @door
    def __init__(
        self,
        image: Any,
        *,
        model: str | Path | Sam | Predictor | None = None,
        autosave: str | Path | None = None,
        keep_image: bool = True,
        record: Record | None = None,
    ) -> None:
        """Open an image. Returns immediately; URLs, the model and the embedding are loaded in the background.

        Args:
            image: Path, URL, bytes, PIL image, array (any dtype and number of channels; HW, HWC, CHW) or tensor.
            model: A name or checkpoint path, a loaded model, the address of a server, or a predictor.
                None for the server of $SAM_WIDGET_SERVER, if it is set, and else for "tiny".
            autosave: A session file, such as "truck.sam". If it exists, its session is restored, including history.
                Every later edit is on disk before a view shows it.
            keep_image: Embed the image in a new session file, so that it opens without the photo.
            record: The record to continue; `load` passes it.

        Raises:
            ImageError: The image cannot be read. Errors of a URL are shown in the widget instead, and raised by the
                first method that needs the image.
            ModelError: There is no model of that name, and no such file.
            SessionError: Another kernel is writing the session file, it is damaged, or about another image.
        """
        opener = ImageOpener(
            image,
            model=default_model() if model is None else model,
            autosave=autosave,
            keep_image=keep_image,
            record=record,
        )
        self._start(opener)

    def _start(self, opener: Opener, *targets: Target) -> None:
        """Connect the parts, and start to open the first image.

        Args:
            opener: Opens sessions.
            targets: Objects whose methods views may call, in addition to those of every widget and its session.
        """
        if not (self._esm and self._code):
            raise SamWidgetError(f"the widget's frontend is missing ({STATIC}); run `make build` or `pip install .`")
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
        if opener.decodes_in_view:
            decoding = ViewDecoding(self._stage, self._replies)
            self._dispatcher.serve(Target(ViewDecoding, lambda: decoding))
        self._hang_up: Callable[[], None] = lambda: None
        # Given at once, because views read them first.
        super().__init__(abilities=abilities(self._dispatcher.requests) if opener.decodes_in_view else None)
        # ipywidgets would keep it after the widget is closed.
        self._own_layout = self.layout
        self.on_msg(self._receive)
        # A view that runs the model does not ask the kernel while the pointer moves.
        if not opener.decodes_in_view and (heard := listener()) is not None:
            self._publisher.line = heard.register(self.model_id, self._dispatcher.receive_directly)
            self._hang_up = partial(heard.unregister, self.model_id)
        self._publish()
        self._dispatcher.call(self._stage.open)

    def _send(self, msg: dict[str, Any], buffers: Any = None) -> None:
        """Send a message of any kind, including all of ipywidgets' own."""
        super()._send(msg, buffers)
        # From 7.4 on ipykernel takes a view's next message for a reply, due in the shell that this one was sent from,
        # and that may run a cell for long. Here nothing waits for replies: a message's own subshell is right.
        getattr(self.comm, "__dict__", {}).pop("_reply_subshell_id", None)

    def _get_embed_state(self, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002  ipywidgets' own
        """Return the state that ipywidgets embeds in a page, with photo and masks, which cannot be requested there.

        Default values, such as the view's code, are included too, because a page does not know an anywidget's defaults.
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
        """The session of this widget. Waits until the image and the model are loaded.

        Raises:
            SamWidgetError: They could not be loaded.
        """
        return self._stage.session

    def __repr__(self) -> str:
        """Return one line: the displayed image, its status, and the number of objects."""
        if "_stage" not in vars(self):
            return f"<{type(self).__name__}>"
        count = len(self.objects)
        what = f"{count} object{'' if count == 1 else 's'}"
        return f"<{type(self).__name__} of {self._stage.shown.title}: {self._stage.status}, {what}>"

    def get_interact_value(self) -> np.ndarray | None:
        """Return the value for `f` in `ipywidgets.interactive(f, mask=w)`: the chosen mask, (H, W) bool, or None."""
        return None if self.chosen is None else np.asarray(self.chosen.mask)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the live view, and a picture for saved notebooks in places where no view can run.

        If a program runs the notebook, no one will see a live view: only the picture is returned, once it is available.
        """
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        alone = nobody_is_there()
        if alone:
            # The error is in the state, and raised by the first method that needs the image.
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
        """Open a saved session in a widget; see `Session.load`.

        Raises:
            SessionError: The file does not exist, is damaged, of a newer version or open in another kernel, or its
                image cannot be found or is a different one.
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

    @door
    def save_page(self, path: str | Path, *, any_photo: bool = False) -> Path:
        """Write one HTML file that hovers, clicks and scores without a kernel, a server or a network.

        It opens by a double click, and has the photo, the session with its history, and the model's decoder: points,
        boxes, three masks with scores, labels, undo, export to COCO and PNG. "Continue in Jupyter" downloads a session
        file for `SamWidget.load`. A photo that takes more than 4 MB as PNG is shown as JPEG, and is not in that file,
        which names it instead.

        Args:
            path: Path of the file, such as "cat.html"; an existing file is replaced.
            any_photo: Whether the page also opens photos that are dropped on it, pasted or chosen. Such a page takes 22
                MB, and needs the extra `page` to be written.

        Returns:
            The path.

        Raises:
            MissingExtraError: The widget uses another model than `tiny`, which needs the extra `page`.
            ModelError: The widget's model cannot be in a page, for example because it was tuned.
            SessionError: The file cannot be written.
        """
        from sam_widget.page.page import write_page

        return write_page(self.session, path, any_photo=any_photo)

    def close(self) -> None:
        """Stop the worker, close every view, and close the session file."""
        # ipywidgets closes deleted widgets, even if __init__ has rejected the arguments.
        if "_dispatcher" in vars(self):
            self._hang_up()
            self._later.close()
            self._output.close()
            self._dispatcher.close()
            self._stage.close()
        if "_own_layout" in vars(self):
            self._own_layout.close()
        super().close()

    # ------------------------------------------------------------------------------------------------ the wire

    def _receive(self, _widget: object, content: object, buffers: Sequence[bytes] | None) -> None:
        """Receive a message from a view. Never blocks on the model."""
        self._dispatcher.receive(content, buffers or ())

    def _should_send_property(self, key: str, value: Any) -> bool:
        """Whether ipywidgets sends a trait when it changes: not the state, of which only the changes are sent."""
        return key != "state" and bool(super()._should_send_property(key, value))

    def _keep_state(self) -> None:
        """Send the whole state, which pages save with the notebook."""
        with self._publisher.wire:
            self.send_state("state")

    def _show_state(self, state: dict[str, Any]) -> None:
        self.state = state
        self._later.ask()
        self._output.follow()

    def _publish(self) -> None:
        """Publish the current state to all views and to the observers of the traits.

        Never raises: the edit is complete, and errors in a view or an observer must not break the widget.
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
        # Set together, so that an observer of one finds the others up to date.
        with self.hold_trait_notifications():
            self.set_trait("prompt", None if session is None else now.prompt)
            self.set_trait("candidates", now.candidates)
            self.set_trait("objects", now.objects)
            self.set_trait("chosen", now.chosen)
            self.set_trait("value", now.chosen)
            self.set_trait("score", None if now.chosen is None else now.chosen.score)

    def _send_to_all(self, message: dict[str, Any], buffers: Sequence[bytes]) -> None:
        self.send(message, buffers)
