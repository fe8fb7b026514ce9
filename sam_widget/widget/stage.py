"""The displayed image, its session, and its loading status, shared by the widget, its views and requests."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from sam_widget.errors import SamWidgetError
from sam_widget.predictor.in_view import ViewPredictor
from sam_widget.predictor.interface import Queued
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.session import Session
from sam_widget.widget.opening import Opener, Shown
from sam_widget.widget.replies import told
from sam_widget.widget.state import Status
from sam_widget.widget.threads import one_core_left
from sam_widget.widget.throttle import Throttle

log = logging.getLogger(__name__)

# Decodes that take this long, in milliseconds, are slow even if the measurement is disturbed.
SLOW_MS = 500
# Views hover by default if a decode takes at most this long; `hover.ts` has the same constant.
HOVER_MS = 80
# Number of recent decodes of which the shortest counts.
REMEMBERED = 8
# The model that answers while a server does not.
STAND_IN = "tiny"
# Seconds of inactivity after which slow decodes are measured again.
AGAIN_SECONDS = (2.0, 5.0, 15.0, 60.0)


class Stage:
    """Opens the images of an opener, and reports the status."""

    def __init__(
        self, opener: Opener, *, call: Callable[[Callable[[], None]], object], publish: Callable[[], None]
    ) -> None:
        """Prepare the first image.

        Args:
            opener: Opens sessions.
            call: Runs a function in the worker's thread.
            publish: Publishes the stage to every view; called after every change.
        """
        self._opener, self._call, self.publish = opener, call, publish
        self.shown = opener.first()
        self.status: Status = "loading"
        self.message = f"Opening {self.shown.title}…"
        self._times: deque[float] = deque(maxlen=REMEMBERED)
        self._again = Throttle(partial(call, self._measure_again), seconds=0)
        self._pauses = list(AGAIN_SECONDS)
        self._heed_no_queue: Callable[[], None] | None = None
        # Why another model answers at present; empty if the session's own does.
        self._reason = ""

    @property
    def decode_ms(self) -> float | None:
        """The duration of a decode in milliseconds: the shortest of recent ones, because other load only adds to it."""
        times = tuple(self._times)
        return round(min(times), 1) if times else None

    @property
    def session(self) -> Session:
        """The displayed session. Waits until the image and the model are loaded.

        Raises:
            SamWidgetError: They could not be loaded.
        """
        return self.shown.session.result()

    @property
    def meanwhile(self) -> str:
        """Why another model answers at present, as a sentence; empty if the session's own does."""
        reason = self._reason
        return f"{reason[0].upper()}{reason[1:]}; {STAND_IN} answers meanwhile." if reason else ""

    def say(self, status: Status, message: str) -> None:
        """Publish a status to every view."""
        self.status, self.message = status, message
        self.publish()

    def open(self) -> None:
        """Open the session of the displayed image, in the worker's thread."""
        shown = self.shown
        try:
            session = self._opener.open(shown, lambda message: self.say("loading", message))
            session.on_change(self.publish)
            session.timed = self._timed
            shown.session.set_result(session)
            self._heed_server(shown, session)
            if isinstance(session.predictor, ViewPredictor):
                # The view encodes the image, and `encoded` says so.
                self.say("embedding", f"This page encodes {shown.title}…")
                return
            if self.decode_ms is not None and session.predictor.has(session.image_hash):
                self.say("ready", "")
            else:
                self.say("embedding", f"Embedding {shown.title} with {session.predictor.model.name}…")
        except Exception as error:  # noqa: BLE001  it is shown, and logged where it is a fault of ours
            self._fail(shown, error)
        self._opener.embed(shown, lambda error: self._call(lambda: self._embedded(shown, error)))

    def encoded(self, milliseconds: float) -> None:
        """Report that a view has encoded the displayed image, and how long a decode takes there."""
        self._times.append(milliseconds)
        if self.status == "embedding":
            self.say("ready", "")
        else:
            self.publish()

    def _embedded(self, shown: Shown, error: Exception | None) -> None:
        """Measure decodes once the image is embedded, and report that it is ready."""
        if shown is not self.shown or self.status != "embedding":
            return
        try:
            if error is not None:
                raise error
            if self.decode_ms is None:
                self.measure()
        except Exception as failure:  # noqa: BLE001  as above
            self._fail(shown, failure)
        else:
            self.say("ready", "")

    def _heed_server(self, shown: Shown, session: Session) -> None:
        """If a server embeds the image, say which place it has in the queue, and let `tiny` answer meanwhile."""
        if self._heed_no_queue is not None:
            self._heed_no_queue()
            self._heed_no_queue = None
        self._reason = ""
        if not isinstance(session.predictor, Queued):
            return

        def waiting(image_hash: str, place: int, seconds: float) -> None:
            if shown is not self.shown or image_hash != session.image_hash:
                return
            queued = f"{shown.title} is number {place} in the queue: about {math.ceil(seconds)} s"
            if self.status == "embedding":
                self.say("embedding", f"{queued}…")
            elif self._reason:
                self._reason = queued
                self.publish()

        def told(reason: str | None) -> None:
            # In the worker's thread, after the answer that was the reason.
            self._call(lambda: self._changed_hands(shown, session, reason))

        self._heed_no_queue = session.predictor.on_wait(waiting)
        session.stand_in(STAND_IN, told)

    def _changed_hands(self, shown: Shown, session: Session, reason: str | None) -> None:
        """Say who answers from now on; once the server does, decode the prompt again."""
        if shown is not self.shown:
            return
        self._reason = reason or ""
        if reason is None:
            session.answer_again()
        self.publish()

    def measure(self) -> None:
        """Measure the duration of a decode; if it is long, measure again later: the machine may just be busy."""
        self._times.append(decode_ms(self.session))
        self._measure_later()

    def _measure_later(self) -> None:
        if (self.decode_ms or 0) > HOVER_MS and self._pauses:
            self._again.ask(seconds=self._pauses.pop(0))

    def _measure_again(self) -> None:
        """Measure again, in the worker's thread, unless real decodes have been fast meanwhile."""
        session = self.shown.session_if_open()
        if session is None or self.status != "ready" or (self.decode_ms or 0) <= HOVER_MS:
            return
        self._timed(decode_ms(session))
        self._measure_later()

    def _timed(self, milliseconds: float) -> None:
        """Record the duration of a decode; publish it if it changes whether views hover."""
        if not self._times:
            return  # it may include embedding the image
        before = self.decode_ms or 0
        self._times.append(milliseconds)
        if (before > HOVER_MS) != ((self.decode_ms or 0) > HOVER_MS):
            # Not in this thread, because an edit holds the session's lock.
            self._call(self.publish)

    def _fail(self, shown: Shown, error: Exception) -> None:
        """Report that the image could not be opened."""
        if not isinstance(error, SamWidgetError):
            log.error("could not open %s", shown.title, exc_info=error)
        if not shown.session.done():
            shown.session.set_exception(error)
        self.say("error", told(error))

    def close(self) -> None:
        """Close the session and its file."""
        self._again.close()
        if self._heed_no_queue is not None:
            self._heed_no_queue()
        self._opener.close()
        self.shown.forget()


def decode_ms(session: Session) -> float:
    """Return the duration of a decode in milliseconds: the shortest of three, executed like in the worker.

    Other load, such as rendering a notebook, only adds to it. If the second one is slow too, a third would only keep
    the user waiting.
    """
    width, height = session.size
    middle = Prompt().with_point(width / 2, height / 2)
    predictor, embedding = session.answering
    times: list[float] = []
    with one_core_left():
        while len(times) < 2 or (len(times) < 3 and times[-1] <= SLOW_MS):
            start = time.perf_counter()
            predictor.answer(embedding, middle)
            times.append(1000 * (time.perf_counter() - start))
    return round(min(times), 1)
