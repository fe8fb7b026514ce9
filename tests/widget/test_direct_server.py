"""The direct line through a real Jupyter server: who may use it, and that it leads to the widget."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.widget.test_sam_widget import prompt

TOKEN = "a-token-of-the-tests"  # noqa: S105
SHOW = """
import numpy as np
import sam_widget as sw
w = sw.SamWidget(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
w.click(30, 30)
print(w.state["direct"])
"""


@dataclass
class Server:
    """A Jupyter server, with a kernel that has a widget, and one that has none."""

    port: int
    path: str
    bare: str
    runtime: Path

    async def connect(self, path: str, **headers: str) -> WebSocketClientConnection:
        url = f"ws://127.0.0.1:{self.port}/a/base/sam-widget/direct/{path}"
        return await websocket_connect(HTTPRequest(url, headers=headers, connect_timeout=60))


def request(port: int, path: str, method: str = "GET", body: object = None) -> Any:
    """Ask the server's REST interface."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/a/base/api/{path}", data, {"Authorization": f"token {TOKEN}"}, method=method
    )
    with opener.open(asked, timeout=60) as response:
        return json.loads(response.read() or b"null")


def run(connection_file: Path, code: str) -> str:
    """Run code in a kernel, and return what it prints."""
    client = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    # A kernel that has no processor for a second is not dead.
    client.hb_channel.time_to_dead = 60.0
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        printed: list[str] = []

        def take(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        client.execute_interactive(code, timeout=120, output_hook=take)
        return "".join(printed).strip()
    finally:
        client.stop_channels()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names = {"IPYTHONDIR": "ipython", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime"}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.base_url=/a/base"),
            *(f"--IdentityProvider.token={TOKEN}", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
            *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"),
        ],
        env={**os.environ, **{name: str(folder / value) for name, value in names.items()}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        started = time.monotonic()
        while True:
            with contextlib.suppress(OSError):
                request(port, "status")
                break
            assert process.poll() is None, "the server ended"
            assert time.monotonic() - started < 120, "the server does not answer"
        shown, bare = (request(port, "kernels", "POST", {"name": "python3"})["id"] for _ in range(2))
        path = run(folder / "runtime" / f"kernel-{shown}.json", SHOW)
        assert path.startswith(f"{shown}/"), path
        yield Server(port, path, bare, folder / "runtime")
        for kernel in (shown, bare):
            request(port, f"kernels/{kernel}", "DELETE")
    finally:
        process.terminate()
        process.wait()


def refusal(server: Server, path: str, **headers: str) -> int:
    """The status that a handshake is refused with."""
    with pytest.raises(HTTPClientError) as refused:
        asyncio.run(server.connect(path, **headers))
    return refused.value.code


KNOWN = {"Authorization": f"token {TOKEN}"}


def test_a_preview_goes_to_the_widget_and_its_mask_comes_back(server: Server) -> None:
    async def talk() -> bytes:
        line = await server.connect(server.path, **KNOWN)
        for seq in (1, 2):
            message = {"type": "preview", "client": "page", "seq": seq, "prompt": prompt((20 + seq, 30))}
            await line.write_message(json.dumps(message))
            heard = await line.read_message()
        line.close()
        assert isinstance(heard, bytes)
        return heard

    heard = asyncio.run(talk())
    length = int.from_bytes(heard[:4], "little")
    assert json.loads(heard[4 : 4 + length]).items() >= {"type": "preview_mask", "seq": 2, "width": 80}.items()
    assert len(heard) > 4 + length


def test_nobody_without_a_token_gets_through(server: Server) -> None:
    assert refusal(server, server.path) == 403
    assert refusal(server, server.path, Authorization="token guessed") == 403


def test_no_other_site_gets_through(server: Server) -> None:
    # A client that knows the token may come from anywhere, as with Jupyter's own websockets; browsers show a cookie.
    cookie = logged_in(server)
    assert refusal(server, server.path, Origin="http://elsewhere.example", Cookie=cookie) == 403

    async def talk() -> None:
        line = await server.connect(server.path, Origin=f"http://127.0.0.1:{server.port}", Cookie=cookie)
        line.close()

    asyncio.run(talk())


def logged_in(server: Server) -> str:
    """The cookie that a browser gets by opening the URL with the token."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{server.port}/a/base/api/status?token={TOKEN}", timeout=60) as response:
        return "; ".join(value.partition(";")[0] for value in response.headers.get_all("Set-Cookie"))


@pytest.mark.parametrize("kernel", ["0000", "..", "%2e%2e", "kernel"])
def test_there_is_no_line_to_what_is_no_kernel(server: Server, kernel: str) -> None:
    assert refusal(server, f"{kernel}/{server.path.partition('/')[2]}", **KNOWN) == 404


def test_there_is_no_line_to_a_kernel_without_a_widget(server: Server) -> None:
    assert refusal(server, f"{server.bare}/{server.path.partition('/')[2]}", **KNOWN) == 404


@pytest.mark.parametrize("said", ["x" * (1 << 20 | 1), b"\xff" * 40, "[" * 100_000], ids=["long", "bytes", "deep"])
def test_what_makes_no_sense_ends_the_line_and_nothing_else(server: Server, said: str | bytes) -> None:
    async def talk() -> object:
        line = await server.connect(server.path, **KNOWN)
        await line.write_message(said, binary=isinstance(said, bytes))
        return await line.read_message()

    assert asyncio.run(talk()) is None
    test_a_preview_goes_to_the_widget_and_its_mask_comes_back(server)


def test_a_widget_that_is_not_there_hangs_up(server: Server) -> None:
    async def talk() -> object:
        line = await server.connect(f"{server.path.partition('/')[0]}/another", **KNOWN)
        return await line.read_message()

    assert asyncio.run(talk()) is None


def test_a_frame_is_not_passed_on_to_what_has_the_port_of_a_killed_kernel(server: Server) -> None:
    """The key stays where it is, and the file that leads to the wrong process is removed."""
    told: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as impostor:

        def serve() -> None:
            with contextlib.suppress(OSError):
                peer, _ = impostor.accept()
                with peer:
                    peer.settimeout(60)
                    told.append(peer.recv(1 << 16))
                    peer.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        left = server.runtime / f"sam_widget-kernel-{server.bare}.json"
        key = "5e" * 32
        left.write_text(json.dumps({"port": impostor.getsockname()[1], "key": key, "process": os.getpid()}))

        async def talk() -> object:
            line = await server.connect(f"{server.bare}/a-widget", **KNOWN)
            await line.write_message('{"type": "preview", "secret": "a prompt"}')
            return await line.read_message()

        assert asyncio.run(talk()) is None
        thread.join(60)
    heard = b"".join(told)
    assert heard
    assert not any(secret in heard for secret in (key.encode(), b"a-widget", b"a prompt"))
    assert not left.exists()
    assert refusal(server, f"{server.bare}/a-widget", **KNOWN) == 404
