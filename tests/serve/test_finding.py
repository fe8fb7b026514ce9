"""Searches by words and examples at a server, with a real one."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import httpx
import numpy as np
import pytest

import sam_widget as sw
from sam_widget.automatic.finding.lines import MOST_CHARACTERS, MaskPart, features_to_text
from sam_widget.automatic.finding.store import STORE
from sam_widget.image.reading import image_hash
from sam_widget.masks.runs import StoredMask
from sam_widget.serve import everything
from sam_widget.serve.everything import MOST_OF_ONE
from tests.serve.test_app import client, error, picture, png
from tests.serving import served_by

pytestmark = pytest.mark.usefixtures("coarse_search")


@pytest.fixture(scope="module", params=["tornado", "asgi"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with served_by(request.param) as found:
        yield found


@pytest.fixture
def another(photo: np.ndarray, request: pytest.FixtureRequest) -> np.ndarray:
    """A photo for this test alone, because features are kept."""
    photo = photo.copy()
    photo[0, 0] = np.frombuffer(crc32(request.node.name.encode()).to_bytes(4, "big")[:3], np.uint8)
    return photo


def post(http: httpx.Client, question: dict[str, Any], image: np.ndarray | bytes | None = None) -> httpx.Response:
    if image is None:
        return http.post("v1/find", json=question, timeout=120)
    body = image if isinstance(image, bytes) else png(image)
    files = {"image": ("it.png", body, "image/png")}
    return http.post("v1/find", data={"question": json.dumps(question)}, files=files, timeout=120)


def answer(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 200, reply.text
    lines = [json.loads(line) for line in reply.text.splitlines()]
    found: dict[str, Any] = lines[-1]["answer"]
    return found


def asked(photo: np.ndarray, **question: Any) -> dict[str, Any]:
    return {"model": "tiny", "hash": image_hash(photo), **question}


def part(mask: np.ndarray | StoredMask) -> dict[str, Any]:
    one = MaskPart.of(mask if isinstance(mask, StoredMask) else StoredMask(mask))
    return {"size": one.size, "runs": one.runs}


def test_instances_are_those_of_a_session_and_progress_is_told(address: str, another: np.ndarray) -> None:
    session = sw.Session(another, model="tiny")
    expected = session.find("cat", "dog")
    STORE._kept.clear()
    http = client(address)
    reply = post(http, asked(another, words=["cat", "dog"]), another)
    done = [json.loads(line).get("done", 0) for line in reply.text.splitlines()[:-1]]
    assert len(done) > 3
    assert done == sorted(done)
    found = answer(reply)
    assert found["hash"] == image_hash(another)
    assert found["message"] == session.state.search.message  # type: ignore[union-attr]
    ours = [one for one in found["instances"] if one["found"]]
    assert [(one["word"], one["score"], one["id"]) for one in ours] == [
        (one.word, one.score, one.id) for one in expected
    ]
    first = MaskPart(size=tuple(ours[0]["size"]), runs=ours[0]["runs"]).stored()
    assert np.array_equal(first.array, expected[0].mask)
    # The image counts as sent, and its embedding as made.
    assert http.get(f"v1/embeddings/{found['hash']}?model=tiny").status_code == 200
    # Now the question alone will do; options count.
    again = answer(post(http, asked(another, words=["cat", "dog"], threshold=0.0, limit=2)))
    assert sum(one["found"] for one in again["instances"]) == 2


def test_examples_are_masks_or_features_of_other_images(address: str, another: np.ndarray) -> None:
    http, session = client(address), sw.Session(another, model="tiny")
    records = answer(post(http, asked(another, words=["cat"]), another))["instances"]
    one = MaskPart(size=tuple(records[0]["size"]), runs=records[0]["runs"]).stored()
    expected = session.find(like=one.array, threshold=0.0)
    similar = answer(post(http, asked(another, like=[{"mask": part(one)}], threshold=0.0)))
    ours = [(item["id"], item["score"]) for item in similar["instances"]]
    assert ours == [(item.id, item.score) for item in expected.search.instances]
    (text,) = answer(post(http, asked(another, describe=[part(one)])))["described"]
    by_features = answer(post(http, asked(another, like=[{"features": text}], threshold=0.0)))
    scores = {ours["id"]: ours["score"] for ours in similar["instances"]}
    assert {ours["id"]: ours["score"] for ours in by_features["instances"]} == pytest.approx(scores, abs=1e-4)
    refused = answer(post(http, asked(another, like=[{"features": text}], not_like=[{"mask": part(one)}])))
    assert records[0]["id"] not in {ours["id"] for ours in refused["instances"]}
    own = answer(post(http, asked(another, finder="own", like=[{"mask": part(one)}]), another))
    assert own["instances"]


def test_a_hash_alone_gives_nothing(address: str, another: np.ndarray) -> None:
    another = np.ascontiguousarray(another[:100, :150])  # What is found there does not matter.
    question = asked(another, words=["cat"])
    assert post(client(address), question).status_code == 404
    answer(post(client(address), question, another))
    assert post(client(address), question).status_code == 200
    bob = post(client(address, "bob"), question)
    assert (bob.status_code, error(bob)) == (404, error(post(client(address), question | {"hash": "0" * 32})))
    lie = post(client(address, "bob"), question, picture(3))
    assert lie.status_code == 400
    assert "the hash of this image is" in error(lie)
    assert post(client(address, "bob"), question).status_code == 404
    answer(post(client(address, "bob"), question, another))


SMALL = picture(1)
MASK = np.ones(SMALL.shape[:2], bool)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"words": ["xyzzy"]}, 400, "xyzzy"),
        ({"words": [7]}, 400, "not a question of what to find"),
        ({"words": ["w" * 2000]}, 400, "too long"),
        ({"words": [f"cat {n}" for n in range(20)]}, 400, "20 phrases are too many"),
        ({"threshold": "high"}, 400, "not a question"),
        ({"threshold": 7}, 400, "from 0 to 1"),
        ({"limit": 0}, 400, "limit"),
        ({"model": "vit_h"}, 404, "no such model"),
        ({"finder": "facebook/sam3"}, 400, "no finder 'facebook/sam3' here"),
        ({"finder": "own", "words": ["cat"]}, 400, "knows no words"),
        ({"unknown": 1}, 400, "not a question"),
        ({"like": [{"mask": part(MASK)}] * 65}, 400, "at most 64"),
        ({"like": [{"mask": part(MASK.T.copy())}]}, 400, "60 x 40 pixels, but the image is 40 x 60"),
        ({"like": [{"mask": part(~MASK)}]}, 400, "has no mask in this image"),
        ({"like": [{"mask": {"size": MASK.shape, "runs": "AAAA"}}]}, 400, "not packed runs"),
        ({"like": [{"mask": {"size": MASK.shape, "runs": "no base64!"}}]}, 400, "not packed runs"),
        ({"like": [{"mask": {"size": MASK.shape, "runs": "A" * (MOST_CHARACTERS + 4)}}]}, 400, "characters"),
        ({"describe": [{"size": [-1, 5], "runs": ""}]}, 400, "but the image is"),
        ({"like": [{}]}, 400, "are empty"),
        ({"like": [{"features": "AAA"}]}, 400, "not float32"),
        ({"like": [{"features": b64encode(b"\xff" * 8).decode()}]}, 400, "no numbers"),
        ({"like": [{"features": features_to_text(np.ones(3))}]}, 400, "described by another model"),
        ({"words": ["cat"], "like": [{"features": "A" * 5 * 2**20}]}, 413, "more than 4,194,304 bytes"),
    ],
)
def test_wrong_questions_are_refused(address: str, change: dict[str, Any], status: int, said: str) -> None:
    http = client(address)
    assert post(http, asked(SMALL, words=[]), SMALL).status_code == 200
    reply = post(http, asked(SMALL) | change)
    assert reply.status_code == status, reply.text
    assert said in error(reply)


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("application/json", b"{", "not a question"),
        ("image/png", png(SMALL), "not a question"),
        ("multipart/form-data", b"", "cannot be told apart"),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense\r\n--x--\r\n", "cannot be told apart"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="question"\r\n\r\n{}\r\n--x--\r\n',
            "no part `image`",
        ),
    ],
)
def test_malformed_requests_are_refused(address: str, kind: str, body: bytes, said: str) -> None:
    reply = client(address).post("v1/find", content=body, headers={"Content-Type": kind})
    assert (reply.status_code, said in error(reply)) == (400, True), reply.text


def test_what_is_no_image_is_refused(address: str) -> None:
    reply = post(client(address), asked(picture(5), words=["cat"]), b"no image")
    assert (reply.status_code, "cannot be read" in error(reply)) == (400, True)
    assert client(address).get("v1/models", timeout=10).status_code == 200


def test_a_person_has_one_search_at_a_time(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(everything, "MOST_OF_ONE", MOST_OF_ONE - 1)
    reply = post(client(address), asked(picture(6), words=["cat"]), picture(6))
    assert reply.status_code == 429
    assert reply.headers["Retry-After"] == "2"
