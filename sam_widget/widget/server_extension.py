"""A Jupyter server extension that lets small replies travel at once.

A stock Jupyter server leaves Nagle's algorithm on for the websocket between kernel and page: a small reply that follows
a "busy" message waits for the browser's delayed acknowledgement, some 40 ms, which is longer than `tiny` takes to
answer. And JupyterLab shows another page icon whenever the kernel becomes busy or idle, for every message of a widget,
that is; a stock server has the browser ask for the icon's file each time, 50 times a second while the pointer moves,
from the same event loop that carries the kernel's messages.

Installing the package enables this extension; where it does not run, everything works, only slower.
"""

from __future__ import annotations

from typing import Any


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


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "sam_widget.widget.server_extension"}]


def _load_jupyter_server_extension(server: Any) -> None:
    from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

    without_delay(KernelWebsocketHandler)
    keep_page_icons(server.web_app.settings)
    server.log.info("sam_widget: kernel messages are sent without delay")
