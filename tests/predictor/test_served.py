"""A predictor whose images are embedded by a server, with a real server."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.errors import ModelError
from sam_widget.image.reading import image_hash
from sam_widget.predictor import connection, interface, served
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.served import ServedPredictor, connect, scaled
from sam_widget.serve import access
from sam_widget.serve.embedder import Embedder
from tests.serving import TOKENS, serving


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch decoders into an empty folder, do not wait for servers that are gone, and forget embeddings."""
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path / "cache"))
    for name in ("SAM_WIDGET_TOKEN", "SAM_WIDGET_SERVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(connection, "_PAUSES", (0.01,))
    monkeypatch.setattr(served, "CACHE", EmbeddingCache())


def connected(address: str, *, who: str = "ada", model: str | None = None) -> ServedPredictor:
    found = connect(f"{address}?token={TOKENS[who]}", model=model)
    found.cache = EmbeddingCache()
    return found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as found:
        yield found


def test_it_answers_like_the_model_on_this_machine(address: str, photo: np.ndarray) -> None:
    here, there = Predictor("tiny", cache=EmbeddingCache()), connected(address)
    embedding, sent = here.embed(photo).halved(), there.embed(photo)
    assert (sent.image_hash, sent.image_size) == (image_hash(photo), photo.shape[:2])
    assert there.model.weights_id == here.model.weights_id
    for prompt in ({"points": [(200, 200)]}, {"box": (60, 20, 380, 290)}):
        ours, theirs = here.predict(embedding, **prompt), there.predict(sent, **prompt)  # type: ignore[arg-type]
        assert np.array_equal(ours.masks, theirs.masks)
        assert np.array_equal(ours.scores, theirs.scores)


def test_the_address_is_a_model(address: str, photo: np.ndarray) -> None:
    given = f"{address}?token={TOKENS['ada']}"
    session = sw.Session(photo, model=given)
    session.click(200, 200)
    assert interface.predictor_of(given) is session.predictor
    assert session.chosen is not None


def test_the_token_is_neither_stored_nor_shown(address: str, photo: np.ndarray, tmp_path: Path) -> None:
    session = sw.Session(photo, model=f"{address}?token={TOKENS['ada']}", autosave=tmp_path / "cat.sam")
    session.click(200, 200)
    session.accept("cat")
    session.close()
    shown = (session.to_code(), repr(session), repr(session.predictor), session.model_name)
    assert not any(TOKENS["ada"] in text for text in shown)
    assert session.model_name == address
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or TOKENS["ada"].encode() not in path.read_bytes()


def test_a_session_of_a_server_does_not_connect_by_itself(address: str, photo: np.ndarray, tmp_path: Path) -> None:
    given = f"{address}?token={TOKENS['ada']}"
    session = sw.Session(photo, model=given, autosave=tmp_path / "cat.sam", keep_image=True)
    session.click(200, 200)
    session.accept("cat")
    session.close()
    with pytest.raises(ModelError, match="on another machine"):
        sw.Session.load(tmp_path / "cat.sam")
    assert len(sw.Session.load(tmp_path / "cat.sam", model=given).objects) == 1


def test_a_large_photo_is_scaled_before_it_is_sent(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    large = np.kron(rng.integers(0, 255, (60, 90, 3), dtype=np.uint8), np.ones((20, 20, 1), np.uint8))
    there, here = connected(address), Predictor("tiny", cache=EmbeddingCache())
    sizes: list[int] = []
    monkeypatch.setattr(connection, "_png", lambda rgb, png=connection._png: sizes.append(rgb.size) or png(rgb))
    sent, ours = there.embed(large), here.embed(large).halved()
    assert max(sizes) < large.size / 4
    assert np.array_equal(sent.features.numpy(), ours.features.numpy())


def test_models_that_do_not_round_their_input_get_the_whole_photo() -> None:
    from sam_widget.model.config import SAM2_TINY, VIT_B

    photo = np.zeros((1200, 1800, 3), np.uint8)
    assert scaled(VIT_B, photo).shape == (683, 1024, 3)
    assert scaled(SAM2_TINY, photo) is photo
    small = np.zeros((120, 180, 3), np.uint8)
    assert scaled(VIT_B, small) is small


def test_an_image_of_two_people_is_embedded_once(photo: np.ndarray) -> None:
    predictor = Predictor("tiny", cache=EmbeddingCache())
    made: list[int] = []
    encode = predictor._encode
    predictor._encode = lambda rgbs, hashes: made.append(len(rgbs)) or encode(rgbs, hashes)  # type: ignore[func-returns-value,method-assign]
    with serving({"tiny": predictor}) as address:
        clients = [connected(address, who=who) for who in ("ada", "bob") for _ in range(3)]
        threads = [threading.Thread(target=client.embed, args=(photo,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [1]
        assert all(client.has(image_hash(photo)) for client in clients)


def test_the_decoder_is_fetched_once_and_repaired(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(address)
    [path] = (tmp_path / "cache/decoders").iterdir()
    asked: list[str] = []
    ask = connection.Server._ask
    monkeypatch.setattr(
        connection.Server, "_ask", lambda self, *args, **more: asked.append(args[1]) or ask(self, *args, **more)
    )
    connected(address)
    assert asked == ["v1/models"]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    connected(address)
    assert asked[1:] == ["v1/models", "v1/decoders/tiny"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


def test_a_server_that_was_restarted_gets_the_image_again(photo: np.ndarray) -> None:
    with serving() as address:
        client = connected(address)
        client.embed(photo)
        port = int(address.rstrip("/").rpartition(":")[2])
    with pytest.raises(ModelError, match=r"does not answer.*sam-widget serve"):
        client.embed(photo[:200])
    # What was embedded before is answered all the same.
    assert client.predict(client.embed(photo), points=[(200, 200)]).masks.any()
    with serving(port=port):
        assert client.embed(photo[:200]).image_size == (200, photo.shape[1])


def test_a_server_of_another_version_that_took_its_place_is_named(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as address:
        client = connected(address)
        monkeypatch.setattr(access, "PROTOCOL", 2)
        with pytest.raises(ModelError, match=r"version 2 of the protocol, and this client has version 1; install"):
            client.embed(photo)


def test_the_place_in_the_queue_is_told(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    batch = Embedder._batch
    monkeypatch.setattr(Embedder, "_batch", lambda self: free.wait() and batch(self))
    monkeypatch.setattr(connection, "_WAIT_SECONDS", 0.05)
    with serving() as address:
        clients = [connected(address, who=who) for who in ("ada", "bob")]
        places: list[tuple[str, int]] = []
        told = threading.Event()

        def waiting(_digest: str, place: int, seconds: float) -> None:
            assert seconds > 0
            places.append(("bob", place))
            told.set()

        first = threading.Thread(target=clients[0].embed, args=(photo,))
        first.start()
        while not clients[0].server.about().queue:
            pass
        forget = clients[1].on_wait(waiting)
        second = threading.Thread(target=clients[1].embed, args=(photo[:200],))
        second.start()
        assert told.wait(30)
        free.set()
        first.join()
        second.join()
        assert places[0] == ("bob", 2)
        forget()
        places.clear()
        clients[1].embed(photo[:100])
        assert places == []


def test_a_trace_is_refused(address: str, photo: np.ndarray) -> None:
    client = connected(address)
    with pytest.raises(ModelError, match="a trace needs the whole model"):
        client.trace(client.embed(photo), points=[(200, 200)])


def test_the_address_and_token_may_be_in_the_environment(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no server to connect to"):
        connect()
    monkeypatch.setenv("SAM_WIDGET_SERVER", address)
    with pytest.raises(ModelError, match="token is missing or wrong"):
        connect()
    monkeypatch.setenv("SAM_WIDGET_TOKEN", TOKENS["bob"])
    assert connect().model.name == "tiny"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("ada", "eve"), "token is missing or wrong"),
        (lambda url: f"{url}&model=vit_h", "has no model 'vit_h'; it has tiny"),
        (lambda _url: "ftp://lab/", "not the address of a server"),
        (lambda url: url.removeprefix("http://"), "not the address of a server"),
        (lambda _url: "http://[bad/", "malformed"),
        (lambda _url: "http://127.0.0.1:1/", "does not answer"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(address: str, change: object, said: str) -> None:
    url = change(f"{address}?token={TOKENS['ada']}")  # type: ignore[operator]
    with pytest.raises(ModelError, match=said) as error:
        connect(url)
    assert TOKENS["ada"] not in str(error.value)


@contextmanager
def stranger(answers: dict[str, bytes]) -> Iterator[str]:
    """Answer as another program would: these contents, by path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = answers.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"not here")

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def about(**changes: object) -> bytes:
    model = {"name": "tiny", "weights_id": "w", "encoder_id": "e", "image_size": 384, "decoder": "0" * 64}
    return json.dumps({"protocol": 1, "version": "9", "models": [model | changes]}).encode()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, "refused: status 404"),
        ({"/v1/models": b"<html>"}, "is not a `sam-widget serve`"),
        (
            {"/v1/models": json.dumps({"protocol": 2, "version": "9", "models": []}).encode()},
            "version 2 of the protocol",
        ),
        ({"/v1/models": json.dumps({"protocol": 1, "version": "9", "models": []}).encode()}, "serves no models"),
        ({"/v1/models": about(decoder="../../evil")}, "not a SHA-256"),
        ({"/v1/models": about(), "/v1/decoders/tiny": b"weights"}, "arrived damaged"),
        (
            {"/v1/models": about(decoder=hashlib.sha256(b"weights").hexdigest()), "/v1/decoders/tiny": b"weights"},
            "cannot be read as a decoder",
        ),
    ],
)
def test_other_servers_are_told_from_ours(answers: dict[str, bytes], said: str) -> None:
    with stranger(answers) as address, pytest.raises(ModelError, match=said):
        connect(address)


def test_a_folder_is_embedded_by_the_server_and_kept_here(address: str, photo: np.ndarray, tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(photo[number * 10 :]).save(tmp_path / f"{number}.png")
    given = f"{address}?token={TOKENS['ada']}"
    report = sw.embed_folder(tmp_path, model=given, store=tmp_path / "store", progress=False)
    assert (len(report.done), report.failed) == (3, ())
    assert len(sw.EmbeddingStore(tmp_path / "store")) == 3
    assert len(sw.embed_folder(tmp_path, model=given, store=tmp_path / "store", progress=False).skipped) == 3


def test_a_predictor_like_it_embeds_at_the_server_too(address: str, photo: np.ndarray) -> None:
    client = connected(address)
    other = client.like(cache=EmbeddingCache())
    assert isinstance(other, ServedPredictor)
    assert other.cache is not client.cache
    assert other.predict(other.embed(photo), points=[(200, 200)]).masks.any()


def test_an_address_is_not_a_model_file(address: str) -> None:
    with pytest.raises(ModelError, match=r"is a server.*sam_widget\.connect") as error:
        sw.load_model(f"{address}?token={TOKENS['ada']}")
    assert TOKENS["ada"] not in str(error.value)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_proxy_without_a_server_behind_it_is_asked_again(
    address: str, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    there = connected(address)
    real = there.server._client.request
    failures = [httpx.Response(status, html="<h1>Bad Gateway</h1>")]
    monkeypatch.setattr(
        there.server._client, "request", lambda *args, **options: failures.pop() if failures else real(*args, **options)
    )
    assert there.server.about().models[0].name == "tiny"
    failures += [httpx.Response(status, html="<h1>Bad Gateway</h1>")] * 2
    with pytest.raises(sw.OutOfReachError, match="does not answer"):
        there.server.about()
