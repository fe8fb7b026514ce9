"""A direct line from a view to the kernel, for requests made while the pointer moves.

A message through Jupyter makes the kernel report that it is busy and then that it is idle, and the page show both. That
takes longer than an answer of `tiny`. Where kernel and Jupyter server run on one machine, and the server runs this
package's extension, requests that change nothing take another path: over a websocket from the page to the extension,
and from there to this listener in the kernel. Requests that change something stay with Jupyter's own messages; without
a direct line, all of them do.

The listener accepts connections only from this machine, and only with its key. The key is in a file next to the
kernel's connection file and, like the kernel's own key, readable only by the user.

On the line, a message is its length followed by its bytes; a reply consists of the length of its JSON, the JSON, and
the binary data.
"""

from __future__ import annotations

import atexit
import contextlib
import hmac
import json
import logging
import os
import secrets
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

# Longest message, in bytes: a request is a prompt, and anything longer is not.
LONGEST = 1 << 20
# Seconds that a client has to show the key, and that a reply may wait to be taken.
PATIENCE = 10.0
_LENGTH = struct.Struct("<I")

# Sends a message and its binary data.
Send = Callable[[dict[str, Any], Sequence[bytes]], None]
# Takes a message, and the connection to answer on.
Receive = Callable[[object, Send], None]


@dataclass(frozen=True)
class Address:
    """Where a kernel listens, and what it expects first."""

    port: int
    key: str

    @classmethod
    def beside(cls, connection_file: str | Path) -> Address | None:
        """Return the address that a kernel with this connection file has written, or None where it has not."""
        try:
            written = json.loads(_path_beside(connection_file).read_text(encoding="utf-8"))
            return cls(int(written["port"]), str(written["key"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def greeting(self, widget: str) -> bytes:
        """Return the first message to send: which widget is asked, and the key."""
        return framed(json.dumps({"key": self.key, "widget": widget}).encode())


def framed(message: bytes) -> bytes:
    """Return a message as it goes over the line: its length first."""
    return _LENGTH.pack(len(message)) + message


def length_of(frame: bytes) -> int:
    """Return the length that a frame begins with: its first four bytes."""
    return int(_LENGTH.unpack(frame)[0])


def _path_beside(connection_file: str | Path) -> Path:
    # No name that Jupyter takes for a kernel's own: `kernel-*.json`.
    path = Path(connection_file)
    return path.with_name(f"sam_widget-{path.stem}.json")


class Listener:
    """Receives requests to the widgets of this process."""

    def __init__(self, connection_file: Path) -> None:
        """Listen, and write down where.

        Raises:
            OSError: That cannot be done here.
        """
        # ipykernel's names: kernel-<id>.json, the id being the one that the server knows the kernel by.
        self.kernel = connection_file.stem.removeprefix("kernel-")
        self._key = secrets.token_hex(32)
        self._widgets: dict[str, Receive] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._path = _path_beside(connection_file)
        self._path.unlink(missing_ok=True)
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"port": self._socket.getsockname()[1], "key": self._key}, file)
        threading.Thread(target=self._accept, name="sam_widget direct", daemon=True).start()

    def register(self, widget: str, receive: Receive) -> str:
        """Pass a widget its requests; returns what a page asks the server for. `receive` must not raise."""
        self._widgets[widget] = receive
        return f"{self.kernel}/{widget}"

    def unregister(self, widget: str) -> None:
        """Stop passing requests to a widget."""
        self._widgets.pop(widget, None)

    def close(self) -> None:
        """Stop listening."""
        self._path.unlink(missing_ok=True)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                if self._socket.fileno() < 0:
                    return  # It is closed.
                time.sleep(1)  # The process has no file descriptors left, say.
                continue
            threading.Thread(target=self._serve, args=(connection,), name="sam_widget direct", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # A broken connection is over, at whatever byte.
        with connection, contextlib.suppress(OSError, EOFError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(PATIENCE)
            widget = self._greeted(_read(connection))
            if widget is None:
                return
            line = _Line(connection)
            while widget in self._widgets:
                try:
                    message = json.loads(_read(connection, patient=True))
                except (ValueError, RecursionError):
                    return
                if (receive := self._widgets.get(widget)) is not None:
                    receive(message, line.send)

    def _greeted(self, greeting: bytes) -> str | None:
        """Return which widget a greeting is for, if it knows the key."""
        try:
            said = json.loads(greeting)
        except (ValueError, RecursionError):
            return None
        if not isinstance(said, dict) or not hmac.compare_digest(str(said.get("key")).encode(), self._key.encode()):
            return None
        return str(said.get("widget"))


class _Line:
    """What goes back over one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send a reply. Errors from a closed peer are ignored; a peer that does not read is disconnected."""
        text = json.dumps(message).encode()
        frame = framed(b"".join([_LENGTH.pack(len(text)), text, *buffers]))
        with self._lock, contextlib.suppress(OSError):
            try:
                self._connection.sendall(frame)
            except TimeoutError:
                self._connection.shutdown(socket.SHUT_RDWR)


def _read(connection: socket.socket, *, patient: bool = False) -> bytes:
    """Read one message; `patient` waits for it as long as it takes.

    Raises:
        EOFError: The other side has hung up, or sends too long a message.
        TimeoutError: Nothing came for `PATIENCE`.
    """
    length = length_of(_exactly(connection, _LENGTH.size, patient=patient))
    if length > LONGEST:
        raise EOFError
    return _exactly(connection, length, patient=patient)


def _exactly(connection: socket.socket, size: int, *, patient: bool) -> bytes:
    read = bytearray()
    while len(read) < size:
        try:
            part = connection.recv(size - len(read))
        except TimeoutError:
            if patient:
                continue
            raise
        if not part:
            raise EOFError
        read += part
    return bytes(read)


_lock = threading.Lock()
# The process that looked first, and what it found.
_made: list[tuple[int, Listener | None]] = []


def listener() -> Listener | None:
    """Return this process's listener, or None where there is no Jupyter kernel, or it cannot listen."""
    with _lock:
        if not _made:
            _made.append((os.getpid(), _listen()))
        ((process, made),) = _made
    # A forked process does not receive messages, and must not take over the line.
    return made if process == os.getpid() else None


def _listen() -> Listener | None:
    # A process that has not imported it is not a Jupyter kernel.
    app: Any = getattr(sys.modules.get("ipykernel.kernelapp"), "IPKernelApp", None)
    if app is None or not app.initialized():
        return None
    try:
        made = Listener(Path(app.instance().abs_connection_file))
    except (OSError, AttributeError) as error:
        log.debug("no direct line: %s", error)
        return None
    atexit.register(made.close)
    return made
