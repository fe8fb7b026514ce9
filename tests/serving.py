"""Servers for tests: in this process, and in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import uvicorn
from safetensors.torch import save_file

from sam_widget.model.zoo import load_model
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor
from sam_widget.serve.asgi_service import AsgiService
from sam_widget.serve.people import People
from sam_widget.serve.server import serve
from sam_widget.serve.service import Service
from tests.waiting import until

# Tokens by name.
TOKENS = {"ada": "ada-0123456789abcdef", "bob": "bob-0123456789abcdef"}
SECONDS = 60
# The servers that speak the protocol.
ENGINES = ("tornado", "asgi", pytest.param("ray", marks=[pytest.mark.cluster, pytest.mark.timeout(600)]))


@contextmanager
def serving(
    predictors: Mapping[str, Predictor] | None = None, people: People | None = None, *, port: int = 0, prefix: str = "/"
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
        kwargs={"port": port, "prefix": prefix, "ready": told, "stop": stop},
    )
    thread.start()
    try:
        assert ready.wait(SECONDS)
        yield found[0]
    finally:
        stop.set()
        thread.join(SECONDS)
        assert not thread.is_alive()


@contextmanager
def process(folder: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run it; yields the process and the address that it prints."""
    cache = {"SAM_WIDGET_CACHE": str(folder / "server")}
    served = subprocess.Popen(
        [sys.executable, "-m", "sam_widget", "serve", *options],
        env={**os.environ, **cache, **environment},
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("w"),
        text=True,
    )
    assert served.stdout is not None
    try:
        yield served, served.stdout.readline().strip()
    finally:
        served.kill()
        served.wait()
        served.stdout.close()


def checkpoint(path: Path) -> Path:
    """Write a model that answers almost like `tiny`, with another name and other weights."""
    tensors = {name: tensor.clone() for name, tensor in load_model("tiny").state_dict().items()}
    tensors["mask_decoder.iou_prediction_head.layers.2.bias"] += 0.05
    save_file(tensors, path)
    return path


@contextmanager
def asgi_serving() -> Iterator[str]:
    """Serve `tiny` behind an ASGI server; yields the address, without a token."""
    service = Service.of({"tiny": Predictor("tiny", cache=EmbeddingCache())}, People(TOKENS))
    server = uvicorn.Server(uvicorn.Config(AsgiService(service), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, seconds=SECONDS, what="it has started")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        service.close()
        assert not thread.is_alive()


def served_by(engine: str) -> AbstractContextManager[str]:
    """Serve `tiny` with one of `ENGINES`."""
    if engine == "ray":
        from tests.serve.cluster import ray_serving

        return ray_serving()
    return asgi_serving() if engine == "asgi" else serving()
