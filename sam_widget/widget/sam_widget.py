"""SamWidget: a session in a notebook cell."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anywidget
import ipywidgets
import numpy as np
import traitlets

from sam_widget.errors import ImageError, PromptError, ProtocolError, SamWidgetError, SessionError
from sam_widget.image.pyramid import Pyramid
from sam_widget.image.rendering import SourceImage
from sam_widget.image.sources import describe, is_url
from sam_widget.prompts.geometry import Box
from sam_widget.session.file.reader import Record
from sam_widget.session.file.recorder import claim_record, open_record
from sam_widget.widget import protocol
from sam_widget.widget.conversions import prompt_from, vertices_from
from sam_widget.widget.delegates import Scripting
from sam_widget.widget.direct import Reply, listener
from sam_widget.widget.downloads import packed
from sam_widget.widget.replies import Answers, origin_of
from sam_widget.widget.state import MaskNames, Status, image_data, mask_message, rendering_from, saved_view, state_of
from sam_widget.widget.static_picture import nobody_is_there, picture_of
from sam_widget.widget.threads import one_core_left
from sam_widget.widget.worker import Worker

if TYPE_CHECKING:
    from sam_widget.model.sam import Sam
    from sam_widget.predictor.predictor import Predictor
    from sam_widget.session.everything import EverythingRun
    from sam_widget.session.session import Session

STATIC = Path(__file__).parent / "static"
log = logging.getLogger(__name__)

# A view may ask for no finer grid; from Python, there is no limit.
MOST_POINTS_PER_SIDE = 128
# What is answered by carrying it out: by its mask, and when the search is over.
_ANSWERED = protocol.Preview, protocol.Everything
# An answer that takes this long, in milliseconds, is slow however it is measured.
SLOW_MS = 500


def _title(image: Any) -> str:
    if isinstance(image, SourceImage):
        return image.reference.name
    return describe(image) if isinstance(image, str | Path) else "the image"


def _bundled(name: str) -> Path:
    path = STATIC / name
    if not path.is_file():
        raise SamWidgetError(f"the widget's frontend is missing ({path}); run `make build` or `pip install .`")
    return path


class Open:
    """The worker's first job: read the image, load the model, embed."""


class SamWidget(Scripting, anywidget.AnyWidget, ipywidgets.ValueWidget):  # type: ignore[misc]
    """Click on an image, get masks: the widget.

    All state lives in `session`, in Python; views draw it. The same methods work on widget and session, and whatever
    calls them, every open view shows the result. The model runs in a thread of its own.

    `prompt`, `candidates`, `chosen`, `score` and `objects` can be observed and linked, but only the session sets them;
    an observer is called in the thread that made the edit, when all of them are up to date.
    """

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
            record: What to go on with; `load` gives it.

        Raises:
            ImageError: The image cannot be read. A URL's error shows in the widget instead, and is raised by the first
                method that needs the image.
            SessionError: Another kernel is writing the session file, it is damaged, or about another image.
        """
        self._worker: Worker[protocol.Request | Open] = Worker(
            self._run,
            supersedes=_supersedes,
            superseded=self._superseded,
            name="sam_widget",
            between=self._search_on,
        )
        # The search for everything that a view has asked for, and what it is to be answered.
        self._search: tuple[protocol.Everything, EverythingRun] | None = None
        # Pictures need no model, and must not wait for one.
        self._painter: Worker[protocol.Tile] = Worker(
            self._paint, supersedes=lambda _new, _waiting: False, superseded=self._superseded, name="sam_widget tiles"
        )
        # Nor must whoever hovers and clicks wait for a part that is to be seen sharply later.
        self._sharpener: Worker[protocol.Sharpen] = Worker(
            self._run, supersedes=lambda _new, _waiting: True, superseded=self._superseded, name="sam_widget sharpening"
        )
        self._hang_up: Callable[[], None] = lambda: None
        self._source = self._read(image)
        self._title = _title(image)
        self._model = model
        self._opened: Future[Session] = Future()
        self._pyramid: Pyramid | None = None
        self._image: protocol.ImageData | None = None
        self._status: Status = "loading"
        self._message = f"Opening {self._title}…"
        self._names = MaskNames()
        self._decode_ms: float | None = None
        self._revision = 0
        # What a page asks for a direct line.
        self._line: str | None = None
        # Orders what is sent: the worker, the message thread and the user's own thread all publish.
        self._wire = threading.RLock()
        self._answers = Answers(self._send_to_all, lambda: self._revision, self._wire)
        self._keeping = autosave, keep_image
        self._record = record
        if record is None and autosave is not None:
            # At once: it needs no model to tell that another kernel has the file.
            self._record = claim_record(autosave, self._source if isinstance(self._source, SourceImage) else None)
        super().__init__()
        self.on_msg(self._receive)
        if (heard := listener()) is not None:
            self._line = heard.register(self.model_id, self._receive_directly)
            self._hang_up = partial(heard.unregister, self.model_id)
        self._publish()
        self._worker.put(Open())

    def _send(self, msg: dict[str, Any], buffers: Any = None) -> None:
        """Send a message of any kind: all of ipywidgets' own pass here."""
        super()._send(msg, buffers)
        # From 7.4 on ipykernel takes a view's next message for a reply, due in the shell that this one was sent from,
        # and that may run a cell for long. Here nothing waits for replies: a message's own subshell is right.
        getattr(self.comm, "__dict__", {}).pop("_reply_subshell_id", None)

    def _get_embed_state(self, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002  ipywidgets' own
        """What ipywidgets writes into a page. Nobody can be asked for photo and masks there, so they go along.

        So does all that is a default here, such as the view's code: a page knows no defaults of an anywidget.
        """
        with self._wire:
            embedded: dict[str, Any] = super()._get_embed_state(drop_defaults=False)
            if self._pyramid is not None:
                saved = saved_view(self._pyramid, self._names.all(), self._session_if_open())
                embedded["state"]["saved"] = protocol.to_json(saved)
        return embedded

    # ------------------------------------------------------------------------------------------------ for scripts

    @property
    def session(self) -> Session:
        """The session that this widget shows. Waits until the image and the model are there.

        Raises:
            SamWidgetError: They could not be opened.
        """
        return self._opened.result()

    def get_interact_value(self) -> np.ndarray | None:
        """Return what `ipywidgets.interactive(f, mask=w)` hands to `f`: the chosen mask, (H, W) bool, or None."""
        return None if self.chosen is None else np.asarray(self.chosen.mask)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the live view, and the picture that a saved notebook shows where none can run.

        Where a program runs the notebook, nobody will see a live view: then the picture comes alone, and is waited for.
        """
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        alone = nobody_is_there()
        if alone:
            # What went wrong is in the state, and raised by the first method that needs the image.
            with contextlib.suppress(Exception):
                self.session  # noqa: B018 - waits until it is open
        shown = self._session_if_open() or self._source
        if isinstance(shown, str | Path):
            return bundle  # A URL or file that is not read yet.
        data, metadata = dict(bundle[0]), dict(bundle[1])
        data["image/png"], metadata["image/png"] = picture_of(shown)
        if alone:
            data.pop("application/vnd.jupyter.widget-view+json", None)
        return data, metadata

    @classmethod
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
        if "_worker" in vars(self):  # ipywidgets closes what is deleted, even if its __init__ refused the arguments.
            self._worker.close()
            self._painter.close()
            self._sharpener.close()
            self._hang_up()
        record: Record | None = vars(self).get("_record")
        if record is not None:
            record.close()
        if "_opened" in vars(self) and (session := self._session_if_open()) is not None:
            session.close()
        super().close()

    # ---------------------------------------------------------------------------------------- the message thread

    def _receive(self, _widget: object, content: object, _buffers: object) -> None:
        """Take a message from a view. Never waits for the model."""
        try:
            request = protocol.parse_request(content)
        except SamWidgetError as error:
            self._answers.refuse_unread(content, error)
            return
        if isinstance(request, protocol.Hello):
            self._welcome()
            self._answers.done(request)
        elif isinstance(request, protocol.Tile):
            self._painter.put(request)
        elif isinstance(request, protocol.Sharpen) and request.later:
            self._sharpener.put(request)
        elif isinstance(request, protocol.Cancel):
            session = self._session_if_open()
            if session is not None:
                session.cancel()
            self._answers.done(request)
        else:
            self._worker.put(request)

    def _receive_directly(self, content: object, reply: Reply) -> None:
        """Take a question that came over a direct line: one that changes nothing, and is answered the same way."""
        self._answers.go_to(origin_of(content), reply)
        try:
            request = protocol.parse_request(content)
            if not isinstance(request, protocol.Preview):
                raise ProtocolError(f"over a direct line nothing but previews can be asked, not {request.type}")
        except SamWidgetError as error:
            self._answers.refuse_unread(content, error)
        else:
            self._worker.put(request)

    def _welcome(self) -> None:
        """Send every mask that the state names."""
        with self._wire:
            self._send_masks(self._names.all())

    # ------------------------------------------------------------------------------------------------ the worker thread

    def _run(self, job: protocol.Request | Open) -> None:
        if isinstance(job, Open):
            self._open()
            return
        # The answer first: the trait only repeats what views have been sent with their masks.
        trait = ExitStack()
        if isinstance(job, protocol.Predict):
            trait.enter_context(self.hold_sync())
        try:
            self._perform(job)
        except Exception as error:  # noqa: BLE001  the view must hear of it and go on working, whatever it was
            self._answers.refuse(job, error)
        else:
            if not isinstance(job, _ANSWERED):
                self._answers.done(job)
        finally:
            with self._wire:
                trait.close()

    def _search_on(self) -> bool:
        """Ask about some more points for `everything`; returns whether there is more to do."""
        if self._search is None:
            return False
        request, search = self._search
        try:
            with one_core_left():
                more = search.advance()
        except Exception as error:  # noqa: BLE001  as above
            more = False
            self._answers.refuse(request, error)
        else:
            if not more:
                self._answers.done(request)
        if not more:
            self._search = None
        return more

    def _read(self, image: Any) -> Any:
        """Read what is quickly read, in the thread that makes the widget."""
        return image if is_url(image) or isinstance(image, SourceImage) else SourceImage(image)

    def _open_session(self) -> Session:
        source = self._source if isinstance(self._source, SourceImage) else SourceImage(self._source)
        self._pyramid = Pyramid(source)
        self._image = image_data(self._pyramid)
        self._say("loading", "Loading the model…")
        from sam_widget.session.session import Session  # Imports torch: seconds, once.

        session = Session(source, model=self._model, progress=self._downloaded)
        self._resume(session)
        return session

    def _open(self) -> None:
        try:
            session = self._open_session()
            session.on_change(self._publish)
            self._opened.set_result(session)
            self._say("embedding", f"Embedding {self._title} with {session.predictor.model.name}…")
            self._decode_ms = decode_ms(session)
            self._say("ready", "")
        except Exception as error:  # noqa: BLE001  it is shown, and logged where it is a fault of ours
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Show that the image could not be opened."""
        expected = isinstance(error, SamWidgetError)
        if not expected:
            log.error("could not open %s", self._title, exc_info=error)
        if not self._opened.done():
            self._opened.set_exception(error)
        self._say("error", str(error) if expected else f"{type(error).__name__}: {error}")

    def _resume(self, session: Session) -> None:
        """Go on with what was saved, and save to the file from now on."""
        if self._record is not None:
            autosave, keep_image = self._keeping
            if self._record.contents is not None:
                self._record.check(session.source)
            session.resume(self._record, autosave=autosave, keep_image=keep_image)

    def _downloaded(self, done: int, total: int) -> None:
        """Say how far a download is, at most once a percent: every word is a message to every view."""
        percent = 100 * done // total if total else 0
        message = f"Downloading {self._model}: {percent}% of {total / 1e6:.0f} MB"
        if message != self._message:
            self._say("loading", message)

    def _perform(self, request: protocol.Request) -> None:
        """Carry out a view's request on the session."""
        session = self.session
        match request:
            case protocol.Predict():
                with one_core_left():
                    session.set_prompt(prompt_from(request.prompt, self._names.prompts))
            case protocol.Preview():
                prompt = prompt_from(request.prompt, self._names.prompts)
                with one_core_left():
                    found = session.predict_best(prompt)
                self._answers.preview(request, found)
            case protocol.Choose():
                session.choose(request.index)
            case protocol.Accept():
                session.accept(request.label)
            case protocol.Remove():
                session.remove(*request.objects)
            case protocol.Rename():
                session.relabel(request.objects, request.label)
            case protocol.Recolor():
                session.recolor(request.object, request.color)
            case protocol.Edit():
                session.edit(request.object)
            case protocol.Merge():
                session.merge(request.objects)
            case protocol.Subtract():
                session.subtract(request.object, request.other)
            case protocol.Brush():
                session.brush(vertices_from(request.vertices), request.radius, request.label)
            case protocol.Refine():
                session.refine()
            case protocol.Adjust():
                session.adjust(**dataclasses.asdict(request.settings), gesture=request.gesture)
            case protocol.Undo():
                session.undo()
            case protocol.Redo():
                session.redo()
            case protocol.Clear():
                session.clear()
            case protocol.Render():
                self._say("embedding", f"Embedding {self._title}, rendered anew…")
                try:
                    session.set_rendering(rendering_from(request.rendering))
                    self._decode_ms = decode_ms(session)
                finally:
                    self._say("ready", "")
            case protocol.Sharpen(region=region, later=later):
                box = None if region is None else Box.from_corners(region.x0, region.y0, region.x1, region.y1)
                if later:
                    session.sharpen(box, later=True)
                    return
                self._say("embedding", "Sharpening what you look at…")
                try:
                    session.sharpen(box)
                finally:
                    self._say("ready", "")
            case protocol.Everything():
                side = request.points_per_side
                if not 1 <= side <= MOST_POINTS_PER_SIDE:
                    raise PromptError(f"{side} points a side are none to ask about; give 1 to {MOST_POINTS_PER_SIDE}")
                self._search = request, session.begin_everything(points_per_side=side)
            case protocol.Export():
                self._answers.file(request, *packed(session, request.format))
            case protocol.Show() | protocol.Mark():
                raise SessionError("this widget shows one image; sw.Gallery(folder) goes through many")

    def _paint(self, request: protocol.Tile) -> None:
        """Send the view that asked a tile of the image."""
        try:
            if self._pyramid is None:
                raise ImageError("the image is not there yet; ask again once the state names it")
            rendering = rendering_from(request.rendering)
            mime, picture = self._pyramid.encoded(request.level, request.column, request.row, rendering)
            self._answers.tile(request, mime, picture)
        except Exception as error:  # noqa: BLE001  as in `_run`
            self._answers.refuse(request, error)
        else:
            self._answers.done(request)

    def _superseded(self, job: protocol.Request | Open) -> None:
        if not isinstance(job, Open):
            self._answers.superseded(job)

    # ------------------------------------------------------------------------------------------------ sending

    def _session_if_open(self) -> Session | None:
        return self._opened.result() if self._opened.done() and not self._opened.exception() else None

    def _say(self, status: Status, message: str) -> None:
        self._status, self._message = status, message
        self._publish()

    def _publish(self) -> None:
        """Show the present state everywhere: new masks first, then the state that names them."""
        with self._wire:
            self._revision += 1
            session = self._session_if_open()
            state = state_of(
                session,
                self._names,
                revision=self._revision,
                status=self._status,
                message=self._message,
                model=str(session.predictor.model.name if session else ""),
                decode_ms=self._decode_ms,
                image=self._image,
                direct=self._line,
            )
            self._send_masks(self._names.unsent(), state)
            self.state = protocol.to_json(state)
            if session is not None:
                now = session.state
                # An observer of one of them finds the others up to date, too.
                with self.hold_trait_notifications():
                    self.set_trait("prompt", now.prompt)
                    self.set_trait("candidates", now.candidates)
                    self.set_trait("objects", now.objects)
                    self.set_trait("chosen", now.chosen)
                    self.set_trait("value", now.chosen)
                    self.set_trait("score", None if now.chosen is None else now.chosen.score)

    def _send_to_all(self, message: dict[str, Any], buffers: Sequence[bytes]) -> None:
        self.send(message, buffers)

    def _send_masks(self, masks: list[tuple[str, Any]], state: protocol.State | None = None) -> None:
        if masks:
            parts = [mask_message(name, mask) for name, mask in masks]
            message = protocol.Masks([data for data, _ in parts], state)
            self.send(protocol.to_json(message), [runs for _, runs in parts])


def _supersedes(new: protocol.Request | Open, waiting: protocol.Request | Open) -> bool:
    """A prompt is whole, so the newest one makes an older one worthless; a preview is, once anything newer is asked.

    So are the settings of a slider that has moved on since, and the way to an image once another one is asked for.
    """
    if isinstance(new, protocol.Adjust) and isinstance(waiting, protocol.Adjust):
        return new.gesture == waiting.gesture
    return isinstance(waiting, protocol.Preview) or (
        type(new) is type(waiting) and isinstance(new, protocol.Predict | protocol.Show)
    )


def decode_ms(session: Session) -> float:
    """Return how many milliseconds an answer takes: the shortest of three, made as the worker makes them.

    What the machine does besides, such as showing a notebook, only adds to it. Where the second is slow, too, nobody
    should wait for a third.
    """
    from sam_widget.prompts.prompt import Prompt

    width, height = session.size
    middle = Prompt().with_point(width / 2, height / 2)
    embedding = session.embedding
    times: list[float] = []
    with one_core_left():
        while len(times) < 2 or (len(times) < 3 and times[-1] <= SLOW_MS):
            start = time.perf_counter()
            session.predictor.answer(embedding, middle)
            times.append(1000 * (time.perf_counter() - start))
    return round(min(times), 1)
