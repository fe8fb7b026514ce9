"""A server that has not answered yet, when its predictor is first asked for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import ModelError, OutOfReachError
from sam_widget.masks.measures import iou
from sam_widget.model.config import TINY
from sam_widget.predictor import connection, interface, served
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.interface import Queued, Unreached, predictor_of, reached, seen
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.served import ServedPredictor
from sam_widget.predictor.thin import ThinPredictor
from sam_widget.predictor.unreached import UNREACHED, UnreachedPredictor
from sam_widget.predictor.with_store import predictor_with_store
from tests.serve.test_proxy import free_port
from tests.serving import TOKENS, serving


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(connection, "_PAUSES", (0.01,))
    monkeypatch.setattr(served, "CACHE", EmbeddingCache())
    monkeypatch.setattr(interface, "_named", {})


@pytest.fixture
def port() -> int:
    return free_port()


def address(port: int, options: str = "") -> str:
    return f"http://127.0.0.1:{port}/?token={TOKENS['ada']}{options}"


@pytest.mark.parametrize(("options", "kind"), [("", ServedPredictor), ("&thin=1", ThinPredictor)])
def test_it_is_named_like_the_address_until_the_server_answers(
    port: int, photo: np.ndarray, options: str, kind: type
) -> None:
    found = predictor_of(address(port, options), later=True)
    assert isinstance(found, UnreachedPredictor)
    assert isinstance(found, Queued)
    assert isinstance(found, Unreached)
    identity = found.model
    assert identity.name.startswith(f"http://127.0.0.1:{port}/")
    assert TOKENS["ada"] not in identity.name + repr(found)
    assert identity.weights_id == UNREACHED
    assert found.config is TINY
    assert seen(found) is found
    for ask in (lambda: reached(found), lambda: found.embed(photo)):
        with pytest.raises(OutOfReachError, match="does not answer"):
            ask()
    waits: list[str] = []
    found.on_wait(lambda digest, _place, _seconds: waits.append(digest))
    with serving(port=port):
        embedding = found.embed(photo)
        here = Predictor("tiny", cache=EmbeddingCache())
        prompt = sw.Prompt().with_point(200, 200)
        ours, theirs = here.answer(here.embed(photo), prompt), found.answer(embedding, prompt)
        assert iou(ours.masks[ours.best], theirs.stored_mask(theirs.best).array) > 0.99, "in half precision"
    assert type(seen(found)) is kind
    assert identity.name == "tiny"
    assert identity.weights_id == here.model.weights_id
    assert predictor_of(address(port, options)) is found.seen, "it is shared"
    queued = seen(found)
    assert isinstance(queued, ServedPredictor | ThinPredictor)
    queued._listeners.tell("a hash", 3, 2.0)
    assert waits[-1] == "a hash"


def test_only_a_server_that_does_not_answer_is_asked_later(port: int) -> None:
    with pytest.raises(OutOfReachError, match="does not answer"):
        predictor_of(address(port))
    with serving(port=port):
        for wrong, said in (("token=wrong-0123456789", "token is missing or wrong"), ("model=vit_h", "has no model")):
            with pytest.raises(ModelError, match=said) as refused:
                predictor_of(f"{address(port)}&{wrong}", later=True)
            assert not isinstance(refused.value, OutOfReachError)


def test_other_models_are_loaded_while_a_server_is_asked(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in is one of them."""
    asked = predictor_of(address(port), later=True)
    monkeypatch.setattr(connection, "_PAUSES", (5.0,))
    ended: list[Exception] = []

    def ask() -> None:
        try:
            reached(asked)
        except OutOfReachError as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    start = time.monotonic()
    assert predictor_of("tiny").model.name == "tiny"
    another = predictor_of(address(port), later=True)
    assert isinstance(another, UnreachedPredictor)
    assert thread.is_alive(), "neither waited for it"
    assert time.monotonic() - start < 5
    thread.join()
    assert ended


@pytest.mark.parametrize("options", ["", "&thin=1"])
def test_a_store_is_used_once_it_is_there(port: int, photo: np.ndarray, tmp_path: Path, options: str) -> None:
    found = predictor_with_store(address(port, options), tmp_path / "store", later=True)
    assert isinstance(found, UnreachedPredictor)
    assert not found.has(sw.sample("cat").tobytes().hex()[:32])
    with serving(port=port):
        found.embed(photo)
        there = predictor_with_store(address(port, options), tmp_path / "store")
    kept = list((tmp_path / "store").rglob("*.safetensors"))
    assert bool(kept) == (options == "")
    assert type(there) is type(found.seen)
