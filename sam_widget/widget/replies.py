"""What views hear of their requests: each is answered once, and the way it came."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sam_widget.errors import SamWidgetError
from sam_widget.widget import protocol
from sam_widget.widget.direct import Reply
from sam_widget.widget.state import mask_message

if TYPE_CHECKING:
    from sam_widget.session.session import Candidate

log = logging.getLogger(__name__)

# Which view a message is from, and its number there.
Origin = tuple[str, int]


class Answers:
    """Sends answers: over a direct line to what came over one, and to every view otherwise."""

    def __init__(self, send: Reply, revision: Callable[[], int], wire: threading.RLock) -> None:
        """Make the answers of a widget.

        Args:
            send: Sends a message to every view.
            revision: Of the state that an answer belongs to.
            wire: Held while an answer is sent, so that it comes after the state of its revision.
        """
        self._send, self._revision, self._wire = send, revision, wire
        self._direct: dict[Origin, Reply] = {}

    @property
    def open(self) -> int:
        """How many requests that came over a direct line are not answered yet."""
        return len(self._direct)

    def go_to(self, origin: Origin, reply: Reply) -> None:
        """Send the answer to a request, and all that comes with it, over the line that it came by."""
        self._direct[origin] = reply

    def done(self, request: protocol.Request) -> None:
        """Answer that a request has been carried out."""
        self._answer((request.client, request.seq), "done")

    def superseded(self, request: protocol.Request) -> None:
        """Answer that something newer has made a request worthless."""
        self._answer((request.client, request.seq), "superseded")

    def refuse(self, request: protocol.Request, error: Exception) -> None:
        """Answer with an error; one that is no refusal of ours (a GPU out of memory, say) is logged, too."""
        expected = isinstance(error, SamWidgetError)
        if not expected:
            log.error("request %s failed", request, exc_info=error)
        why = str(error) if expected else f"{type(error).__name__}: {error}"
        self._answer((request.client, request.seq), "error", why)

    def refuse_unread(self, content: object, error: SamWidgetError) -> None:
        """Answer a message that is no request with an error."""
        self._answer(origin_of(content), "error", str(error))

    def preview(self, request: protocol.Preview, found: Candidate | None) -> None:
        """Answer with the mask that the prompt would choose; an empty prompt has none."""
        if found is None:
            self.done(request)
            return
        mask, runs = mask_message("", found.stored)
        score = round(found.score, 4)
        message = protocol.PreviewMask(request.client, request.seq, mask.width, mask.height, score)
        self._reply(message, [runs])

    def tile(self, request: protocol.Tile, mime: str, picture: bytes) -> None:
        """Send a part of the image; the answer follows."""
        self._send(protocol.to_json(protocol.TilePicture(request.client, request.seq, mime)), [picture])

    def file(self, request: protocol.Export, name: str, mime: str, content: bytes) -> None:
        """Send a file; the answer follows."""
        self._send(protocol.to_json(protocol.File(request.client, request.seq, name, mime)), [content])

    def _answer(
        self, origin: Origin, outcome: Literal["done", "error", "superseded"], error: str | None = None
    ) -> None:
        with self._wire:
            self._reply(protocol.Answer(*origin, outcome, error, self._revision()), [])

    def _reply(self, message: protocol.PreviewMask | protocol.Answer, buffers: Sequence[bytes]) -> None:
        reply = self._direct.pop((message.client, message.seq), self._send)
        reply(protocol.to_json(message), buffers)


def origin_of(content: object) -> Origin:
    """Return whom an answer to a message that cannot be read is for, as far as that can be told."""
    fields: dict[Any, Any] = content if isinstance(content, dict) else {}
    client, seq = fields.get("client"), fields.get("seq")
    return client if isinstance(client, str) else "", seq if isinstance(seq, int) else -1
