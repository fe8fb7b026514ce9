"""Downloads end in time, and never reveal a password."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sam_widget.errors import ImageError
from sam_widget.image import download as downloading
from sam_widget.image import sources
from sam_widget.image.sources import describe, download


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        """Answer well, slowly, or for ever."""
        with contextlib.suppress(OSError):
            if self.path == "/slow-headers":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                while True:
                    self.wfile.write(b"y")
                    time.sleep(0.05)
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", f"http://{self.path[4:]}")
                self.end_headers()
                return
            self.send_response(200)
            if self.path == "/huge":
                self.send_header("Content-Length", str(10**15))
            self.end_headers()
            if self.path == "/login":
                self.wfile.write(self.headers.get("Authorization", "none").encode())
            while self.path == "/drip":
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.02)
            while self.path == "/endless":
                self.wfile.write(b"x" * 2**16)
            for _ in range(20 if self.path == "/steady" else 0):
                self.wfile.write(b"x" * 20_000)
                self.wfile.flush()
                time.sleep(0.05)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


class TestLimits:
    @pytest.mark.parametrize("path", ["drip", "slow-headers"])
    def test_what_trickles_without_an_end_is_given_up(
        self, web: str, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sources, "TIMEOUT_SECONDS", 0.5)
        start = time.monotonic()
        with pytest.raises(ImageError, match=r"did not answer within 0\.5 s, or too slowly"):
            download(f"http://{web}/{path}")
        assert time.monotonic() - start < 10

    def test_what_comes_steadily_may_take_longer(self, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "TIMEOUT_SECONDS", 0.5)
        assert len(download(f"http://{web}/steady")) == 400_000

    @pytest.mark.parametrize("path", ["huge", "endless"])
    def test_what_is_too_large_is_given_up(self, web: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "MAX_BYTES", 2**20)
        with pytest.raises(ImageError, match="larger than 1 MB"):
            download(f"http://{web}/{path}")

    def test_no_thread_is_left(self, web: str) -> None:
        download(f"http://{web}/login")
        watching = [thread for thread in threading.enumerate() if thread.name == "sam_widget download"]
        for thread in watching:
            thread.join(10)
        assert not any(thread.is_alive() for thread in watching)


class TestPasswords:
    def test_a_login_is_sent_to_its_host_and_nowhere_else(self, web: str) -> None:
        login = base64.b64encode(b"me:s3 cr@t").decode()
        assert download(f"http://me:s3%20cr%40t@{web}/login").decode() == f"Basic {login}"
        assert download(f"http://me:secret@{web}/to/{web}/login") == b"none"

    def test_name_servers_are_asked_for_the_host_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def look_up(host: str, *_: object, **__: object) -> None:
            asked.append(host)
            raise socket.gaierror("no such host")

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        for address in ("http://me:s3cr3t@example.invalid:8080/x.png", "https://me:s3cr3t@example.invalid/x.png"):
            with pytest.raises(ImageError, match="cannot download example.invalid"):
                download(address)
        assert asked == ["example.invalid"] * 2

    @pytest.mark.parametrize(
        "address",
        [
            "http://me:s3cr3t@127.0.0.1:1/x.png?sig=s3cr3t",
            "http://me:s3cr3t@127.0.0.1:99999/x.png",
            "http://me:s3cr3t@[bad/x.png",
            "http://me:s3cr3t@/x.png",
            "http://a:b:s3cr3t@127.0.0.1:x/",
            "http://me:s3cr3t#1@127.0.0.1:1/x.png",
            "http://me:s3cr3t/1@127.0.0.1:1/x.png",
            "http://me:s3cr3t?1@127.0.0.1:1/x.png",
            "http://me:s3cr3t@127.0.0.1:1/\r\nX: y",
        ],
    )
    def test_no_error_tells_them(self, address: str) -> None:
        with pytest.raises(ImageError) as caught:
            download(address)
        error: BaseException | None = caught.value
        while error is not None:
            assert "s3cr3t" not in str(error)
            error = error.__cause__
        assert "s3cr3t" not in describe(address)

    def test_an_at_sign_in_a_path_is_no_login(self) -> None:
        assert describe("https://example.org/@me/cat.jpg") == "example.org/cat.jpg"


def test_the_rate_below_which_a_download_is_given_up_suits_slow_lines() -> None:
    assert 1_000 <= downloading.MIN_BYTES_PER_SECOND <= 100_000
