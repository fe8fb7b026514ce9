"""Run a tornado application behind an ASGI server, which is what Ray Serve has.

Handlers do not change: tornado's interface between its HTTP server and an application, `httputil.HTTPConnection`, is
implemented over ASGI's messages (https://asgi.readthedocs.io/en/latest/specs/www.html). Bodies are streamed both ways.
Websockets are not part of that interface, so the application that has some answers them itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import Future
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http.client import responses
from typing import Any
from urllib.parse import quote

from tornado import httputil, web
from tornado.iostream import StreamClosedError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# Largest body of a request, unless its handler allows more.
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class _Context:
    """Where a request comes from, as tornado's own connections say it."""

    remote_ip: str
    protocol: str


class AsgiConnection(httputil.HTTPConnection):
    """Passes what a handler writes on to an ASGI server, in order."""

    def __init__(self, scope: Message, send: Send) -> None:
        """Take the request's scope and the server's function."""
        self.context = _Context((scope.get("client") or ("",))[0], scope.get("scheme", "http"))
        self.most_bytes = _MOST_BYTES
        self.finished = False
        self._send = send
        self._messages: asyncio.Queue[tuple[Message, Future[None]] | None] = asyncio.Queue()
        self._on_close: Callable[[], object] | None = None
        self._closed = False

    def set_max_body_size(self, size: int) -> None:
        """Allow a larger body."""
        self.most_bytes = size

    def set_close_callback(self, callback: Callable[[], object] | None) -> None:
        """Call a function when the client leaves before it was answered."""
        self._on_close = callback

    def write_headers(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
        chunk: bytes | None = None,
    ) -> Future[None]:
        """Begin the answer."""
        assert isinstance(start_line, httputil.ResponseStartLine)  # noqa: S101  for the type checker
        pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.get_all()]
        written = self._put({"type": "http.response.start", "status": start_line.code, "headers": pairs})
        return self.write(chunk) if chunk else written

    def write(self, chunk: bytes) -> Future[None]:
        """Send a part of the body. The result is there once the server has taken it."""
        return self._put({"type": "http.response.body", "body": bytes(chunk), "more_body": True})

    def finish(self) -> None:
        """End the answer."""
        self._put({"type": "http.response.body", "body": b"", "more_body": False})
        self._messages.put_nowait(None)
        self.finished = True

    def refuse(self, status: int) -> None:
        """Answer with a status alone, unless an answer has begun."""
        line = httputil.ResponseStartLine("HTTP/1.1", status, responses[status])
        self.write_headers(line, httputil.HTTPHeaders({"Content-Length": "0", "Connection": "close"}))
        self.finish()

    def close(self) -> None:
        """Forget the client, which has left."""
        self._closed = True
        self._messages.put_nowait(None)
        callback, self._on_close = self._on_close, None
        if callback is not None:
            callback()

    async def pump(self) -> None:
        """Hand messages to the server until the last."""
        while (item := await self._messages.get()) is not None:
            message, written = item
            try:
                await self._send(message)
            except OSError:
                self.close()
                written.cancel()
            else:
                if not written.done():
                    written.set_result(None)

    def _put(self, message: Message) -> Future[None]:
        written: Future[None] = asyncio.get_running_loop().create_future()
        if self._closed:
            written.set_exception(StreamClosedError())
            written.exception()  # A handler that does not wait for it need not know.
        else:
            self._messages.put_nowait((message, written))
        return written


async def answer(application: web.Application, scope: Message, receive: Receive, send: Send) -> None:
    """Let a tornado application answer an HTTP request of an ASGI server."""
    connection = AsgiConnection(scope, send)
    delegate = application.start_request(_NO_SERVER, connection)
    pump = asyncio.create_task(connection.pump())
    reading = asyncio.create_task(_read(delegate, connection, scope, receive))
    try:
        await pump
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading


async def _read(
    delegate: httputil.HTTPMessageDelegate, connection: AsgiConnection, scope: Message, receive: Receive
) -> None:
    """Hand a request to its handler, and tell it if the client leaves."""
    given = headers(scope)
    if (prepared := delegate.headers_received(start_line(scope), given)) is not None:
        await prepared
    announced = given.get("Content-Length", "0")
    if not connection.finished and announced.isdecimal() and int(announced) > connection.most_bytes:
        connection.refuse(413)
    length, more = 0, True
    while not connection.finished:
        message = await receive()
        if message["type"] == "http.disconnect":
            delegate.on_connection_close()
            connection.close()
            return
        if not more:
            continue
        body = message.get("body", b"")
        length += len(body)
        if length > connection.most_bytes:
            connection.refuse(413)
            return
        if body and (taken := delegate.data_received(body)) is not None:
            await taken
        more = message.get("more_body", False)
        if not more:
            delegate.finish()


def start_line(scope: Message) -> httputil.RequestStartLine:
    """Return the first line of a request."""
    path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1").partition("?")[0]
    query = scope.get("query_string", b"").decode("latin-1")
    return httputil.RequestStartLine(scope.get("method", "GET"), f"{path}?{query}" if query else path, "HTTP/1.1")


def headers(scope: Message) -> httputil.HTTPHeaders:
    """Return the headers of a request."""
    found = httputil.HTTPHeaders()
    for name, value in scope["headers"]:
        found.add(name.decode("latin-1"), value.decode("latin-1"))
    return found


# Handlers do not look at the server's side of a connection.
_NO_SERVER: Any = object()
