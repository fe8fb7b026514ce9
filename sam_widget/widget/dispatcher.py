"""Dispatch each message to its method, in the appropriate thread, and send its single answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from sam_widget.errors import ProtocolError, SamWidgetError, SessionError
from sam_widget.widget.conversions import MaskPrompts
from sam_widget.widget.direct import Send
from sam_widget.widget.protocol import Request
from sam_widget.widget.replies import Replies, id_of
from sam_widget.widget.verbs import Verb, Verbs, read_request, verbs_of
from sam_widget.widget.worker import Worker

# Returned by methods that answer their request themselves, now or later.
ANSWERED = object()


@dataclass(frozen=True)
class Target:
    """An object whose marked methods views may call.

    Attributes:
        kind: The object's class.
        find: Returns the object; may block or raise.
    """

    kind: type
    find: Callable[[], object]


@dataclass(frozen=True, eq=False)
class _Asked:
    """A request from a view."""

    verb: Verb
    target: Target
    request: Request
    buffers: Sequence[bytes] = ()


@dataclass(frozen=True, eq=False)
class _Call:
    """A function call from Python, queued between the requests of views."""

    function: Callable[[], None]
    finished: Future[None] = field(default_factory=Future)


_Job = _Asked | _Call


class Dispatcher:
    """Executes requests in order, in worker threads unless they are marked for the receiving thread."""

    def __init__(self, replies: Replies, masks: MaskPrompts) -> None:
        """Create a dispatcher; its threads start with their first jobs.

        Args:
            replies: Sends the answers.
            masks: The mask prompts that views may refer to.
        """
        self._replies, self._masks = replies, masks
        self._targets: dict[str, Target] = {}
        self._verbs: Verbs = {}
        # Runs one step of a long task whenever no request waits; see `Worker`.
        self.between: Callable[[], bool] = lambda: False
        self._worker: Worker[_Job] = Worker(
            self._run,
            supersedes=_supersedes,
            superseded=self._superseded,
            name="sam_widget",
            between=lambda: self.between(),  # noqa: PLW0108  it is set later
        )
        # Tiles do not need the model, and must not wait for it.
        self._painter: Worker[_Job] = Worker(
            self._run, supersedes=lambda _new, _waiting: False, superseded=self._superseded, name="sam_widget tiles"
        )
        # Answers must not wait for a crop that is embedded for later.
        self._sharpener: Worker[_Job] = Worker(
            self._run, supersedes=lambda _new, _waiting: True, superseded=self._superseded, name="sam_widget sharpening"
        )

    def serve(self, *targets: Target) -> None:
        """Set the objects whose marked methods views may call."""
        for target in targets:
            verbs = verbs_of(target.kind)
            self._verbs |= verbs
            self._targets |= dict.fromkeys(verbs, target)

    def receive(self, content: object, buffers: Sequence[bytes] = ()) -> None:
        """Receive a message from a view, with its buffers. Never blocks on the model."""
        try:
            asked = self._read(content, buffers)
        except SamWidgetError as error:
            self._replies.refuse_unread(content, error)
            return
        lane = asked.verb.mark.lane
        if lane == "now":
            self._run(asked)
        elif lane == "tiles":
            self._painter.put(asked)
        elif getattr(asked.request, "later", False) is True:
            self._sharpener.put(asked)
        else:
            self._worker.put(asked)

    def receive_directly(self, content: object, send: Send) -> None:
        """Receive a read-only request from a direct line, over which it is answered."""
        self._replies.go_to(id_of(content), send)
        try:
            asked = self._read(content)
            if not asked.verb.mark.passing:
                raise ProtocolError(f"only previews can be asked over a direct line, not {asked.verb.mark.name}")
        except SamWidgetError as error:
            self._replies.refuse_unread(content, error)
        else:
            self._worker.put(asked)

    def call(self, function: Callable[[], None]) -> Future[None]:
        """Call a function in the worker's thread, after the waiting jobs."""
        job = _Call(function)
        self._worker.put(job)
        return job.finished

    def close(self) -> None:
        """End the threads after their current jobs; waiting jobs are superseded."""
        for worker in (self._worker, self._painter, self._sharpener):
            worker.close()

    @property
    def requests(self) -> list[str]:
        """The names of the requests that are served."""
        return list(self._verbs)

    def _read(self, content: object, buffers: Sequence[bytes] = ()) -> _Asked:
        verb, request = read_request(content, self._verbs)
        return _Asked(verb, self._targets[verb.mark.name], request, buffers)

    def _run(self, job: _Job) -> None:
        if isinstance(job, _Call):
            try:
                job.function()
            except Exception as error:  # noqa: BLE001  it is raised where the result is asked for
                job.finished.set_exception(error)
            else:
                job.finished.set_result(None)
            return
        try:
            result = job.verb.call(job.target.find(), job.request, self._masks, job.buffers)
        except Exception as error:  # noqa: BLE001  whatever it was, the view is told and keeps working
            self._replies.refuse(job.request, error)
        else:
            if result is not ANSWERED:
                self._replies.done(job.request)

    def _superseded(self, job: _Job) -> None:
        if isinstance(job, _Call):
            job.finished.set_exception(SessionError("this widget is closed; make a new one"))
        else:
            self._replies.superseded(job.request)


def _supersedes(new: _Job, waiting: _Job) -> bool:
    """Whether a newer job supersedes the waiting job directly before it; see `Remote`.

    Requests of a gesture only supersede those of the same gesture.
    """
    if not isinstance(waiting, _Asked):
        return False
    if waiting.verb.mark.passing:
        return True
    if not isinstance(new, _Asked) or new.verb is not waiting.verb or not new.verb.mark.latest:
        return False
    return bool(getattr(new.request, "gesture", None) == getattr(waiting.request, "gesture", None))
