"""The websocket of a thin client, with real servers, and with servers that misbehave."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import numpy as np
import pytest
from websockets.sync import server as websockets_server
from websockets.sync.server import ServerConnection

import sam_widget as sw
from sam_widget.errors import ModelError, OutOfReachError
from sam_widget.predictor import connection, prompt_line
from sam_widget.predictor.connection import PROTOCOL_HEADER
from sam_widget.predictor.prompt_line import PromptLine
from sam_widget.predictor.thin import RemoteEmbedding, ThinPredictor
from sam_widget.serve import prompts
from tests.benchmarks.slow_link import slow_link
from tests.serving import ENGINES, TOKENS, served_by, serving
from tests.waiting import until

SAMPLES = ("coffee", "astronaut", "rocket")
CLICKS = 40


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(connection, "_PAUSES", (0.01,))
    monkeypatch.setattr(prompt_line, "PAUSES", (0.01,))


@pytest.fixture(scope="module", params=ENGINES)
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with served_by(request.param) as found:
        yield found


def port_of(address: str) -> int:
    return int(address.rstrip("/").rpartition(":")[2])


def line(address: str, **headers: str) -> PromptLine:
    return PromptLine(address, {"Authorization": f"Bearer {TOKENS['ada']}", **headers}, proxies=False)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_click_takes_at_most_three_kilobytes_both_ways(address: str, name: str) -> None:
    photo, rng = sw.sample(name), np.random.default_rng(0)
    with slow_link(port_of(address), bits_per_second=1e9, delay=0) as link:
        client = sw.connect(f"http://127.0.0.1:{link.port}/?token={TOKENS['ada']}", thin=True)
        embedding = client.embed(photo)
        sizes = []
        for _ in range(CLICKS):
            before = link.bytes
            client.predict(embedding, points=[rng.uniform(5, np.array(photo.shape[1::-1]) - 5)])
            sizes.append(link.bytes - before)
    # The first also opens the websocket.
    assert np.percentile(sizes[1:], 95) <= 3000
    assert np.median(sizes[1:]) <= 1700


def test_threads_share_one_websocket_that_closes_with_the_predictor(photo: np.ndarray) -> None:
    with (
        serving() as address,
        slow_link(int(address.rstrip("/").rpartition(":")[2]), bits_per_second=1e9, delay=0) as link,
    ):
        client = sw.connect(f"http://127.0.0.1:{link.port}/?token={TOKENS['ada']}", thin=True)
        assert isinstance(client, ThinPredictor)
        embedding = client.embed(photo)
        expected = [masks_at(client, embedding, x) for x in (100, 200, 300)]
        before = link.connections
        with ThreadPoolExecutor(3) as pool:
            found = pool.map(partial(masks_at, client, embedding), 4 * (100, 200, 300))
            assert all(np.array_equal(masks, expected[k % 3]) for k, masks in enumerate(found))
        del pool, found
        assert link.connections == before
        assert open_lines(address) == 1
        del client
        gc.collect()
        until(lambda: open_lines(address) == 0, seconds=10, what="the websocket is closed")


def masks_at(client: ThinPredictor, embedding: RemoteEmbedding, x: int) -> np.ndarray:
    return client.predict(embedding, points=[(x, 200)]).masks


def open_lines(address: str) -> int:
    """Count the websockets that a server has."""
    text = connection.Server(f"{address}?token={TOKENS['ada']}")._client.get("metrics").text
    (row,) = (row for row in text.splitlines() if row.startswith("sam_widget_websockets_open "))
    return int(float(row.split()[1]))


def test_what_the_server_refuses_is_a_sentence(address: str) -> None:
    with pytest.raises(ModelError, match="refused: a token is missing or wrong; use the whole address") as refused:
        line(address, Authorization="Bearer wrong").ask(b"{}")
    assert not isinstance(refused.value, OutOfReachError)
    with pytest.raises(ModelError, match="refused: it runs sam_widget .* this client has version 99; install the same"):
        line(address, **{PROTOCOL_HEADER: "99"}).ask(b"{}")
    one = line(address)
    with pytest.raises(ModelError, match=r"takes 2,097,152 bytes, more than http"):
        one.ask(b"x" * 2**21)
    assert b"not a question" in msgspec.json.encode(one.ask(b"{}")), "the next question is answered"


@pytest.mark.parametrize("engine", ["tornado", "asgi"])
def test_a_person_with_too_many_websockets_is_told_when_to_ask_again(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "MOST_LINES", 1)
    monkeypatch.setattr(prompts, "AGAIN_SECONDS", 1)
    with served_by(engine) as address:
        first, second = line(address), line(address)
        first.ask(b"{}")
        with monkeypatch.context() as patched:
            patched.setattr(prompt_line, "_LONGEST_WAIT", 0.5)
            with pytest.raises(
                OutOfReachError, match="refused: you have 1 websockets open; close some; ask again in 1 s"
            ):
                second.ask(b"{}")
        closing = threading.Timer(0.2, first._closing.close)
        closing.start()
        assert "not a question" in str(second.ask(b"{}")), "it asks again by itself"
        closing.join()


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Serve HTTP, with one status for everything, as a proxy does."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Be quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (502, OutOfReachError, "does not answer; check that `sam-widget serve` runs there"),
        (200, ModelError, "status 200 for a websocket; a proxy between here and there has to pass on websockets"),
        (403, ModelError, "status 403 for a websocket"),
        (404, ModelError, "status 404 for a websocket"),
        (429, OutOfReachError, "refused: status 429; ask again in 1 s"),
    ],
)
def test_a_proxy_that_passes_no_websockets_on_is_named(
    status: int, kind: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_line, "_LONGEST_WAIT", 0.5)
    with answering(status) as address, pytest.raises(kind, match=said) as found:
        line(address).ask(b"{}")
    assert type(found.value) is kind


@contextmanager
def speaking(answer: Callable[[ServerConnection], None]) -> Iterator[str]:
    """Serve a websocket."""
    with websockets_server.serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_late_answer_is_not_taken_for_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_line, "_ANSWER_SECONDS", 0.3)
    slow = threading.Event()

    def echo(there: ServerConnection) -> None:
        for message in there:
            if message == "slow":
                slow.wait(10)
            there.send(message)

    with speaking(echo) as address:
        one = line(address)
        assert one.ask(b"first") == "first"
        with pytest.raises(OutOfReachError, match="does not answer"):
            one.ask(b"slow")
        slow.set()
        assert one.ask(b"second") == "second"


def test_a_websocket_that_ends_in_the_middle_is_opened_again() -> None:
    asked: list[str | bytes] = []

    def once(there: ServerConnection) -> None:
        there.send(there.recv())
        asked.append(there.recv())

    with speaking(once) as address:
        one = line(address)
        assert [one.ask(text) for text in (b"1", b"2", b"3")] == ["1", "2", "3"]
        assert asked[:2] == ["2", "3"], "each was asked twice"


def test_no_server_is_out_of_reach() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(OutOfReachError, match="does not answer; check"):
        line(f"http://127.0.0.1:{port}/").ask(b"{}")


def test_an_answer_that_cannot_be_read_is_reported(photo: np.ndarray) -> None:
    def nonsense(there: ServerConnection) -> None:
        for number, _ in enumerate(there):
            there.send(
                ["{", '{"scores": "high"}', '{"scores": [1], "masks": [{"size": [5, 5], "runs": "AAAA"}]}'][number]
            )

    with serving() as address, speaking(nonsense) as other:
        client = sw.connect(f"{address}?token={TOKENS['ada']}", thin=True)
        assert isinstance(client, ThinPredictor)
        embedding = client.embed(photo)
        client._line = line(other)
        for _ in range(3):
            with pytest.raises(ModelError, match="gives no answer that this version can read"):
                client.predict(embedding, points=[(200, 200)])
