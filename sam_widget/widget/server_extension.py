"""A Jupyter server extension that sends small replies without delay.

A stock Jupyter server leaves Nagle's algorithm enabled for the websocket between kernel and page: a small reply that
follows a "busy" message waits for the browser's delayed acknowledgement, some 40 ms, which is longer than a decode of
`tiny`. Also, JupyterLab switches the page icon whenever the kernel becomes busy or idle, that is, for every message of
a widget; with a stock server, the browser requests the icon's file each time, 50 times a second while the pointer
moves, from the same event loop that forwards the kernel's messages. Requests made while the pointer moves can bypass
all of this: see `direct`.

Installing the package enables this extension; without it, everything works, but more slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import Any

from sam_widget.widget.direct import Address

# Prefix of the paths of direct lines.
DIRECT = "sam-widget/direct"


def without_delay(handler: type[Any]) -> None:
    """Make a tornado websocket handler enable TCP_NODELAY for every connection it opens."""
    opened = handler.open
    if getattr(opened, "sends_at_once", False):
        return

    def open_at_once(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The connection may be closed already, or not be a TCP socket; `open` itself reports errors.
        if self.ws_connection is not None and not self.ws_connection.is_closing():
            self.set_nodelay(value=True)
        return opened(self, *args, **kwargs)

    open_at_once.sends_at_once = True  # type: ignore[attr-defined]
    handler.open = open_at_once


def keep_page_icons(settings: dict[str, Any]) -> None:
    """Let browsers cache the page icons of a server with these settings."""
    icons = f"{settings['static_url_prefix'].rstrip('/')}/favicons/"
    kept = settings.setdefault("static_immutable_cache", [])
    if icons not in kept:
        kept.append(icons)


def add_direct_line(web_app: Any) -> None:
    """Provide and announce direct lines from pages to the widgets of local kernels; see `direct`."""
    settings = web_app.settings
    path = f"{settings['base_url'].rstrip('/')}/{DIRECT}"
    web_app.add_handlers(".*$", [(rf"{path}/([\w-]+)/([\w-]+)", direct_handler())])
    settings.setdefault("page_config_data", {})["samWidgetDirect"] = path


def direct_handler() -> type[Any]:
    """Return the handler of the websockets between pages and the listeners in kernels."""
    from jupyter_server.base.handlers import JupyterHandler
    from jupyter_server.base.websocket import WebSocketMixin
    from tornado.web import HTTPError
    from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketHandler

    from sam_widget.widget.direct_line import LONGEST, connect

    class DirectHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
        """Forwards messages unchanged, for users who may execute code in the kernel."""

        auth_resource = "kernels"
        _kernel: WebSocketClientConnection | None = None

        @property
        def max_message_size(self) -> int:
            """The maximum size of a request, in bytes; a larger one closes the line."""
            return LONGEST

        def set_default_headers(self) -> None:
            """Omit the headers of pages, like Jupyter's own websockets."""

        async def get(self, kernel: str, widget: str) -> None:
            """Answer a handshake."""
            user = self.current_user
            allowed = user is not None and self.authorizer.is_authorized(self, user, "execute", "kernels")
            # Some servers and authorizers return awaitables.
            if not (await allowed if inspect.isawaitable(allowed) else allowed):
                raise HTTPError(403)
            if kernel not in self.kernel_manager:
                raise HTTPError(404, f"there is no kernel {kernel}")
            # A kernel behind a gateway has no such file.
            address = Address.beside(getattr(self.kernel_manager.get_kernel(kernel), "connection_file", ""))
            if address is None:
                raise HTTPError(404, f"kernel {kernel} has no direct line")
            self._address = address
            await super().get(kernel, widget)

        async def open(self, kernel: str, widget: str) -> None:
            """Connect to the kernel, and start to forward its messages."""
            super().open(kernel, widget)
            self.set_nodelay(value=True)
            try:
                self._kernel = await connect(self._address, widget)
            except ConnectionError as error:
                self.log.debug("sam_widget: no direct line: %s", error)
                self._address.forget()
                self.close()
            else:
                self._hearing = asyncio.create_task(self._hear(self._kernel))

        async def _hear(self, kernel: WebSocketClientConnection) -> None:
            with contextlib.suppress(WebSocketClosedError):
                while (message := await kernel.read_message()) is not None:
                    await self.write_message(message, binary=True)
            self.close()

        def on_message(self, message: str | bytes) -> None:
            """Forward a message from the page."""
            if self._kernel is not None:
                with contextlib.suppress(WebSocketClosedError):
                    self._kernel.write_message(message)

        def on_close(self) -> None:
            """Disconnect from the kernel."""
            if self._kernel is not None:
                self._kernel.close()
            super().on_close()

    return DirectHandler


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "sam_widget.widget.server_extension"}]


def _load_jupyter_server_extension(server: Any) -> None:
    from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

    without_delay(KernelWebsocketHandler)
    keep_page_icons(server.web_app.settings)
    add_direct_line(server.web_app)
    server.log.info("sam_widget: kernel messages are sent without delay")
