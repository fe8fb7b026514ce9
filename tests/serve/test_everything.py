"""Everything mode at a server, with a real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

import sam_widget as sw
from sam_widget.automatic.automatic import iter_everything
from sam_widget.errors import ModelError, PromptError
from sam_widget.predictor import connection
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.served import ServedPredictor
from sam_widget.serve import everything as module
from tests.serve.test_app import client, error, picture, send
from tests.serve.test_prompts import asked as answer_to
from tests.serve.test_prompts import line
from tests.serving import TOKENS, served_by
from tests.waiting import until

SIDE = 6


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(connection, "_PAUSES", (0.01,))


@pytest.fixture(scope="module", params=["tornado", "asgi"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with served_by(request.param) as found:
        yield found


def connected(address: str, device: str) -> ServedPredictor:
    found = sw.connect(f"{address}?token={TOKENS['ada']}")
    assert isinstance(found, ServedPredictor)
    found.cache = EmbeddingCache()
    found.served = msgspec.structs.replace(found.served, device=device)
    return found


def test_masks_are_those_of_this_machine_and_arrive_as_they_are_found(
    address: str, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Predictor("tiny", cache=EmbeddingCache())
    ours = list(iter_everything(photo, here, points_per_side=SIDE, points_per_batch=9))
    there = connected(address, "cuda")
    monkeypatch.setattr(there, "masks_at", lambda *_: pytest.fail("it was decoded here"))
    for model in (there, sw.connect(f"{address}?token={TOKENS['ada']}", thin=True)):
        theirs = list(iter_everything(photo, model, points_per_side=SIDE, points_per_batch=9))
        assert [step.done for step in theirs] == [9, 18, 27, 36]
        for a, b in zip(ours, theirs, strict=True):
            assert [one.area for one in a.records] == [one.area for one in b.records]
        for a, b in zip(ours[-1].records, theirs[-1].records, strict=True):
            assert np.array_equal(a.mask, b.mask)
            assert (a.bbox, a.point_coords, a.crop_box) == (b.bbox, b.point_coords, b.crop_box)
            assert a.predicted_iou == pytest.approx(b.predicted_iou, abs=1e-3)


def test_a_shared_cpu_is_left_to_embeddings(address: str, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    there = connected(address, "cpu")
    monkeypatch.setattr(there.server, "everything", lambda *_: pytest.fail("the server was asked"))
    assert len(sw.segment_everything(there, photo, points_per_side=4)) > 0


def test_sessions_use_it_and_find_words_with_it(address: str, photo: np.ndarray) -> None:
    # The finder keeps the masks of the last images: each server gets another image.
    photo = photo.copy()
    photo[0, 0] = np.frombuffer(address.encode()[-4:-1], np.uint8)
    there = connected(address, "cuda")
    session = sw.Session(photo, model=there)
    assert session.everything(points_per_side=SIDE)
    asked: list[str] = []
    everything = there.server.everything
    there.server.everything = lambda *args: asked.append(args[0]) or everything(*args)  # type: ignore[method-assign,func-returns-value]
    assert session.find("cat").message
    assert asked == ["tiny"]


def test_crops_are_segmented_here_or_refused(address: str, photo: np.ndarray) -> None:
    assert len(sw.segment_everything(connected(address, "cuda"), photo, points_per_side=3, crop_n_layers=1)) > 0
    thin = sw.connect(f"{address}?token={TOKENS['ada']}", thin=True)
    with pytest.raises(PromptError, match="without crops"):
        list(iter_everything(photo, thin, crop_n_layers=1))


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"hash": "0" * 32}, 404, "not sent this image"),
        ({"model": "vit_h"}, 404, "no such model"),
        ({"points_per_side": 1000}, 400, "expected 1 to 128"),
        ({"points_per_side": "many"}, 400, "not a request for everything"),
        ({"pred_iou_thresh": "high"}, 400, "not a request for everything"),
        ({"box_nms_thresh": 7}, 400, "between 0 and 1"),
        ({"crop_n_layers": 3}, 400, "not a request for everything"),
        ({"size": [5, 5000]}, 400, "not the one that was sent"),
    ],
)
def test_wrong_requests_are_refused(address: str, change: dict[str, object], status: int, said: str) -> None:
    http = client(address)
    digest = send(http, picture(1))
    assert http.get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 200
    reply = http.post("v1/everything", json={"model": "tiny", "hash": digest, **change})
    assert reply.status_code == status
    assert said in error(reply)
    bob = client(address, "bob").post("v1/everything", json={"model": "tiny", "hash": digest})
    assert bob.status_code == 404


def test_one_person_has_one_run_and_others_are_answered_meanwhile(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = client(address)
    digest = send(http, picture(2))
    assert http.get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 200
    assert send(client(address, "bob"), picture(2)) == digest
    wanted = {"model": "tiny", "hash": digest, "points_per_side": SIDE, "points_per_batch": 1}
    free = threading.Event()
    lines = module.lines_of

    def slow(*args: object) -> Iterator[bytes]:
        for row in lines(*args):  # type: ignore[arg-type]
            yield row
            while not free.wait(0.01):
                yield row

    monkeypatch.setattr(module, "lines_of", slow)
    monkeypatch.setattr(module, "MOST", 1)
    with http.stream("POST", "v1/everything", json=wanted) as reply:
        rows = reply.iter_lines()
        assert json.loads(next(rows))["done"] == 1, "the first masks are here before the last are decoded"
        for who in ("ada", "bob"):
            refused = client(address, who).post("v1/everything", json=wanted)
            assert refused.status_code == 429
            assert "ask again later" in error(refused)
        asked = {"id": 1, "model": "tiny", "hash": digest, "points": [[20, 20]]}
        with line(address, "bob") as socket:
            assert len(answer_to(socket, asked)["masks"]) == 3
        free.set()
        assert json.loads(list(rows)[-1])["done"] == SIDE**2
    assert client(address, "bob").post("v1/everything", json=wanted).status_code == 200


def test_a_run_whose_client_left_is_over(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    http = client(address)
    digest = send(http, picture(3))
    assert http.get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 200
    wanted = {"model": "tiny", "hash": digest, "points_per_side": 2}
    lines = module.lines_of

    def endless(*args: object) -> Iterator[bytes]:
        line = next(iter(lines(*args)))  # type: ignore[arg-type]
        while True:
            yield line

    with monkeypatch.context() as patched:
        patched.setattr(module, "lines_of", endless)
        with http.stream("POST", "v1/everything", json=wanted) as reply:
            next(reply.iter_lines())
    until(
        lambda: client(address).post("v1/everything", json=wanted).status_code == 200, seconds=30, what="it has ended"
    )


def test_a_server_that_ends_in_the_middle_is_reported(
    address: str, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = connected(address, "cuda")
    everything = there.server.everything
    monkeypatch.setattr(there.server, "everything", lambda *args: iter(list(everything(*args))[:-1]))
    session = sw.Session(photo, model=there)
    with pytest.raises(ModelError, match="ended before everything"):
        session.everything(points_per_side=SIDE, points_per_batch=9)
    assert not session.objects
