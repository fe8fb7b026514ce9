"""What views are told about their requests: each is answered once, and the way it came."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from sam_widget.errors import SamWidgetError
from sam_widget.masks.runs import StoredMask
from sam_widget.widget.direct import Send
from sam_widget.widget.protocol import Answer, File, PreviewMask, Request, TilePicture, to_json
from sam_widget.widget.state import mask_message

log = logging.getLogger(__name__)

# Which view a request is from, and its number there.
RequestId = tuple[str, int]
# A message and what of it is binary: how a request is answered.
Response = tuple[msgspec.Struct, Sequence[bytes]]


class Replies:
    """Sends replies: over a direct line to what came over one, and to every view otherwise."""

    def __init__(self, send: Send, revision: Callable[[], int], wire: threading.RLock) -> None:
        """Make the replies of a widget.

        Args:
            send: Sends a message to every view.
            revision: Revision of the state that an answer belongs to.
            wire: Held while an answer is sent, so that it comes after the state of its revision.
        """
        self._send, self._revision, self._wire = send, revision, wire
        self._direct: dict[RequestId, Send] = {}

    @property
    def open(self) -> int:
        """How many requests that came over a direct line are not answered yet."""
        return len(self._direct)

    def go_to(self, request: RequestId, send: Send) -> None:
        """Send the answer to a request over the line that it came by."""
        self._direct[request] = send

    def done(self, request: Request) -> None:
        """Answer that a request has been carried out."""
        self._answer((request.client, request.seq), "done")

    def superseded(self, request: Request) -> None:
        """Answer that something newer has made a request worthless."""
        self._answer((request.client, request.seq), "superseded")

    def refuse(self, request: Request, error: Exception) -> None:
        """Answer with an error; an unexpected one (a GPU out of memory, say) is logged, too."""
        if not isinstance(error, SamWidgetError):
            log.error("request %s failed", request, exc_info=error)
        self._answer((request.client, request.seq), "error", told(error))

    def refuse_unread(self, content: object, error: SamWidgetError) -> None:
        """Answer a malformed message with an error."""
        self._answer(id_of(content), "error", str(error))

    def preview(self, request: Request, mask: StoredMask, score: float) -> None:
        """Answer with the mask that the prompt would choose."""
        data, runs = mask_message("", mask)
        self._reply((PreviewMask(request.client, request.seq, data.width, data.height, round(score, 4)), [runs]))

    def tile(self, request: Request, mime: str, picture: bytes) -> None:
        """Send a part of the image; the answer follows."""
        self._send(to_json(TilePicture(request.client, request.seq, mime)), [picture])

    def file(self, request: Request, name: str, mime: str, content: bytes) -> None:
        """Send a file; the answer follows."""
        self._send(to_json(File(request.client, request.seq, name, mime)), [content])

    def _answer(
        self, request: RequestId, outcome: Literal["done", "error", "superseded"], error: str | None = None
    ) -> None:
        with self._wire:
            self._reply((Answer(*request, outcome, error, self._revision()), []))

    def _reply(self, response: Response) -> None:
        message: Any = response[0]
        send = self._direct.pop((message.client, message.seq), self._send)
        send(to_json(message), response[1])


def told(error: Exception) -> str:
    """Return an error as a view shows it: the text of our own, and the type of any other."""
    text = str(error) if isinstance(error, SamWidgetError) else f"{type(error).__name__}: {error}"
    return text.encode("utf-8", "replace").decode()


def id_of(content: object) -> RequestId:
    """Return which request a malformed message is, as far as can be told: an empty client and -1 otherwise."""
    fields: dict[Any, Any] = content if isinstance(content, dict) else {}
    client, seq = fields.get("client"), fields.get("seq")
    if not isinstance(client, str) or not client.isascii() or len(client) > 100:
        client = ""
    return client, seq if isinstance(seq, int) and abs(seq) < 2**53 else -1
