"""Whose request it is: the one check of tokens, for HTTP and for the websocket."""

from __future__ import annotations

import asyncio
import logging

from tornado import httputil, web

from sam_widget import __version__
from sam_widget.predictor.connection import PROTOCOL, PROTOCOL_HEADER
from sam_widget.serve.people import People

log = logging.getLogger(__name__)


class Refusal(web.HTTPError):
    """A request that is not answered.

    Attributes:
        said: Why, for a person.
        seconds: When to ask again; 0 if that would not help.
    """

    def __init__(self, status: int, said: str, *, seconds: int = 0) -> None:
        """Keep the sentence out of the status line, which allows few characters."""
        super().__init__(status)
        self.said, self.seconds = said, seconds

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer, which is JSON."""
        again = {"Retry-After": str(self.seconds)} if self.seconds else {}
        return {"Content-Type": "application/json", **again}


async def owner_of(request: httputil.HTTPServerRequest, people: People) -> str:
    """Return the name of the person who sends a request.

    Raises:
        Refusal: It has no valid token, or the client speaks another version of the protocol.
    """
    token = token_of(request)
    # A person in a file is found at once; JupyterHub has to be asked.
    found = await asyncio.to_thread(people.whose, token) if people.is_remote else people.whose(token)
    what = f"{request.method} {request.path} from {request.remote_ip}"
    if found is None:
        log.warning("refused %s: no valid token", what)
        raise Refusal(401, "a token is missing or wrong; use the whole address that the server printed")
    spoken = request.headers.get(PROTOCOL_HEADER, str(PROTOCOL))
    if spoken != str(PROTOCOL):
        log.warning("refused %s: protocol %.20r", what, spoken)
        raise Refusal(
            400,
            f"it runs sam_widget {__version__} with version {PROTOCOL} of the protocol, and this client has "
            f"version {spoken[:20]}; install the same version of sam_widget on both sides",
        )
    return found


def token_of(request: httputil.HTTPServerRequest) -> str:
    """Return the token that a request carries, or an empty text."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() in {"bearer", "token"}:
        return token.strip()
    given = request.query_arguments.get("token", [b""])[0]
    return given.decode("utf-8", "replace")
