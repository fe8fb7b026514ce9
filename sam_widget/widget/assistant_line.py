"""`sw.mcp`: a line to an assistant, on this machine alone, for a widget that is open in a notebook."""

from __future__ import annotations

import hmac
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Self

from sam_widget.errors import SamWidgetError, door, import_extra
from sam_widget.widget.assistant import server
from sam_widget.widget.sam_widget import SamWidget

HOST = "127.0.0.1"
# Seconds that `close` waits for open requests.
PATIENCE = 5
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guarded:
    """An ASGI application that answers only requests with a token."""

    def __init__(self, app: App, token: str) -> None:
        """Guard an application."""
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with status 401."""
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "lifespan" or hmac.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Bearer")]})
            await send({"type": "http.response.body", "body": b"the token is missing or wrong\n"})


class AssistantLine:
    """A server for assistants that speak the Model Context Protocol; see `mcp`.

    Attributes:
        url: Its address, on this machine.
        token: What a request must bring, as `Authorization: Bearer TOKEN`.
    """

    def __init__(self, widget: SamWidget, *, port: int = 0) -> None:
        """Listen; see `mcp`."""
        self.token = secrets.token_urlsafe(24)
        self._heard = socket.socket()
        try:
            app = self._application(widget)
            self._heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._heard.bind((HOST, port))
        except OSError as error:
            self._heard.close()
            raise SamWidgetError(f"port {port} cannot be used ({error.strerror}); give port=0 for any") from error
        except BaseException:
            self._heard.close()
            raise
        # Requests wait from now on, until the thread answers.
        self._heard.listen()
        self.url = f"http://{HOST}:{self._heard.getsockname()[1]}/mcp"
        uvicorn = import_extra("uvicorn", "mcp")
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._heard]}, daemon=True, name="sam_widget mcp"
        )
        self._thread.start()

    def _application(self, widget: SamWidget) -> App:
        security = import_extra("mcp.server.transport_security", "mcp").TransportSecuritySettings(
            # A page from elsewhere that a browser resolves to this machine is refused, even with the token.
            allowed_hosts=[f"{HOST}:*"],
            allowed_origins=[],
        )
        return Guarded(server(widget).streamable_http_app(transport_security=security), self.token)

    @property
    def config(self) -> dict[str, Any]:
        """The entry for an assistant's list of servers, as most programs write it."""
        return {"type": "http", "url": self.url, "headers": {"Authorization": f"Bearer {self.token}"}}

    def __repr__(self) -> str:
        """Return the address, without the token, which a saved notebook would keep."""
        return f"<AssistantLine {self.url}, {'open' if self._thread.is_alive() else 'closed'}; see .config>"

    def close(self) -> None:
        """Stop listening. The widget stays open."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._heard.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


@door
def mcp(widget: SamWidget, *, port: int = 0) -> AssistantLine:
    """Let an assistant that speaks the Model Context Protocol drive an open widget.

    It can do what a person can do in a view: look, click, draw boxes, find by words, accept, undo, export. Every step
    is recorded, shown in every view, and can be undone. The server listens on this machine alone and requires a token,
    which is in `config`.

    Args:
        widget: A `SamWidget` or `Gallery`.
        port: Where to listen; 0 for any free port.

    Raises:
        MissingExtraError: `pip install "sam-widget[mcp]"` is needed.
        SamWidgetError: It is not such a widget, or the port cannot be used.
    """
    return AssistantLine(widget, port=port)
