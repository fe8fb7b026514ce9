"""A predictor whose server decodes, too, with a real server."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.errors import ModelError, OutOfReachError, PromptError
from sam_widget.masks.measures import iou
from sam_widget.model.config import SAM2_TINY
from sam_widget.predictor import connection, prompt_line
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.thin import MOST_BYTES_OF_MASKS, ThinPredictor
from sam_widget.prompts.geometry import Stroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.serve.prompts import resized
from tests.serving import ENGINES, TOKENS, served_by, serving
from tests.waiting import until


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(connection, "_PAUSES", (0.01,))
    monkeypatch.setattr(prompt_line, "PAUSES", (0.01,))


@pytest.fixture(scope="module", params=ENGINES)
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with served_by(request.param) as found:
        yield found


def thin(address: str, who: str = "ada") -> ThinPredictor:
    found = sw.connect(f"{address}?token={TOKENS[who]}", thin=True)
    assert isinstance(found, ThinPredictor)
    return found


@pytest.mark.parametrize(
    "prompt",
    [
        {"points": [(200, 200)]},
        {"points": [(200, 200), (40, 60)], "labels": [1, 0], "multimask": False},
        {"box": (60, 20, 380, 290)},
        {"box": [(60, 20, 200, 290), (180, 20, 380, 290)]},
    ],
)
def test_it_answers_like_the_model_on_this_machine(address: str, photo: np.ndarray, prompt: dict[str, Any]) -> None:
    """The photo is larger than the model's input, so a smaller copy is sent; masks have the photo's size."""
    here, there = Predictor("tiny", cache=EmbeddingCache()), thin(address)
    ours = here.predict(here.embed(photo), **prompt)
    theirs = there.predict(there.embed(photo), **prompt)
    # The longest of the ragged masks of two boxes is sent at half its size.
    exact = [np.array_equal(one, other) for one, other in zip(ours.masks, theirs.masks, strict=True)]
    assert exact.count(False) <= (1 if np.ndim(prompt.get("box")) == 2 else 0)
    assert exact[ours.best]
    assert all(iou(one, other) > 0.9 for one, other in zip(ours.masks, theirs.masks, strict=True))
    assert np.allclose(ours.scores, theirs.scores, atol=1e-4)
    assert ours.best == theirs.best
    assert there.model.weights_id == here.model.weights_id


def test_masks_of_a_large_photo_take_as_few_bytes(address: str, photo: np.ndarray) -> None:
    """The size of an answer does not grow with the photo, whose masks come smaller and are enlarged."""
    large = np.asarray(Image.fromarray(photo).resize((4000, 3000), Image.Resampling.BICUBIC))
    here, there = Predictor("tiny", cache=EmbeddingCache()), thin(address)
    ours, theirs = here.embed(large), there.embed(large)
    took: list[int] = []
    ask = there._line.ask

    def counted(question: bytes) -> bytes | str:
        answer = ask(question)
        took.append(sum(len(b64decode(one["runs"])) for one in json.loads(answer)["masks"]))
        return answer

    there._line.ask = counted  # type: ignore[method-assign]
    for point in ((2000, 1500), (600, 700), (3500, 2500)):
        mine, other = here.predict(ours, points=[point]), there.predict(theirs, points=[point])
        assert other.masks.shape == (3, 3000, 4000)
        for index in range(3):
            assert iou(mine.masks[index], other.masks[index]) > 0.98 or mine.masks[index].sum() < 2000
    assert 0 < max(took) <= MOST_BYTES_OF_MASKS


def test_strokes_and_masks_are_prompts(address: str, photo: np.ndarray) -> None:
    here, there = Predictor("tiny", cache=EmbeddingCache()), thin(address)
    ours, theirs = here.embed(photo), there.embed(photo)
    stroke = Prompt(strokes=[Stroke(((150.0, 150.0), (200.0, 200.0), (250.0, 180.0)))])
    assert np.array_equal(here.answer(ours, stroke).masks, there.answer(theirs, stroke).masks)
    first = there.predict(theirs, points=[(200, 200)])
    assert first.logits.shape[1:] == 2 * (there.config.mask_size,)
    mask = first.logits[first.best]
    sharp = np.where(mask > 0, 10, -10).astype(np.float32)
    again, expected = (
        there.predict(theirs, points=[(200, 200)], mask=mask),
        here.predict(ours, points=[(200, 200)], mask=sharp),
    )
    assert np.array_equal(again.masks, expected.masks)


def test_a_session_uses_it_and_needs_no_decoder(address: str, photo: np.ndarray, tmp_path: Path) -> None:
    session = sw.Session(photo, model=f"{address}?token={TOKENS['ada']}&thin=1", autosave=tmp_path / "cat.sam")
    assert isinstance(session.predictor, ThinPredictor)
    session.click(200, 200)
    session.click(40, 60, 0)
    session.refine()
    item = session.accept("cat")
    session.close()
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert float(iou(item.stored.array, sw.Session.load(tmp_path / "cat.sam", model="tiny").objects[0].mask)) == 1


def test_a_server_that_was_restarted_gets_the_image_again(photo: np.ndarray) -> None:
    with serving() as address:
        client = thin(address)
        embedding = client.embed(photo)
        before = client.predict(embedding, points=[(200, 200)])
        port = int(address.rstrip("/").rpartition(":")[2])
    with pytest.raises(OutOfReachError, match="does not answer"):
        client.predict(embedding, points=[(200, 200)])
    with serving(port=port):
        assert np.array_equal(client.predict(embedding, points=[(200, 200)]).masks, before.masks)


def test_in_a_widget_tiny_answers_while_its_server_is_gone(photo: np.ndarray) -> None:
    with serving() as address:
        widget = sw.SamWidget(photo, model=thin(address))
        until(lambda: widget.state["status"] == "ready", seconds=60, what="it is ready")
        widget.click(200, 200)
        port = int(address.rstrip("/").rpartition(":")[2])
    widget.click(100, 100)
    assert len(widget.prompt.points) == 2
    until(lambda: "does not answer; tiny answers" in widget.state["meanwhile"], seconds=30, what="it says so")
    with serving(port=port):
        until(lambda: not widget.state["meanwhile"], seconds=60, what="the server is back")
    widget.close()


def test_what_cannot_be_asked_is_refused(address: str, photo: np.ndarray) -> None:
    client = thin(address)
    embedding = client.embed(photo)
    for prompt, said in (
        ({}, "prompt is empty"),
        ({"points": [(5000, 5)]}, "outside"),
    ):
        with pytest.raises(PromptError, match=said):
            client.predict(embedding, **prompt)
    question = {"id": 1, "model": "tiny", "hash": embedding.digest, "points": [(5, 5)]}
    for wrong, said in (
        ({"size": (300, 300)}, "not the one that was sent"),
        ({"size": (0, 5)}, "is not that of an image"),
        ({"size": (10**6, 10**6)}, "is not that of an image"),
        ({"mask": "no base64!"}, "not packed runs"),
        ({"mask": "AAAA"}, "not packed runs"),
        ({"strokes": [{"vertices": []}]}, ""),
    ):
        found = client._asked({**question, **wrong})
        assert found.status == 400
        assert said in found.error
    other = thin(address, "bob")._asked(question)
    assert (other.status, other.masks) == (404, []), "the photo is ada's"
    client.served = msgspec.structs.replace(client.served, name="vit_h")
    with pytest.raises(ModelError, match="refused: there is no such model here; there is tiny"):
        client.predict(embedding, points=[(5, 5)])


def test_models_that_get_the_whole_photo_are_checked_by_the_aspect_ratio(photo: np.ndarray) -> None:
    embedding = Predictor("tiny", cache=EmbeddingCache()).embed(photo)
    assert resized(embedding, SAM2_TINY, (600, 902)).image_size == (600, 902)
    with pytest.raises(PromptError, match="not the one that was sent"):
        resized(embedding, SAM2_TINY, (600, 600))


def test_thirty_users_on_one_photo_make_one_embedding(photo: np.ndarray) -> None:
    predictor = Predictor("tiny", cache=EmbeddingCache())
    with serving({"tiny": predictor}) as address:
        clients = [thin(address, who) for who in ("ada", "bob") for _ in range(15)]
        threads = [threading.Thread(target=client.embed, args=(photo,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        text = clients[0].server._client.get("metrics").text
        assert "sam_widget_images_embedded 1.0" in text
