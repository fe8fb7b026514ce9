"""A Hugging Face Hub of the tests' own, on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub(ThreadingHTTPServer):
    """Serves one file the way the Hub does.

    Attributes:
        endpoint: Its address, for HF_ENDPOINT.
        path: Of the file that it has.
        content: What it sends.
        published: The SHA-256 that it claims.
        sent: How many bytes it sends before it hangs up.
        halfway: Where it waits for this, once half of the file is sent; set unless a test clears it.
        requests: What it was asked.
        asked_from: From which byte on it was asked to send.
    """

    def __init__(self, repository: str, filename: str, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.path = f"/{repository}/resolve/main/{filename}"
        self.content = content
        self.published = hashlib.sha256(content).hexdigest()
        self.sent = len(content)
        self.halfway = threading.Event()
        self.halfway.set()
        self.requests: list[str] = []
        self.asked_from: list[int] = []


class Handler(BaseHTTPRequestHandler):
    """Answers for a `Hub`."""

    server: Hub

    def do_HEAD(self) -> None:
        """Say how long the file is, of which commit, and its hash."""
        self.server.requests.append(f"{self.command} {self.path}")
        found = self.path == self.server.path
        first, whole = self._first(), len(self.server.content)
        self.send_response(404 if not found else 206 if first else 200)
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{self.server.published}"')
        self.send_header("Content-Length", str(whole - first if found else 0))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{whole - 1}/{whole}")
        if not found:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()

    def do_GET(self) -> None:
        """Send the file, or what is left of it."""
        self.do_HEAD()
        first, middle = self._first(), len(self.server.content) // 2
        self.server.asked_from.append(first)
        content = memoryview(self.server.content)[: self.server.sent]
        self.wfile.write(content[first:middle])
        self.server.halfway.wait()
        self.wfile.write(content[max(first, middle) :])

    def _first(self) -> int:
        """The byte from which the client wants to resume."""
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class FolderHub(ThreadingHTTPServer):
    """Serves a folder the way the Hub serves a repository.

    Attributes:
        endpoint: Its address, for HF_ENDPOINT.
        repository: "owner/name".
        files: What it has, by name.
        gated: Whether it refuses to send files.
        requests: What it was asked.
    """

    def __init__(self, repository: str, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), FolderHandler)
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.repository, self.files = repository, files
        self.gated = False
        self.requests: list[str] = []


class FolderHandler(BaseHTTPRequestHandler):
    """Answers for a `FolderHub`."""

    server: FolderHub

    def do_HEAD(self) -> None:
        """Say what a file or a listing is like."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """Send a file or a listing."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        path, repository = self.path.split("?")[0], self.server.repository
        status, content, headers = 404, b"", {"X-Error-Code": "RepoNotFound"}
        if path.startswith(f"/api/models/{repository}/tree/"):
            entries = [
                {
                    "type": "file",
                    "path": name,
                    "size": len(data),
                    "oid": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
                }
                | {"lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 100}}
                for name, data in self.server.files.items()
            ]
            status, content, headers = 200, json.dumps(entries).encode(), {"Content-Type": "application/json"}
        elif path.startswith(f"/api/models/{repository}"):
            content = json.dumps({"id": repository, "sha": "0" * 40, "siblings": []}).encode()
            status, headers = 200, {"Content-Type": "application/json"}
        elif path.startswith(f"/{repository}/resolve/"):
            name = path.split("/", 5)[5]
            if self.server.gated:
                status, headers = 403, {"X-Error-Code": "GatedRepo"}
            elif name in self.server.files:
                content = self.server.files[name]
                etag = f'"{hashlib.sha256(content).hexdigest()}"'
                status, headers = 200, {"X-Repo-Commit": "0" * 40, "ETag": etag}
            else:
                headers = {"X-Error-Code": "EntryNotFound"}
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(header, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving_folder(repository: str, files: dict[str, bytes]) -> Iterator[FolderHub]:
    """Run a Hub that has one repository."""
    server = FolderHub(repository, files)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving(repository: str, filename: str, content: bytes) -> Iterator[Hub]:
    """Run a Hub that has one file."""
    server = Hub(repository, filename, content)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.halfway.set()
        server.shutdown()
        server.server_close()
        thread.join()
