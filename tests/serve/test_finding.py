"""Searches by words at a server, with a real one."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.image.reading import image_hash
from sam_widget.masks.runs import StoredMask
from sam_widget.masks.wire_codec import unpack_runs
from sam_widget.serve import everything
from sam_widget.serve.everything import MOST_OF_ONE
from tests.serve.test_app import client, error, picture, png
from tests.serving import serving


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as found:
        yield found


def test_instances_are_those_of_a_session(address: str, photo: np.ndarray) -> None:
    expected = sw.Session(photo, model="tiny").find("cat", "dog")
    http = client(address)
    reply = http.post("v1/find?model=tiny&words=cat&words=dog", content=png(photo), timeout=120)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    assert answer["hash"] == image_hash(photo)
    found = [one for one in answer["instances"] if one["found"]]
    assert sorted((one["word"], one["score"]) for one in found) == sorted(
        (one.word, pytest.approx(one.score, abs=0.02)) for one in expected
    )
    first = StoredMask.of_runs(unpack_runs(b64decode(found[0]["runs"]), *found[0]["size"]), tuple(found[0]["size"]))
    assert first.area > 100
    # The image counts as sent, and its embedding as made.
    assert http.get(f"v1/embeddings/{answer['hash']}?model=tiny").status_code == 200
    assert client(address, "bob").get(f"v1/embeddings/{answer['hash']}?model=tiny").status_code == 404


@pytest.mark.parametrize(
    ("query", "body", "status", "said"),
    [
        ("model=tiny", png(picture(1)), 400, "nothing to find"),
        ("model=tiny&words=xyzzy", png(picture(1)), 400, "xyzzy"),
        ("model=tiny&words=cat&threshold=high", png(picture(1)), 400, "not a number"),
        ("model=tiny&words=cat&threshold=7", png(picture(1)), 400, "from 0 to 1"),
        ("model=tiny&words=cat", b"no image", 400, "cannot be read"),
        ("model=vit_h&words=cat", png(picture(1)), 404, "no such model"),
    ],
)
def test_wrong_searches_are_refused(address: str, query: str, body: bytes, status: int, said: str) -> None:
    reply = client(address).post(f"v1/find?{query}", content=body)
    assert reply.status_code == status
    assert said in error(reply)


def test_a_person_has_one_search_at_a_time(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(everything, "MOST_OF_ONE", MOST_OF_ONE - 1)
    reply = client(address).post("v1/find?model=tiny&words=cat", content=png(picture(1)))
    assert reply.status_code == 429
    assert reply.headers["Retry-After"] == "2"
