"""What is on show: the image, its session, and how far opening it is. The widget, its views and requests share it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from sam_widget.errors import SamWidgetError
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.session import Session
from sam_widget.widget.opening import Opener, Shown
from sam_widget.widget.replies import told
from sam_widget.widget.state import Status
from sam_widget.widget.threads import one_core_left
from sam_widget.widget.throttle import Throttle

log = logging.getLogger(__name__)

# An answer that takes this long, in milliseconds, is slow however it is measured.
SLOW_MS = 500
# Views hover by themselves where an answer takes at most this long; `hover.ts` has the same number.
HOVER_MS = 80
# Answers that are remembered: the shortest of them is how long an answer takes here.
REMEMBERED = 8
# Seconds after which slow answers are measured again, with nothing asked meanwhile.
AGAIN_SECONDS = (2.0, 5.0, 15.0, 60.0)


class Stage:
    """Opens what an opener gives, and says how far that is."""

    def __init__(
        self, opener: Opener, *, call: Callable[[Callable[[], None]], object], publish: Callable[[], None]
    ) -> None:
        """Take up the first image.

        Args:
            opener: Opens sessions.
            call: Runs a function in the thread that answers prompts.
            publish: Shows the stage to every view; called after every change.
        """
        self._opener, self._call, self.publish = opener, call, publish
        self.shown = opener.first()
        self.status: Status = "loading"
        self.message = f"Opening {self.shown.title}…"
        self._times: deque[float] = deque(maxlen=REMEMBERED)
        self._again = Throttle(partial(call, self._measure_again), seconds=0)
        self._pauses = list(AGAIN_SECONDS)

    @property
    def decode_ms(self) -> float | None:
        """How long an answer takes here: whatever else the machine does only adds to the shortest of the last ones."""
        times = tuple(self._times)
        return round(min(times), 1) if times else None

    @property
    def session(self) -> Session:
        """The session that is shown. Waits until the image and the model are there.

        Raises:
            SamWidgetError: They could not be opened.
        """
        return self.shown.session.result()

    def say(self, status: Status, message: str) -> None:
        """Tell every view what is happening."""
        self.status, self.message = status, message
        self.publish()

    def open(self) -> None:
        """Open the session of what is shown, in the thread that answers prompts."""
        shown = self.shown
        try:
            session = self._opener.open(shown, lambda message: self.say("loading", message))
            session.on_change(self.publish)
            session.timed = self._timed
            shown.session.set_result(session)
            if self.decode_ms is not None and session.predictor.has(session.image_hash):
                self.say("ready", "")
            else:
                self.say("embedding", f"Embedding {shown.title} with {session.predictor.model.name}…")
        except Exception as error:  # noqa: BLE001  it is shown, and logged where it is a fault of ours
            self._fail(shown, error)
        self._opener.embed(shown, lambda error: self._call(lambda: self._embedded(shown, error)))

    def _embedded(self, shown: Shown, error: Exception | None) -> None:
        """Measure answers once the image is embedded, and say that it is ready."""
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

    def measure(self) -> None:
        """Measure how long an answer takes; again later, where that is long: the machine may be busy only now."""
        self._times.append(decode_ms(self.session))
        self._measure_later()

    def _measure_later(self) -> None:
        if (self.decode_ms or 0) > HOVER_MS and self._pauses:
            self._again.ask(seconds=self._pauses.pop(0))

    def _measure_again(self) -> None:
        """Measure again, in the thread that answers prompts, unless real answers have been fast meanwhile."""
        session = self.shown.session_if_open()
        if session is None or self.status != "ready" or (self.decode_ms or 0) <= HOVER_MS:
            return
        self._timed(decode_ms(session))
        self._measure_later()

    def _timed(self, milliseconds: float) -> None:
        """Take note of an answer; tell the views if it makes them hover, or no longer."""
        if not self._times:
            return  # It may have embedded the image.
        before = self.decode_ms or 0
        self._times.append(milliseconds)
        if (before > HOVER_MS) != ((self.decode_ms or 0) > HOVER_MS):
            # Not here: an edit holds the session.
            self._call(self.publish)

    def _fail(self, shown: Shown, error: Exception) -> None:
        """Show that the image could not be opened."""
        if not isinstance(error, SamWidgetError):
            log.error("could not open %s", shown.title, exc_info=error)
        if not shown.session.done():
            shown.session.set_exception(error)
        self.say("error", told(error))

    def close(self) -> None:
        """Close the session and its file."""
        self._again.close()
        self._opener.close()
        self.shown.forget()


def decode_ms(session: Session) -> float:
    """Return how many milliseconds an answer takes: the shortest of three, made as the worker makes them.

    Whatever else the machine does, such as showing a notebook, only adds to it. Where the second is slow, too, a third
    would only keep people waiting.
    """
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
