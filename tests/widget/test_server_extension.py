"""The Jupyter server extension: small replies are not held back."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.httpserver import HTTPServer
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from sam_widget.widget import server_extension

CONFIG = Path(server_extension.__file__).parent / "jupyter_config" / "sam_widget.json"


def nodelay(handler: type[WebSocketHandler]) -> list[int]:
    """Open one connection to a handler and return the TCP_NODELAY of its socket after `open`."""
    seen: list[int] = []

    class Spy(handler):  # type: ignore[misc, valid-type]
        def on_message(self, message: str | bytes) -> None:
            stream = self.ws_connection.stream
            seen.append(stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            self.write_message(message)

    async def talk() -> None:
        server = HTTPServer(Application([("/", Spy)]))
        server.listen(0, "127.0.0.1")
        (listener,) = server._sockets.values()
        client = await websocket_connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/")
        await client.write_message("hello")
        assert await client.read_message() == "hello"
        client.close()
        server.stop()
        await server.close_all_connections()

    asyncio.run(talk())
    return seen


def test_connections_opened_by_a_patched_handler_send_at_once() -> None:
    class Kernel(WebSocketHandler):
        opened = False

        def open(self, *_: str, **__: str) -> None:
            type(self).opened = True

    assert nodelay(Kernel) == [0]
    server_extension.without_delay(Kernel)
    server_extension.without_delay(Kernel)  # loading twice does nothing twice
    assert [bool(value) for value in nodelay(Kernel)] == [True]


def test_loading_the_extension_patches_the_kernel_websocket() -> None:
    settings: dict[str, Any] = {"static_url_prefix": "/base/static/", "base_url": "/base/"}
    web_app = Application(**settings)
    server = SimpleNamespace(log=SimpleNamespace(info=print), web_app=web_app)
    before = KernelWebsocketHandler.open
    try:
        server_extension._load_jupyter_server_extension(server)
        assert KernelWebsocketHandler.open is not before
        assert web_app.settings["static_immutable_cache"] == ["/base/static/favicons/"]
        assert web_app.settings["page_config_data"] == {"samWidgetDirect": "/base/sam-widget/direct"}
    finally:
        KernelWebsocketHandler.open = before


def test_what_else_a_server_lets_browsers_keep_stays() -> None:
    settings: dict[str, Any] = {"static_url_prefix": "/static", "static_immutable_cache": ["/static/lab/"]}
    server_extension.keep_page_icons(settings)
    server_extension.keep_page_icons(settings)
    assert settings["static_immutable_cache"] == ["/static/lab/", "/static/favicons/"]


def test_the_shipped_configuration_enables_this_module() -> None:
    extensions = json.loads(CONFIG.read_text(encoding="utf-8"))["ServerApp"]["jpserver_extensions"]
    (point,) = server_extension._jupyter_server_extension_points()
    assert extensions == {point["module"]: True}
