"""A server of this process for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor
from sam_widget.serve.people import People
from sam_widget.serve.server import serve

# Tokens by name.
TOKENS = {"ada": "ada-0123456789abcdef", "bob": "bob-0123456789abcdef"}
SECONDS = 60


@contextmanager
def serving(
    predictors: Mapping[str, Predictor] | None = None, people: People | None = None, *, port: int = 0
) -> Iterator[str]:
    """Serve models, by default `tiny` with an empty cache; yields the address, without a token."""
    found: list[str] = []
    ready, stop = threading.Event(), threading.Event()

    def told(address: str) -> None:
        found.append(address)
        ready.set()

    thread = threading.Thread(
        target=serve,
        args=(predictors or {"tiny": Predictor("tiny", cache=EmbeddingCache())}, people or People(TOKENS)),
        kwargs={"port": port, "ready": told, "stop": stop},
    )
    thread.start()
    try:
        assert ready.wait(SECONDS)
        yield found[0]
    finally:
        stop.set()
        thread.join(SECONDS)
        assert not thread.is_alive()
