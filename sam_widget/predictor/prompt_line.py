"""The websocket over which a thin client asks a server for masks: one for a predictor, opened again when it breaks.

A question over HTTP costs a request's headers each time, and its answer is compressed alone. Over one websocket with
permessage-deflate (RFC 7692), a click costs two thirds of that; `serve.prompts` is the other side.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, NoReturn

import msgspec

from sam_widget.errors import ModelError, OutOfReachError

if TYPE_CHECKING:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import ClientConnection

# Seconds between attempts to open the websocket, as after a restart of the server.
PAUSES = (0.3, 1.0, 2.0)
# Seconds to open it, to wait for an answer, to say goodbye, and the longest wait that a server may ask for.
_OPEN_SECONDS, _ANSWER_SECONDS, _CLOSE_SECONDS, _LONGEST_WAIT = 10.0, 60.0, 1.0, 10.0
# Bytes of an answer: three masks of a large photo.
_MOST_BYTES = 16 * 2**20
# The websocket's close code for a message that is too long (RFC 6455).
_TOO_BIG = 1009
_REFUSED, _BUSY, _SERVER_ERROR = 400, 429, 500

log = logging.getLogger(__name__)
# At level DEBUG, the library would log headers, and with them the token.
log.setLevel(logging.INFO)


class _Said(msgspec.Struct):
    error: str = ""


class PromptLine:
    """Asks questions, one after the other; methods may be called from any thread."""

    def __init__(self, address: str, headers: Mapping[str, str], *, proxies: bool) -> None:
        """Prepare; nothing is sent yet.

        Args:
            address: The server's, which ends with a slash.
            headers: Of the request that opens the websocket.
            proxies: Whether to use the proxies of the environment.
        """
        self._address, self._headers, self._proxies = address, dict(headers), proxies
        self._socket: ClientConnection | None = None
        self._turn = threading.Lock()
        self._closing = ExitStack()
        # The library's threads would keep the websocket open.
        weakref.finalize(self, self._closing.close)

    def ask(self, question: bytes) -> str | bytes:
        """Return the answer to a question.

        Raises:
            OutOfReachError: The server does not answer, or has too much to do.
            ModelError: The server refuses.
        """
        from websockets.exceptions import ConnectionClosed

        with self._turn:
            if self._socket is not None:
                try:
                    return self._asked(self._socket, question)
                except ConnectionClosed:
                    pass  # As after a restart of the server.
            try:
                return self._asked(self._opened(), question)
            except ConnectionClosed as error:
                raise self._gone(error) from error

    def _asked(self, socket: ClientConnection, question: bytes) -> str | bytes:
        from websockets.exceptions import ConnectionClosed

        try:
            socket.send(question, text=True)
            return socket.recv(timeout=_ANSWER_SECONDS)
        except BaseException as error:
            # A late answer must not be taken for that of the next question.
            self._socket = None
            self._closing.close()
            if isinstance(error, TimeoutError):
                raise self._gone(error) from error
            if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code == _TOO_BIG:
                raise ModelError(
                    f"the prompt takes {len(question):,} bytes, more than {self._address} reads"
                ) from error
            raise

    def _opened(self) -> ClientConnection:
        import httpx
        from websockets.exceptions import InvalidHandshake, InvalidStatus
        from websockets.sync.client import connect

        secure = self._address.startswith("https")
        for pause in (*PAUSES, None):
            try:
                opening = connect(
                    f"ws{self._address.removeprefix('http')}v1/predict",
                    additional_headers=self._headers,
                    user_agent_header="sam-widget",
                    # The same certificates as over HTTP.
                    ssl=httpx.create_ssl_context() if secure else None,
                    proxy=True if self._proxies else None,
                    open_timeout=_OPEN_SECONDS,
                    close_timeout=_CLOSE_SECONDS,
                    max_size=_MOST_BYTES,
                    logger=log,
                )
                self._socket = self._closing.enter_context(opening)
            except (OSError, EOFError, InvalidHandshake) as error:
                wait = pause
                if isinstance(error, InvalidStatus):
                    wait = self._wait(error, pause)
                if wait is None:
                    raise self._gone(error) from error
                time.sleep(wait)
            else:
                return self._socket
        raise AssertionError("the last pause is None")

    def _wait(self, error: InvalidStatus, pause: float | None) -> float | None:
        """Return the seconds after which to try again, or None; refuses what time does not change."""
        status, headers = error.response.status_code, error.response.headers
        if status == _BUSY:
            try:
                asked = float(headers.get("Retry-After", ""))
            except ValueError:
                asked = 1.0
            if pause is None or not 0 <= asked <= _LONGEST_WAIT:
                self._refuse(error, f"; ask again in {asked:.0f} s")
            return max(asked, pause)
        # An error of a proxy, behind which there is no server at present.
        if status < _SERVER_ERROR:
            self._refuse(error)
        return pause

    def _refuse(self, error: InvalidStatus, when: str = "") -> NoReturn:
        try:
            said = msgspec.json.decode(error.response.body or b"", type=_Said).error
        except msgspec.DecodeError:
            said = ""
        status = error.response.status_code
        advice = f"status {status} for a websocket; a proxy between here and there has to pass on websockets"
        message = f"the server {self._address} refused: {said or (f'status {status}' if when else advice)}{when}"
        raise (OutOfReachError if when else ModelError)(message) from error

    def _gone(self, error: Exception) -> OutOfReachError:
        return OutOfReachError(
            f"the server {self._address} does not answer",
            f"check that `sam-widget serve` runs there, or use a model on this machine, such as model='tiny' ({error})",
        )
