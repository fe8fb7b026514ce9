"""The HTTP interface: what it answers, and whom it refuses."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from safetensors.torch import load

from sam_widget.errors import ModelError
from sam_widget.image.reading import image_hash
from sam_widget.predictor.embeddings import Embedding, EmbeddingCache
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.served import connect
from sam_widget.serve import app
from sam_widget.serve.people import People
from tests.serving import ENGINES, TOKENS, served_by, serving
from tests.waiting import until

POST = "v1/embeddings?model=tiny"


@pytest.fixture(scope="module", params=ENGINES)
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with served_by(request.param) as found:
        yield found


@pytest.fixture(scope="module", params=[engine for engine in ENGINES if isinstance(engine, str)])
def here(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server in this process, which can be looked into."""
    with served_by(request.param) as found:
        yield found


def client(address: str, who: str = "ada") -> httpx.Client:
    headers = {"Authorization": f"Bearer {TOKENS[who]}"}
    return httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False)


def png(pixels: np.ndarray, kind: str = "png") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def send(http: httpx.Client, pixels: np.ndarray) -> str:
    reply = http.post(POST, content=png(pixels), headers={"Content-Type": "image/png"})
    assert reply.status_code in {200, 202}
    return str(reply.json()["hash"])


def error(reply: httpx.Response) -> str:
    return str(reply.json()["error"])


def test_an_image_goes_in_and_its_embedding_comes_out(address: str, tmp_path: Path) -> None:
    http, pixels = client(address), picture(1)
    assert http.post(POST, json={"hash": image_hash(pixels)}).status_code == 404
    digest = send(http, pixels)
    assert digest == image_hash(pixels)
    reply = http.get(f"v1/embeddings/{digest}?model=tiny&wait=30")
    (tmp_path / "it").write_bytes(reply.content)
    ours = Predictor("tiny", cache=EmbeddingCache()).embed(pixels).halved()
    theirs = Embedding.load(tmp_path / "it")
    assert np.array_equal(ours.features.numpy(), theirs.features.numpy())
    assert "immutable" in reply.headers["Cache-Control"]
    assert http.post(POST, json={"hash": digest}).status_code == 200


@pytest.mark.parametrize("what", ["decoder", "embedding"])
def test_tensors_are_compressed_for_those_who_can_read_that(address: str, what: str) -> None:
    http = client(address)
    path = "v1/decoders/tiny"
    if what == "embedding":
        path = f"v1/embeddings/{send(http, picture(1))}?model=tiny&wait=30"
    content, sizes = {}, {}
    for accepted in ("zstd", "identity"):
        with http.stream("GET", path, headers={"Accept-Encoding": accepted}) as reply:
            assert reply.headers.get("Content-Encoding", "identity") == accepted
            assert "Accept-Encoding" in reply.headers["Vary"]
            content[accepted] = reply.read()
            sizes[accepted] = reply.num_bytes_downloaded
    tensors = {accepted: load(found) for accepted, found in content.items()}
    assert tensors["zstd"].keys() == tensors["identity"].keys()
    assert all(torch.equal(one, tensors["identity"][name]) for name, one in tensors["zstd"].items())
    assert sizes["zstd"] < 0.95 * sizes["identity"]


def test_our_clients_accept_compressed_tensors(address: str) -> None:
    server = connect(f"{address}?token={TOKENS['ada']}").server
    with server._client.stream("GET", "v1/decoders/tiny") as reply:
        assert reply.headers["Content-Encoding"] == "zstd"


def test_the_models_are_listed(address: str) -> None:
    found = client(address).get("v1/models").json()
    assert found["protocol"] == 1
    assert [one["name"] for one in found["models"]] == ["tiny"]


def test_a_client_of_another_version_gets_a_sentence(address: str) -> None:
    reply = client(address).get("v1/models", headers={"Sam-Widget-Protocol": "2"})
    assert reply.status_code == 400
    assert "version 1 of the protocol, and this client has version 2; install the same version" in error(reply)
    assert client(address).get("v1/models", headers={"Sam-Widget-Protocol": "1"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["v1/models", "v1/decoders/tiny", "v1/embeddings/" + "0" * 32, "metrics", "v1/predict"]
)
@pytest.mark.parametrize("token", ["", "wrong", TOKENS["ada"][:-1], TOKENS["ada"] + "x", "\u732b"])
def test_strangers_get_nothing(address: str, path: str, token: str) -> None:
    for reply in (
        httpx.get(address + path, params={"token": token}, trust_env=False),
        httpx.get(address + path, headers={"Authorization": f"Bearer {token}".strip().encode()}, trust_env=False),
    ):
        assert reply.status_code == 401
        assert "features" not in reply.text
    assert httpx.post(address + POST, content=png(picture(2)), trust_env=False).status_code == 401


def test_the_hash_of_a_strangers_image_is_of_no_use(address: str) -> None:
    digest = send(client(address), picture(3))
    assert client(address).get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 200
    bob = client(address, "bob")
    unknown = bob.post(POST, json={"hash": "f" * 32})
    known = bob.post(POST, json={"hash": digest})
    assert (known.status_code, error(known)) == (unknown.status_code, error(unknown))
    assert bob.get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 404
    assert send(bob, picture(3)) == digest
    assert bob.get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 200


def test_people_may_share() -> None:
    with serving(people=People(TOKENS, share=True)) as address:
        digest = send(client(address), picture(4))
        assert client(address, "bob").get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "cannot be read"),
        (png(picture(5))[:-200], "cannot be read"),
        (png(picture(5), "jpeg"), "cannot be read"),
        (png(picture(5)[:, :, 0]), "mode L"),
        (png(np.dstack([picture(5), picture(5)[:, :, :1]])), "mode RGBA"),
    ],
)
def test_what_is_not_an_image_is_refused(address: str, content: bytes, said: str) -> None:
    reply = client(address).post(POST, content=content, headers={"Content-Type": "image/png"})
    assert reply.status_code == 400
    assert said in error(reply)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(
    here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MOST_PIXELS", 1000)
    content = png(picture(6))
    monkeypatch.setattr(PngImageFile, "load", lambda _self: pytest.fail("it was decoded"))
    reply = client(here).post(POST, content=content, headers={"Content-Type": "image/png"})
    assert reply.status_code == 400
    assert "60 x 40 pixels" in error(reply)


@pytest.mark.parametrize(
    ("request_line", "body", "status", "said"),
    [
        (("POST", POST), b'{"hash": "../../etc/passwd"}', 400, "32 hexadecimal"),
        (("POST", POST), b'{"hash": 7}', 400, "JSON object with a hash"),
        (("POST", POST), b"[" * 100_000, 400, "JSON object with a hash"),
        (("POST", "v1/embeddings?model=vit_h"), b'{"hash": ""}', 404, "no such model here; there is tiny"),
        (("POST", "v1/embeddings"), b"{}", 400, ""),
        (("GET", f"v1/embeddings/{'0' * 32}?model=tiny&wait=soon"), b"", 400, "not a number"),
        (("GET", f"v1/embeddings/{'0' * 32}?model=tiny&wait=nan"), b"", 404, "not sent this image"),
        (("GET", "v1/embeddings/abc?model=tiny"), b"", 404, "nothing here"),
        (("GET", "v1/decoders/vit_h"), b"", 404, "no such model"),
        (("GET", "v1/decoders/..%2f..%2fetc"), b"", 404, "no such model"),
        (("DELETE", POST), b"", 405, ""),
        (("GET", ""), b"", 404, "see /v1/models"),
    ],
)
def test_malformed_requests_are_refused(
    address: str, request_line: tuple[str, str], body: bytes, status: int, said: str
) -> None:
    method, path = request_line
    headers = {"Content-Type": "application/json"}
    reply = client(address).request(method, path, content=body, headers=headers)
    assert reply.status_code == status
    assert said in error(reply)
    assert "Traceback" not in reply.text


def test_too_large_a_body_is_refused_and_the_others_are_served(address: str) -> None:
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
        line.sendall(
            f"POST /{POST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS['ada']}\r\n"
            f"Content-Length: {10**12}\r\n\r\n".encode()
        )
        assert line.recv(1000)[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 413", b""}
    assert client(address).get("v1/models").status_code == 200


def test_clients_that_dawdle_do_not_hold_up_others(address: str) -> None:
    parts = urlsplit(address)
    lines = [socket.create_connection((parts.hostname, parts.port), timeout=30) for _ in range(50)]
    for line in lines:
        line.sendall(f"POST /{POST} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nslow".encode())
    http = client(address)
    digest = send(http, picture(7))
    assert http.get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 200
    for line in lines:
        line.close()


def test_requests_of_clients_that_left_are_not_under_way(address: str) -> None:
    parts, http = urlsplit(address), client(address)

    def under_way() -> float:
        rows = [row for row in http.get("metrics").text.splitlines() if row.startswith("sam_widget_requests_under_way")]
        return float(rows[0].split()[1])

    head = (
        f"POST /{POST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS['ada']}\r\nContent-Length: 1000000\r\n\r\n"
    )
    line = socket.create_connection((parts.hostname, parts.port), timeout=30)
    line.sendall(head.encode() + b"half")
    until(lambda: under_way() == 2, seconds=30, what="it is under way")
    line.close()
    until(lambda: under_way() == 1, seconds=30, what="it is forgotten")


def test_a_full_queue_says_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    predictor = Predictor("tiny", cache=EmbeddingCache())
    many = predictor.embed_many
    monkeypatch.setattr(predictor, "embed_many", lambda images: free.wait(30) and many(images))
    monkeypatch.setattr("sam_widget.serve.embedder.MOST_OF_ONE", 2)
    with serving({"tiny": predictor}) as address:
        http = client(address)
        replies = [
            http.post(POST, content=png(picture(10 + number)), headers={"Content-Type": "image/png"})
            for number in range(5)
        ]
        assert replies[-1].status_code == 429
        assert "too many images waiting" in error(replies[-1])
        assert int(replies[-1].headers["Retry-After"]) >= 2
        assert replies[-1].json()["seconds"] >= 2
        assert replies[1].json()["place"] >= 1
        waits = http.get(f"v1/embeddings/{replies[1].json()['hash']}?model=tiny")
        assert waits.status_code == 202
        assert waits.json()["place"] >= 1
        free.set()


def test_a_failure_is_logged_and_not_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    predictor = Predictor("tiny", cache=EmbeddingCache())

    many, secret = predictor.embed_many, RuntimeError("secret detail")

    def fail(_images: Any) -> None:
        raise secret

    monkeypatch.setattr(predictor, "embed_many", fail)
    with serving({"tiny": predictor}) as address:
        http = client(address)
        digest = send(http, picture(20))
        until(lambda: http.get("v1/models").json()["queue"] == 0, seconds=30, what="it has failed")
        for _ in range(2):
            reply = http.get(f"v1/embeddings/{digest}?model=tiny&wait=30")
            assert (reply.status_code, error(reply)) == (500, "the server failed; its log says why")
        # A client with the image learns of it, too, instead of sending the image for ever.
        there = connect(f"{address}?token={TOKENS['ada']}")
        with pytest.raises(ModelError, match="its log says why"):
            there.server.embed("tiny", picture(20), lambda *_: None)
        # Sent again, it is embedded again.
        monkeypatch.setattr(predictor, "embed_many", many)
        assert send(http, picture(20)) == digest
        assert http.get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 200
    assert "secret detail" in caplog.text


def test_bodies_without_a_token_are_not_read(address: str) -> None:
    parts = urlsplit(address)
    for path, token in ((POST, "wrong"), ("v1/models", TOKENS["ada"])):
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
            line.sendall(
                f"POST /{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Length: {60 * 2**20}\r\n\r\n".encode()
            )
            # The answer comes although not a byte of the body was sent.
            assert line.recv(1000)[:12] in {b"HTTP/1.1 401", b"HTTP/1.1 400", b"HTTP/1.1 413", b""}


def test_an_exception_is_logged_without_the_token(
    here: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app.ModelsHandler, "get", lambda _self: 1 / 0)
    assert httpx.get(f"{here}v1/models", params={"token": TOKENS["ada"]}, trust_env=False).status_code == 500
    assert "ZeroDivisionError" in caplog.text
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not any(TOKENS["ada"] in record.getMessage() for record in ours)


def test_no_token_is_logged(here: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    httpx.get(f"{here}v1/models", params={"token": TOKENS["ada"]}, trust_env=False)
    httpx.get(f"{here}v1/models", params={"token": "guessed-token"}, trust_env=False)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert any("/v1/models ada" in line for line in ours)
    assert any("no valid token" in line for line in ours)
    assert not any(TOKENS["ada"] in line or "guessed" in line for line in ours)


def test_health_needs_no_token_and_metrics_do(address: str) -> None:
    assert httpx.get(f"{address}healthz", trust_env=False).text == "ok\n"
    digest = send(client(address), picture(8))
    client(address).get(f"v1/embeddings/{digest}?model=tiny&wait=30")
    text = client(address).get("metrics").text
    counted = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(counted["sam_widget_images_embedded"]) >= 1
    assert float(counted['sam_widget_requests_total{kind="embedding",status="200"}']) >= 1
    assert json.loads(counted["sam_widget_images_waiting"]) == 0
