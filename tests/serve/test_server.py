"""Starting and ending a server."""

from __future__ import annotations

import socket
import threading

import httpx
import numpy as np
import pytest

from sam_widget.errors import SessionError
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor
from sam_widget.serve.people import People
from sam_widget.serve.server import serve
from tests.serve.test_app import client, send
from tests.serving import TOKENS, serving
from tests.waiting import until


def test_a_taken_port_is_refused(predictor: Predictor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SessionError, match="choose another with --port"):
            serve({"tiny": predictor}, People(TOKENS), port=taken.getsockname()[1])


def test_an_address_of_another_machine_is_refused(predictor: Predictor) -> None:
    with pytest.raises(SessionError, match=r"cannot listen on 192\.0\.2\.1"):
        serve({"tiny": predictor}, People(TOKENS), host="192.0.2.1")


def test_it_leaves_no_thread_behind(predictor: Predictor) -> None:
    before = set(threading.enumerate())
    with serving({"tiny": predictor}):
        assert len(set(threading.enumerate()) - before) >= 2
    assert set(threading.enumerate()) <= before


def test_requests_under_way_are_answered_before_it_ends(
    predictor: Predictor, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, free = threading.Event(), threading.Event()
    alone = Predictor(predictor.model, cache=EmbeddingCache())
    many = alone.embed_many
    monkeypatch.setattr(alone, "embed_many", lambda images: (begun.set(), free.wait(30), many(images))[2])
    replies: list[int] = []
    with serving({"tiny": alone}) as address:
        http = client(address)
        digest = send(http, photo)
        assert begun.wait(30)
        asks = threading.Thread(
            target=lambda: replies.append(http.get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code)
        )
        asks.start()
        until(lambda: under_way(http) == 2, seconds=30, what="it asks")
        threading.Timer(0.5, free.set).start()
    asks.join(30)
    assert replies == [200]


def under_way(http: httpx.Client) -> int:
    """Return the number of requests that are being answered, this one included."""
    rows = [row for row in http.get("metrics").text.splitlines() if row.startswith("sam_widget_requests_under_way")]
    return int(float(rows[0].split()[1]))


def test_embeddings_are_kept_without_the_pixels(photo: np.ndarray) -> None:
    cache = EmbeddingCache(pixels=False)
    ours = Predictor("tiny", cache=cache)
    assert ours.embed(photo).pixels is None
    with serving({"tiny": ours}) as address:
        http = client(address)
        digest = send(http, photo[:200])
        assert http.get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 200
    kept = cache.get(digest, ours.model.encoder_id)
    assert kept is not None
    assert kept.pixels is None
    assert Predictor("tiny", cache=EmbeddingCache()).embed(photo).pixels is not None
