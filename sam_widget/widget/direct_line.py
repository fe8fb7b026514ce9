"""Both ends of a direct line between a Jupyter server and a kernel: a tornado websocket. See `direct`.

The server connects and sends a nonce. The kernel replies with {"nonce": ..., "proof": ...}, the server with
{"proof": ..., "widget": ...}, which names the widget that is asked. From then on, each message to the kernel is a
request, and each message from it a reply: the length of its JSON (4 bytes, little-endian), the JSON, the binary data.

Tornado adds about 0.2 ms to a round trip of 0.6 ms, compared with framing by hand; in return it brings limits, pings,
deadlines for handshakes, and no thread per connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    WebSocketHandler,
    websocket_connect,
)

from sam_widget.widget.direct import Address, Receive, path_near, remove_left_over

# Maximum size of a request, which is a prompt, and of a reply, which is a mask, in bytes.
LONGEST = 1 << 20
LONGEST_REPLY = 1 << 26
# Maximum seconds for the whole greeting, and for a peer to respond to a ping.
PATIENCE = 10.0
# Maximum number of connections that have not proved themselves; the oldest are dropped. A Jupyter server needs a few
# milliseconds, while other local users could use up the kernel's file descriptors.
MOST_STRANGERS = 32
_LENGTH = struct.Struct("<I")


async def connect(address: Address, widget: str) -> WebSocketClientConnection:
    """Connect to a widget, after both sides have proved that they know the key.

    Raises:
        ConnectionError: Nothing listens at the address, or the listener is not the kernel.
    """
    url = f"ws://127.0.0.1:{address.port}/"
    try:
        asked = HTTPRequest(url, connect_timeout=PATIENCE, request_timeout=PATIENCE)
        line = await websocket_connect(asked, max_message_size=LONGEST_REPLY)
    except (OSError, HTTPClientError, WebSocketError) as error:
        raise ConnectionError(f"nothing listens at {url}") from error
    try:
        async with asyncio.timeout(PATIENCE):
            nonce = secrets.token_hex(32)
            await line.write_message(nonce)
            greeting = json.loads(await line.read_message() or "null")
            nonces = (nonce, str(greeting["nonce"]))
            if not address.proves(greeting["proof"], "kernel", nonces):
                raise ConnectionError(f"what listens at {url} is not the kernel")
            await line.write_message(json.dumps({"proof": address.proof("server", nonces), "widget": widget}))
    except (OSError, ValueError, LookupError, TypeError, RecursionError, WebSocketClosedError) as error:
        line.close()
        raise error if isinstance(error, ConnectionError) else ConnectionError(f"no greeting from {url}") from error
    return line


class Listener:
    """Receives requests to the widgets of this process, in one thread."""

    def __init__(self, connection_file: Path) -> None:
        """Start listening, and write the address file.

        Raises:
            OSError: Listening or writing the file fails.
        """
        # ipykernel's names are kernel-<id>.json, where <id> is the server's id of the kernel.
        self.kernel = connection_file.stem.removeprefix("kernel-")
        self.widgets: dict[str, Receive] = {}
        self.peers: set[_Peer] = set()
        self._sockets = bind_sockets(0, "127.0.0.1")
        port = self._sockets[0].getsockname()[1]
        self.address = Address(port, secrets.token_hex(32), os.getpid(), path_near(connection_file))
        remove_left_over(connection_file.parent)
        try:
            self.address.write()
        except OSError:
            for one in self._sockets:
                one.close()
            raise
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="sam_widget direct", daemon=True)
        self._thread.start()

    def register(self, widget: str, receive: Receive) -> str:
        """Register a widget's request handler, which must not raise or block; returns its path for pages."""
        self.widgets[widget] = receive
        return f"{self.kernel}/{widget}"

    def unregister(self, widget: str) -> None:
        """Unregister a widget's request handler."""
        self.widgets.pop(widget, None)

    def close(self) -> None:
        """Stop listening, and end the thread. A forked process does not affect its parent's listener."""
        if os.getpid() != self.address.process:
            return
        self.address.forget()
        self.call(self._over.set)
        self._thread.join(PATIENCE)

    def call(self, function: Any, *arguments: Any) -> None:
        """Call a function in the listener's thread, from any thread; has no effect after `close`."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        application = Application(
            [("/", _Peer, {"listener": self})],
            log_function=lambda _: None,
            websocket_max_message_size=LONGEST,
            websocket_ping_interval=PATIENCE,
            websocket_ping_timeout=PATIENCE,
        )
        # Limits the time of the handshake, however slowly a client sends its bytes.
        self.server = server = _Server(
            application, idle_connection_timeout=PATIENCE, max_header_size=1 << 13, max_body_size=0
        )
        server.add_sockets(self._sockets)
        await self._over.wait()
        server.stop()
        for peer in tuple(self.peers):
            peer.drop()
        await server.close_all_connections()


class _Server(HTTPServer):
    """Limits the number of connections that have not proved themselves."""

    def initialize(self, *arguments: Any, **options: Any) -> None:
        """Start without connections."""
        super().initialize(*arguments, **options)
        self._strangers: dict[IOStream, None] = {}

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Serve a connection, dropping the oldest strangers."""
        self._strangers = {one: None for one in self._strangers if not one.closed()}
        self._strangers[stream] = None
        while len(self._strangers) > MOST_STRANGERS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.close()
        super().handle_stream(stream, address)

    def trust(self, stream: IOStream) -> None:
        """Exempt a connection from the limit."""
        self._strangers.pop(stream, None)


class _Peer(WebSocketHandler):
    """One connection, in the listener's thread."""

    def initialize(self, listener: Listener) -> None:
        """Set the listener."""
        self._listener = listener
        self._nonces: tuple[str, str] | None = None
        self._widget: str | None = None

    def prepare(self) -> None:
        """Reject web pages, which send an Origin header, unlike the Jupyter server."""
        if "Origin" in self.request.headers:
            raise HTTPError(403)

    def open(self, *_: str, **__: str) -> None:
        """Start the greeting, which has a single deadline."""
        self.set_nodelay(value=True)
        self._listener.peers.add(self)
        self._deadline = asyncio.get_running_loop().call_later(PATIENCE, self.drop)

    def on_message(self, message: str | bytes) -> None:
        """Receive a nonce, then a proof, then requests. Invalid messages end the connection."""
        try:
            if self._widget is None:
                self._greet(message)
            elif (receive := self._listener.widgets.get(self._widget)) is not None:
                receive(json.loads(message), self.reply)
            else:
                self.drop()
        except (ValueError, LookupError, TypeError, RecursionError):
            self.drop()

    def _greet(self, message: str | bytes) -> None:
        address = self._listener.address
        if self._nonces is None:
            self._nonces = (str(message), secrets.token_hex(32))
            proof = address.proof("kernel", self._nonces)
            self.write_message({"nonce": self._nonces[1], "proof": proof})
            return
        said = json.loads(message)
        if not address.proves(said["proof"], "server", self._nonces) or said["widget"] not in self._listener.widgets:
            self.drop()
            return
        self._widget = said["widget"]
        self._deadline.cancel()
        if self.ws_connection is not None and self.ws_connection.stream is not None:
            self._listener.server.trust(self.ws_connection.stream)

    def reply(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send a reply, from any thread, without blocking. Errors from a closed peer are ignored."""
        text = json.dumps(message).encode()
        self._listener.call(self._write, b"".join([_LENGTH.pack(len(text)), text, *buffers]))

    def _write(self, reply: bytes) -> None:
        with contextlib.suppress(WebSocketClosedError):
            self.write_message(reply, binary=True)

    def drop(self) -> None:
        """Disconnect immediately."""
        if self.ws_connection is not None and self.ws_connection.stream is not None:
            self.ws_connection.stream.close()

    def on_close(self) -> None:
        """Forget the connection."""
        self._deadline.cancel()
        self._listener.peers.discard(self)
