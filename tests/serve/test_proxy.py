"""The configurations of nginx and Caddy in the documentation, in the real programs, with TLS and a certificate."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from tests.serve.test_app import POST, picture, png
from tests.serving import TOKENS, serving
from tests.waiting import until

DEPLOY = Path(__file__).parents[2] / "notebooks/docs/pages/guides/deploy"
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl for a certificate")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def adapted(name: str, replacements: dict[str, str]) -> str:
    """Return a configuration of the documentation for this machine."""
    content = (DEPLOY / name).read_text(encoding="utf-8")
    for given, ours in replacements.items():
        assert given in content
        content = content.replace(given, ours)
    return content


def nginx(folder: Path, port: int, upstream: str) -> list[str]:
    """Configure nginx; returns the command that runs it."""
    ours = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/": f"{folder}/",
        "/var/log/nginx/": f"{folder}/",
        "127.0.0.1:9000": upstream,
    }
    (folder / "site.conf").write_text(adapted("nginx.conf", ours), encoding="utf-8")
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = f"pid {folder}/pid; error_log {folder}/error.log; daemon off; worker_processes 1; events {{}}\n"
    (folder / "nginx.conf").write_text(f"{main}http {{ {paths} include {folder}/site.conf; }}\n", encoding="utf-8")
    return ["nginx", "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, port: int, upstream: str) -> list[str]:
    """Configure Caddy; returns the command that runs it."""
    ours = {
        # This certificate instead of one that Caddy gets by itself.
        "lab.example.org {": f"https://localhost:{port} {{\n\ttls {folder}/lab.pem {folder}/lab.key",
        "127.0.0.1:9000": upstream,
        "/var/log/caddy/": f"{folder}/",
    }
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(options + adapted("Caddyfile", ours), encoding="utf-8")
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES = {"nginx": nginx, "caddy": caddy}


@contextmanager
def proxy(name: str, folder: Path, upstream: str) -> Iterator[int]:
    """Run a proxy in front of a server, with its files in a folder; yields its port."""
    port = free_port()
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    certificate += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*certificate, "-keyout", folder / "lab.key", "-out", folder / "lab.pem"], check=True)
    command = PROXIES[name](folder, port, upstream)
    with (folder / "error.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, "HOME": str(folder)}, stderr=log)
    try:
        until(lambda: listens(port), seconds=30, what=f"{name} listens")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("name", PROXIES)
def test_everything_passes_through_a_proxy_with_tls(name: str, tmp_path: Path) -> None:
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    with serving() as address, proxy(name, tmp_path, address.removeprefix("http://").rstrip("/")) as port:
        trusted = ssl.create_default_context(cafile=str(tmp_path / "lab.pem"))
        http = httpx.Client(
            base_url=f"https://localhost:{port}/",
            headers={"Authorization": f"Bearer {TOKENS['ada']}"},
            verify=trusted,
            trust_env=False,
            timeout=60,
        )
        # A large image: noise of 11 MB.
        large = np.random.default_rng(0).integers(0, 255, (1500, 2500, 3), dtype=np.uint8)
        for pixels in (picture(1), large):
            digest = http.post(POST, content=png(pixels), headers={"Content-Type": "image/png"}).json()["hash"]
            with http.stream("GET", f"v1/embeddings/{digest}?model=tiny&wait=30") as reply:
                assert reply.status_code == 200
                assert len(reply.read()) > 500_000
        # Too large for the proxy, which says so before it has read it.
        assert http.post(POST, content=b"x" * (65 * 2**20)).status_code == 413
        assert http.get("v1/models", headers={"Authorization": "Bearer wrong"}).status_code == 401
        question = {"id": 1, "model": "tiny", "hash": digest, "points": [[1200, 700]]}
        line = f"wss://localhost:{port}/v1/predict?token={TOKENS['ada']}"
        with connect(line, ssl=trusted, proxy=None) as websocket:
            websocket.send(json.dumps(question))
            assert len(json.loads(websocket.recv(timeout=30))["masks"]) == 3
    log = (tmp_path / "sam-widget.log").read_text(encoding="utf-8")
    assert "/v1/predict" in log
    assert TOKENS["ada"] not in log
    assert TOKENS["ada"] not in (tmp_path / "error.log").read_text(encoding="utf-8")
