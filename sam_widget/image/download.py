"""What is at an address: fetched within limits of time and size, and without giving away its secrets.

Plain urllib also reads file: and ftp: addresses, follows redirects to them, has a limit for each packet but none for
all of them, and takes "user:password@host" for the name of a host, which it asks the name server for. None of the
packages that this one depends on limits the time of a whole download, so that is done here.
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

# What comes slower than this, once the time for an answer to begin is over, is given up.
MIN_BYTES_PER_SECOND = 50_000

_CHUNK = 2**16


def fetch(url: str, name: str, *, max_bytes: int, timeout: float) -> bytes:
    """Return what is at an http, https or data URL.

    Args:
        url: The address. A user name and password in it are sent to its host alone.
        name: What messages call it.
        max_bytes: The most that is downloaded.
        timeout: Seconds that an answer may take to begin, and each pause in it. All of it may take as long as
            `MIN_BYTES_PER_SECOND` allows, in addition.

    Raises:
        ImageError: Nothing is, or too much, or it takes too long to come.
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
            # No such host, no route; or a malformed address, where the error of a library may quote a password.
            malformed = isinstance(error, ValueError | http.client.InvalidURL)
            reason = getattr(error, "reason", None) or error
            if malformed:
                reason = error if isinstance(error, _MalformedError) else "the address is malformed"
            raise ImageError(
                f"cannot download {name}: {reason}. Check the address and the network, or give a path"
            ) from (None if malformed else error)


class _MalformedError(ValueError):
    """An address that cannot be fetched; its message quotes nothing of it."""


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
    # http.client refuses spaces and non-ASCII letters, which browsers show in their address bars.
    quoted = quote(urlunsplit(parts._replace(netloc=host, fragment="")), safe="%/:?#[]@!$&'()*+,;=~")
    # Servers such as Wikimedia's turn away requests that do not say who asks.
    headers = {"User-Agent": "sam-widget (Python urllib)"}
    request = urllib.request.Request(quoted, headers=headers)  # noqa: S310 - the opener knows no other scheme
    if secret:
        user, _, password = secret.partition(":")
        login = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        # Not sent on to where a redirect leads.
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
    # What there is of a packet: `read` would wait for a whole chunk. A data URL has no packets.
    read = getattr(response, "read1", response.read)
    while chunk := read(_CHUNK):
        yield chunk


class _Watch:
    """Hangs up when time is over, whatever is being waited for: a greeting, a header, a redirect, the next packet."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._sockets: list[socket.socket] = []
        self.seconds, self._start, self._extra = seconds, time.monotonic(), 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._wait, name="sam_widget download", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def watch(self, connection: socket.socket) -> None:
        """Hang up this connection, too."""
        self._sockets.append(connection)

    def extend(self, seconds: float) -> None:
        """Allow so much more time than at first."""
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
    """Return what opens http, https and data URLs and nothing else, watched."""

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
