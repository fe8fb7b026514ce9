"""Prompts over a websocket."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from sam_widget.masks.codecs import mask_from_rle
from sam_widget.masks.runs import StoredMask
from sam_widget.masks.wire_codec import unpack_runs
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor
from tests.serve.test_app import client, send
from tests.serving import ENGINES, TOKENS, served_by


@pytest.fixture(scope="module", params=ENGINES)
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with served_by(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def digest(address: str, photo: np.ndarray) -> str:
    http = client(address)
    found = send(http, photo)
    assert http.get(f"v1/embeddings/{found}?model=tiny&wait=30").status_code == 200
    return found


def line(address: str, who: str = "ada") -> ClientConnection:
    return connect(f"{address.replace('http', 'ws')}v1/predict?token={TOKENS[who]}", proxy=None)


def asked(socket: ClientConnection, question: dict[str, Any] | str | bytes) -> dict[str, Any]:
    socket.send(json.dumps(question) if isinstance(question, dict) else question)
    found: dict[str, Any] = json.loads(socket.recv(timeout=30))
    return found


@pytest.mark.parametrize(
    "prompt",
    [
        {"points": [[200, 200]]},
        {"points": [[200, 200], [40, 60]], "labels": [1, 0], "multimask": False},
        {"box": [60, 20, 380, 290]},
    ],
)
def test_answers_are_those_of_the_model(address: str, digest: str, photo: np.ndarray, prompt: dict[str, Any]) -> None:
    here = Predictor("tiny", cache=EmbeddingCache())
    ours = here.predict(here.embed(photo), **prompt)
    question = {"id": 7, "model": "tiny", "hash": digest, **prompt}
    with line(address) as socket:
        theirs = asked(socket, question)
        socket.send(json.dumps(question | {"packed": True}))
        content = socket.recv(timeout=30)
    assert len(content) <= 3000
    packed = [unpack_runs(b64decode(one["runs"]), *one["size"]) for one in json.loads(content)["masks"]]
    assert all(np.array_equal(runs, StoredMask(mask).runs) for runs, mask in zip(packed, ours.masks, strict=True))
    assert (theirs["id"], theirs["weights"]) == (7, here.model.weights_id)
    assert np.allclose(theirs["scores"], ours.scores, atol=1e-4)
    assert all(np.array_equal(mask_from_rle(one), mask) for one, mask in zip(theirs["masks"], ours.masks, strict=True))


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("{", "not a question"),
        (b"\xff\xfe", "not a question"),
        ({"id": 1}, "not a question"),
        ({"id": 1, "points": [["a", 1]]}, "not a question"),
        ({"id": 1, "hash": "of none"}, "not sent this image"),
        ({"id": 1, "model": "vit_h"}, "no such model here"),
        ({"id": 1, "points": []}, "prompt is empty"),
        ({"id": 1, "points": [[9999, 5]]}, "outside"),
        ({"id": 1, "points": [[5, 5]] * 2000}, "points"),
        ({"id": 1, "points": [[5, 5]], "labels": [3]}, "label"),
        ({"id": 1, "box": [5, 5, 5, 5]}, "box"),
    ],
)
def test_a_malformed_question_gets_a_sentence_and_the_next_an_answer(
    address: str, digest: str, question: Any, said: str
) -> None:
    good = {"id": 2, "model": "tiny", "hash": digest, "points": [[200, 200]]}
    if isinstance(question, dict) and len(question) > 1:
        question = {"model": "tiny", "hash": digest, **question}
    with line(address) as socket:
        assert said in asked(socket, question)["error"]
        assert len(asked(socket, good)["masks"]) == 3


def test_other_peoples_images_stay_theirs(address: str, digest: str) -> None:
    question = {"id": 1, "model": "tiny", "hash": digest, "points": [[200, 200]]}
    with line(address, "bob") as socket:
        found = asked(socket, question)
        assert found.get("masks") is None
        assert found["error"] == asked(socket, question | {"hash": "f" * 32})["error"]


def test_strangers_get_no_websocket(address: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{address.replace('http', 'ws')}v1/predict?token=wrong", proxy=None)
    assert refused.value.response.status_code == 401


def test_a_huge_message_ends_one_connection_and_no_other(address: str, digest: str) -> None:
    with line(address) as socket:
        socket.send("x" * 2**21)
        with pytest.raises(Exception, match=r"close|too big|1009"):
            socket.recv(timeout=30)
    assert httpx.get(f"{address}healthz", trust_env=False).status_code == 200
    with line(address) as socket:
        question = {"id": 1, "model": "tiny", "hash": digest, "points": [[200, 200]]}
        assert len(asked(socket, question)["masks"]) == 3
