"""Replies to requests: each request is answered once, over the connection it came from."""

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

# The id of a request's view, and its sequence number there.
RequestId = tuple[str, int]
# Sends a message and its binary buffers in reply to a request.
Response = tuple[msgspec.Struct, Sequence[bytes]]


class Replies:
    """Sends replies: over a direct line to requests that came over one, to every view otherwise."""

    def __init__(self, send: Send, revision: Callable[[], int], wire: threading.RLock) -> None:
        """Create the replies of a widget.

        Args:
            send: Sends a message to every view.
            revision: Returns the revision of the state that an answer belongs to.
            wire: Lock held while an answer is sent, so that it follows the state of its revision.
        """
        self._send, self._revision, self._wire = send, revision, wire
        self._direct: dict[RequestId, Send] = {}

    @property
    def open(self) -> int:
        """The number of unanswered requests from direct lines."""
        return len(self._direct)

    def go_to(self, request: RequestId, send: Send) -> None:
        """Route the answer to a request over the line it came from."""
        self._direct[request] = send

    def done(self, request: Request) -> None:
        """Answer that a request has been executed."""
        self._answer((request.client, request.seq), "done")

    def superseded(self, request: Request) -> None:
        """Answer that a request was superseded by a newer one."""
        self._answer((request.client, request.seq), "superseded")

    def refuse(self, request: Request, error: Exception) -> None:
        """Answer with an error; unexpected errors (such as a GPU out of memory) are also logged."""
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
        """Send a tile; the answer follows."""
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
    """Return an error's text for a view: the message of our own errors, preceded by the type for others."""
    text = str(error) if isinstance(error, SamWidgetError) else f"{type(error).__name__}: {error}"
    return text.encode("utf-8", "replace").decode()


def id_of(content: object) -> RequestId:
    """Return the id of a malformed request, as far as it can be read; defaults to an empty client and -1."""
    fields: dict[Any, Any] = content if isinstance(content, dict) else {}
    client, seq = fields.get("client"), fields.get("seq")
    if not isinstance(client, str) or not client.isascii() or len(client) > 100:
        client = ""
    return client, seq if isinstance(seq, int) and abs(seq) < 2**53 else -1
