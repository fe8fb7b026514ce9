"""A widget whose photo is embedded by a server."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.predictor import interface, served
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.serve.embedder import Embedder
from tests.serving import TOKENS, serving
from tests.waiting import until


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(served, "_PAUSES", (0.01,))
    monkeypatch.setattr(served, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(served, "CACHE", EmbeddingCache())
    monkeypatch.setattr(interface, "_named", {})


def test_the_widget_says_its_place_in_the_queue_and_then_answers(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    batch = Embedder._batch
    monkeypatch.setattr(Embedder, "_batch", lambda self: free.wait(60) and batch(self))
    with serving() as address:
        other = sw.connect(f"{address}?token={TOKENS['bob']}")
        waits = threading.Thread(target=other.embed, args=(photo[:200],))
        waits.start()
        until(lambda: other.server.about().queue == 1, seconds=30, what="the other photo waits")
        widget = sw.SamWidget(photo, model=f"{address}?token={TOKENS['ada']}")
        until(lambda: "number 2 in the queue" in widget.state["message"], seconds=60, what="it waits")
        assert widget.state["status"] == "embedding"
        free.set()
        until(lambda: widget.state["status"] == "ready", seconds=60, what="it is ready")
        waits.join()
        widget.click(200, 200)
        assert widget.chosen is not None
        assert TOKENS["ada"] not in str(widget.state)
        widget.close()


def test_a_server_that_is_gone_is_reported_and_what_is_embedded_goes_on(photo: np.ndarray) -> None:
    with serving() as address:
        given = f"{address}?token={TOKENS['ada']}"
        widget = sw.SamWidget(photo, model=given)
        until(lambda: widget.state["status"] == "ready", seconds=60, what="it is ready")
    widget.click(200, 200)
    assert widget.chosen is not None
    other = sw.SamWidget(photo[:200], model=given)
    until(lambda: other.state["status"] == "error", seconds=60, what="it says so")
    assert "does not answer" in other.state["message"]
    assert TOKENS["ada"] not in other.state["message"]
    widget.close()
    other.close()
