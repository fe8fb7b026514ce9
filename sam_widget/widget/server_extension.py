"""A Jupyter server extension that lets small replies travel at once.

A stock Jupyter server leaves Nagle's algorithm on for the websocket between kernel and page: a small reply that follows
a "busy" message waits for the browser's delayed acknowledgement, some 40 ms, which is longer than `tiny` takes to
answer. And JupyterLab shows another page icon whenever the kernel becomes busy or idle, for every message of a widget,
that is; a stock server has the browser ask for the icon's file each time, 50 times a second while the pointer moves,
from the same event loop that carries the kernel's messages. And what is asked while the pointer moves can leave all
that aside: see `direct`.

Installing the package enables this extension; where it does not run, everything works, only slower.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import Any

from sam_widget.widget.direct import Address

# What the paths of direct lines begin with.
DIRECT = "sam-widget/direct"


def without_delay(handler: type[Any]) -> None:
    """Make a tornado websocket handler switch on TCP_NODELAY for every connection it opens."""
    opened = handler.open
    if getattr(opened, "sends_at_once", False):
        return

    def open_at_once(self: Any, *args: Any, **kwargs: Any) -> Any:
        # A connection that is gone already, or no TCP socket: opening it says so, not this.
        if self.ws_connection is not None and not self.ws_connection.is_closing():
            self.set_nodelay(value=True)
        return opened(self, *args, **kwargs)

    open_at_once.sends_at_once = True  # type: ignore[attr-defined]
    handler.open = open_at_once


def keep_page_icons(settings: dict[str, Any]) -> None:
    """Let browsers keep the page icons of a server with these settings, and not ask for them again."""
    icons = f"{settings['static_url_prefix'].rstrip('/')}/favicons/"
    kept = settings.setdefault("static_immutable_cache", [])
    if icons not in kept:
        kept.append(icons)


def add_direct_line(web_app: Any) -> None:
    """Give pages a direct line to the widgets of the kernels here, and tell them; see `direct`."""
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
        """Passes messages on unchanged, for users who may execute code in the kernel."""

        auth_resource = "kernels"
        _kernel: WebSocketClientConnection | None = None

        @property
        def max_message_size(self) -> int:
            """Longest request, in bytes; a longer one ends the line."""
            return LONGEST

        def set_default_headers(self) -> None:
            """Leave the headers of pages away, as Jupyter's own websockets do."""

        async def get(self, kernel: str, widget: str) -> None:
            """Answer a handshake."""
            user = self.current_user
            allowed = user is not None and self.authorizer.is_authorized(self, user, "execute", "kernels")
            # Some servers, and some authorizers, say so only later.
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
            """Connect to the kernel, and begin to pass on what it says."""
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
            """Pass on what the page says."""
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
