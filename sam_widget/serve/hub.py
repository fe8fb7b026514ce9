"""The people of a JupyterHub: their own tokens are valid here, if the Hub lets them use this service.

The server is a service of the Hub, as described in https://jupyterhub.readthedocs.io/en/stable/reference/services.html:
the Hub names itself in environment variables, and says whose a token is at `GET /user`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import msgspec

from sam_widget.errors import SessionError
from sam_widget.serve.people import People

log = logging.getLogger(__name__)
# Seconds for which the Hub's answer is remembered, for how many tokens, and seconds that the Hub gets to answer.
REMEMBERED_SECONDS, TOKENS, ANSWER_SECONDS = 60.0, 10_000, 10.0
# Longest token that is passed on.
_LONGEST = 1000


class HubUser(msgspec.Struct, frozen=True):
    """The part of the Hub's answer that counts.

    Attributes:
        name: The person's name.
        scopes: What the token allows.
    """

    name: str
    scopes: list[str] = []


@dataclass(frozen=True)
class Hub:
    """A JupyterHub, as it describes itself to its services.

    Attributes:
        api: Address of its API.
        scopes: Scopes of which a person needs one.
        prefix: Path of this service, with slashes around.
        host: Address where the Hub expects this service, if it says so.
        port: Port where it does.
    """

    api: str
    scopes: tuple[str, ...]
    prefix: str = "/"
    host: str | None = None
    port: int | None = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Hub:
        """Read the variables that the Hub sets for its services.

        Raises:
            SessionError: They are missing.
        """
        api, name = environment.get("JUPYTERHUB_API_URL", ""), environment.get("JUPYTERHUB_SERVICE_NAME", "")
        if not api or not name:
            raise SessionError(
                "$JUPYTERHUB_API_URL and $JUPYTERHUB_SERVICE_NAME are not set; let the Hub start this command as one "
                "of its services, or set them as it does"
            )
        scopes = msgspec.json.decode(environment.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES") or "[]", type=list[str])
        place = urlsplit(environment.get("JUPYTERHUB_SERVICE_URL", ""))
        return cls(
            api=api.rstrip("/"),
            scopes=tuple(scopes) or ("access:services", f"access:services!service={name}"),
            prefix=environment.get("JUPYTERHUB_SERVICE_PREFIX") or "/",
            host=place.hostname,
            port=place.port,
        )


class HubPeople(People):
    """Asks a Hub whose a token is, at most once a minute."""

    is_remote = True

    def __init__(self, hub: Hub, *, share: bool = False) -> None:
        """Prepare to ask; `share` as for `People`."""
        super().__init__({}, share=share)
        self._hub = hub
        self._client = httpx.Client(timeout=ANSWER_SECONDS, trust_env=False)
        self._known: OrderedDict[str, tuple[float, str | None]] = OrderedDict()
        self._guard = threading.Lock()

    def whose(self, token: str) -> str | None:
        """Return whose token this is. May wait for the Hub, and may be called from any thread."""
        if not token or len(token) > _LONGEST or not token.isascii() or not token.isprintable():
            return None
        with self._guard:
            until, name = self._known.get(token, (0.0, None))
        if time.monotonic() < until:
            return name
        try:
            name = self._asked(token)
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            # Not remembered: the Hub may just be starting.
            log.warning("JupyterHub does not say whose a token is: %s", type(error).__name__)
            return None
        with self._guard:
            self._known[token] = time.monotonic() + REMEMBERED_SECONDS, name
            self._known.move_to_end(token)
            while len(self._known) > TOKENS:
                self._known.popitem(last=False)
        return name

    def _asked(self, token: str) -> str | None:
        reply = self._client.get(f"{self._hub.api}/user", headers={"Authorization": f"token {token}"})
        if reply.status_code in {401, 403, 404}:
            return None
        reply.raise_for_status()
        user = msgspec.json.decode(reply.content, type=HubUser)
        return user.name if set(user.scopes) & set(self._hub.scopes) else None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
