"""From a message to the method that carries it out, in the thread that is right for it, and to its one answer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from sam_widget.errors import ProtocolError, SamWidgetError, SessionError
from sam_widget.widget.conversions import MaskPrompts
from sam_widget.widget.direct import Send
from sam_widget.widget.protocol import Request
from sam_widget.widget.replies import Replies, id_of
from sam_widget.widget.verbs import Verb, Verbs, read_request, verbs_of
from sam_widget.widget.worker import Worker

# What a method returns when it has answered its request itself, or will.
ANSWERED = object()


@dataclass(frozen=True)
class Target:
    """An object whose marked methods views may call.

    Attributes:
        kind: Its class.
        find: Returns the object; may wait, and raise.
    """

    kind: type
    find: Callable[[], object]


@dataclass(frozen=True, eq=False)
class _Asked:
    """A request of a view."""

    verb: Verb
    target: Target
    request: Request


@dataclass(frozen=True, eq=False)
class _Call:
    """Something that Python wants done between the requests of views."""

    function: Callable[[], None]
    finished: Future[None] = field(default_factory=Future)


_Job = _Asked | _Call


class Dispatcher:
    """Carries out requests, one after the other, and never in the thread that receives them unless they say so."""

    def __init__(self, replies: Replies, masks: MaskPrompts) -> None:
        """Make a dispatcher; its threads start with their first jobs.

        Args:
            replies: Where answers go.
            masks: The mask prompts that views may name.
        """
        self._replies, self._masks = replies, masks
        self._targets: dict[str, Target] = {}
        self._verbs: Verbs = {}
        # Does a part of something long whenever no request waits; see `Worker`.
        self.between: Callable[[], bool] = lambda: False
        self._worker: Worker[_Job] = Worker(
            self._run,
            supersedes=_supersedes,
            superseded=self._superseded,
            name="sam_widget",
            between=lambda: self.between(),  # noqa: PLW0108  it is set later
        )
        # Pictures need no model, and must not wait for one.
        self._painter: Worker[_Job] = Worker(
            self._run, supersedes=lambda _new, _waiting: False, superseded=self._superseded, name="sam_widget tiles"
        )
        # Nor must answers wait for a part of the image that is embedded for later.
        self._sharpener: Worker[_Job] = Worker(
            self._run, supersedes=lambda _new, _waiting: True, superseded=self._superseded, name="sam_widget sharpening"
        )

    def serve(self, *targets: Target) -> None:
        """Say whose marked methods views may call."""
        for target in targets:
            verbs = verbs_of(target.kind)
            self._verbs |= verbs
            self._targets |= dict.fromkeys(verbs, target)

    def receive(self, content: object) -> None:
        """Take a message from a view. Never waits for the model."""
        try:
            asked = self._read(content)
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
        """Take a question that came over a direct line: one that changes nothing, and is answered the same way."""
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
        """Call a function in the worker's thread, after what waits there."""
        job = _Call(function)
        self._worker.put(job)
        return job.finished

    def close(self) -> None:
        """End the threads after what they are doing; what waits is superseded."""
        for worker in (self._worker, self._painter, self._sharpener):
            worker.close()

    def _read(self, content: object) -> _Asked:
        verb, request = read_request(content, self._verbs)
        return _Asked(verb, self._targets[verb.mark.name], request)

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
            result = job.verb.call(job.target.find(), job.request, self._masks)
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
    """Whether a newer job makes one worthless that waits right before it; see `Remote`.

    Of the requests that belong to a gesture, only those of the same one.
    """
    if not isinstance(waiting, _Asked):
        return False
    if waiting.verb.mark.passing:
        return True
    if not isinstance(new, _Asked) or new.verb is not waiting.verb or not new.verb.mark.latest:
        return False
    return bool(getattr(new.request, "gesture", None) == getattr(waiting.request, "gesture", None))
