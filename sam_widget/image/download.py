"""Downloads with limits on time and size that do not leak the secrets in an address.

Plain urllib also reads file: and ftp: addresses, follows redirects to them, has a timeout per packet but none for the
whole download, and looks "user:password@host" up as a host name. None of this package's dependencies limits the time of
a whole download, so this module does.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from sam_widget.errors import ImageError
from sam_widget.image.addresses import split_host

# Downloads slower than this are aborted, once the time allowed for a response to begin is over.
MIN_BYTES_PER_SECOND = 50_000

_CHUNK = 2**16


def fetch(url: str, name: str, *, max_bytes: int, timeout: float) -> bytes:
    """Return the content of an http, https or data URL.

    Args:
        url: The address. A user name and password in it are sent only to its host.
        name: Name of the address in messages.
        max_bytes: Maximum size of the download.
        timeout: Seconds until the response must begin, and for each pause in it. The whole download may take as much
            longer as `MIN_BYTES_PER_SECOND` allows.

    Raises:
        ImageError: The download fails, is too large, or takes too long.
    """
    with _Watch(timeout) as watch:
        try:
            return _read(_request(url), watch, name, max_bytes)
        except ImageError:
            raise
        except Exception as error:
            if watch.expired or isinstance(error, TimeoutError):
                raise ImageError(
                    f"{name} did not answer within {timeout:g} s, or too slowly. Try again, or download it and give "
                    "its path"
                ) from error
            if isinstance(error, urllib.error.HTTPError):
                raise ImageError(
                    f"{name} answered {error.code} {error.reason}; expected an image. Check the address in a browser"
                ) from error
            if not isinstance(error, OSError | ValueError | http.client.HTTPException):
                raise
            # Host not found or no route; or a malformed address, for which a library's error may quote a password.
            malformed = isinstance(error, ValueError | http.client.InvalidURL)
            reason = getattr(error, "reason", None) or error
            if malformed:
                reason = error if isinstance(error, _MalformedError) else "the address is malformed"
            raise ImageError(
                f"cannot download {name}: {reason}. Check the address and the network, or give a path"
            ) from (None if malformed else error)


class _MalformedError(ValueError):
    """The address cannot be fetched; the message does not quote it."""


def _request(url: str) -> urllib.request.Request:
    parts = urlsplit(url.strip())
    secret, host = split_host(parts.netloc)
    if parts.scheme.lower() != "data":
        plain = parts._replace(netloc=host)
        if not plain.hostname:
            raise _MalformedError("the address names no host")
        try:
            _ = plain.port
        except ValueError:
            raise _MalformedError("the port is not a number from 0 to 65535") from None
    # http.client rejects spaces and non-ASCII letters, which browsers show in their address bars.
    quoted = quote(urlunsplit(parts._replace(netloc=host, fragment="")), safe="%/:?#[]@!$&'()*+,;=~")
    # Servers such as Wikimedia's reject requests without a user agent.
    headers = {"User-Agent": "sam-widget (Python urllib)"}
    request = urllib.request.Request(quoted, headers=headers)  # noqa: S310 - the opener knows no other scheme
    if secret:
        user, _, password = secret.partition(":")
        login = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        # Not forwarded to the target of a redirect.
        request.add_unredirected_header("Authorization", f"Basic {login}")
    return request


def _read(request: urllib.request.Request, watch: _Watch, name: str, max_bytes: int) -> bytes:
    too_large = f"{name} is larger than {max_bytes // 2**20} MB. Open it yourself and give the pixels as an array"
    with _opener(watch).open(request, timeout=watch.seconds) as response:
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced[:20]) > max_bytes:
            raise ImageError(too_large)
        data = bytearray()
        for chunk in _chunks(response):
            data += chunk
            if len(data) > max_bytes:
                raise ImageError(too_large)
            watch.extend(len(data) / MIN_BYTES_PER_SECOND)
        if watch.expired:
            raise TimeoutError
        return bytes(data)


def _chunks(response: Any) -> Iterator[bytes]:
    # `read1` returns what has arrived; `read` would wait for a whole chunk. A data URL has only `read`.
    read = getattr(response, "read1", response.read)
    while chunk := read(_CHUNK):
        yield chunk


class _Watch:
    """Closes connections on timeout, whatever is being waited for: a handshake, a header, a redirect, a packet."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._sockets: list[socket.socket] = []
        self.seconds, self._start, self._extra = seconds, time.monotonic(), 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._wait, name="sam_widget download", daemon=True)

    def __enter__(self) -> Self:
        # Without threads, as in Python in a browser, only each step has a time limit, and not the whole.
        with contextlib.suppress(RuntimeError):
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def watch(self, connection: socket.socket) -> None:
        """Add a connection to close on timeout."""
        self._sockets.append(connection)

    def extend(self, seconds: float) -> None:
        """Extend the initial time limit by some seconds."""
        self._extra = seconds

    def _wait(self) -> None:
        while (left := self._start + self.seconds + self._extra - time.monotonic()) > 0:
            if self._done.wait(left):
                return
        self.expired = True
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _opener(watch: _Watch) -> urllib.request.OpenerDirector:
    """Return an opener for http, https and data URLs only, whose connections are watched."""

    class Http(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            watch.watch(self.sock)

    class Https(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            watch.watch(self.sock)

    class HttpHandler(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(Http, request)

    class HttpsHandler(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(Https, request)

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        HttpHandler,
        HttpsHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.DataHandler,
    ):
        opener.add_handler(handler())
    return opener
