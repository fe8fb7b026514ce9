"""The queue of images: turns, batches, and images that several people ask for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch

from sam_widget.errors import ModelError
from sam_widget.model.config import VIT_B
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.serve import embedder as module
from sam_widget.serve.embedder import Embedder, QueueFullError


class Slow:
    """A predictor that embeds when it is told to, and notes what."""

    def __init__(self, device: str = "cpu") -> None:
        self.config = VIT_B
        self.device = torch.device(device)
        self.model = type("Model", (), {"encoder_id": "slow"})()
        self.cache = EmbeddingCache()
        self.free = threading.Semaphore(0)
        self.begun = threading.Event()
        self.batches: list[list[int]] = []
        self.error: Exception | None = None

    def embed_many(self, images: list[np.ndarray]) -> list[Any]:
        self.begun.set()
        assert self.free.acquire(timeout=30)
        self.batches.append([int(image[0, 0, 0]) for image in images])
        if self.error is not None:
            raise self.error
        return [f"embedding {image[0, 0, 0]}" for image in images]


def image(number: int, size: tuple[int, int] = (8, 8)) -> np.ndarray:
    return np.full((*size, 3), number, np.uint8)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def embedder(slow: Slow) -> Iterator[Embedder]:
    found = Embedder({"slow": slow})  # type: ignore[dict-item]
    yield found
    slow.free.release(1000)
    found.close()


def ask(embedder: Embedder, who: str, number: int, size: tuple[int, int] = (8, 8)) -> Any:
    return embedder.ask(who, "slow", image(number, size), str(number))


def test_people_take_turns(embedder: Embedder, slow: Slow) -> None:
    waiting = [ask(embedder, "ada", 0)]
    assert slow.begun.wait(30)
    waiting += [ask(embedder, "ada", number) for number in (1, 2, 3, 4)]
    waiting += [ask(embedder, "bob", number) for number in (11, 12)]
    waiting += [ask(embedder, "eve", 21)]
    assert [embedder.place("slow", str(number))[0] for number in (1, 11, 21, 2, 12, 3, 4)] == [1, 2, 3, 4, 5, 6, 7]
    slow.free.release(8)
    assert [one.result(30) for one in waiting][-1] == "embedding 21"
    assert slow.batches == [[0], [1], [11], [21], [2], [12], [3], [4]]


def test_the_many_images_of_one_person_do_not_delay_those_of_another(embedder: Embedder, slow: Slow) -> None:
    ask(embedder, "ada", 0)
    assert slow.begun.wait(30)
    for number in range(1, 16):
        ask(embedder, "ada", number)
    for number in range(30, 34):
        ask(embedder, "bob", number)
    assert [embedder.place("slow", str(number))[0] for number in range(30, 34)] == [2, 4, 6, 8]


def test_an_image_of_several_people_is_embedded_once_and_as_early_as_the_first_of_them_gets_it(
    embedder: Embedder, slow: Slow
) -> None:
    ask(embedder, "ada", 0)
    assert slow.begun.wait(30)
    for number in (1, 2, 3):
        ask(embedder, "ada", number)
    second, same = ask(embedder, "ada", 2), [ask(embedder, who, 3) for who in ("bob", "eve", "ada")]
    assert embedder.place("slow", "3")[0] == 2
    slow.free.release(4)
    assert {one.result(30) for one in same} == {"embedding 3"}
    assert second.result(30) == "embedding 2"
    assert sorted(chain.from_iterable(slow.batches)) == [0, 1, 2, 3]


def test_a_gpu_gets_images_of_one_size_at_a_time() -> None:
    slow = Slow("meta")
    embedder = Embedder({"slow": slow})  # type: ignore[dict-item]
    first = ask(embedder, "ada", 0)
    assert slow.begun.wait(30)
    rest = [ask(embedder, f"someone {number}", number) for number in range(1, 12)]
    wide = ask(embedder, "ada", 50, (4, 8))
    slow.free.release(5)
    for one in (first, wide, *rest):
        one.result(30)
    assert [len(batch) for batch in slow.batches[:2]] in ([1, 8], [1, 1])
    assert all(len(batch) <= module.BATCH and (50 not in batch or batch == [50]) for batch in slow.batches)
    assert max(len(batch) for batch in slow.batches) == module.BATCH
    assert sorted(chain.from_iterable(slow.batches)) == [*range(12), 50]
    slow.free.release(10)
    embedder.close()


def test_a_full_queue_refuses_one_person_and_not_the_others(
    embedder: Embedder, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(embedder, "ada", 0)
    assert slow.begun.wait(30)
    for number in range(1, 1 + module.MOST_OF_ONE):
        ask(embedder, "ada", number)
    with pytest.raises(QueueFullError, match="you have too many"):
        ask(embedder, "ada", 99)
    ask(embedder, "ada", 1)  # waits already
    ask(embedder, "bob", 99)
    monkeypatch.setattr(module, "MOST", len(embedder))
    with pytest.raises(QueueFullError, match="everyone has too many"):
        ask(embedder, "eve", 100)
    slow.free.release(100)
    ask(embedder, "bob", 99).result(30)


def test_an_error_reaches_those_who_wait_and_the_next_image_is_embedded(embedder: Embedder, slow: Slow) -> None:
    slow.error = ModelError("cuda has too little memory")
    both = [ask(embedder, who, 1) for who in ("ada", "bob")]
    slow.free.release()
    for one in both:
        with pytest.raises(ModelError, match="too little memory"):
            one.result(30)
    slow.error = None
    slow.free.release()
    assert ask(embedder, "ada", 1).result(30) == "embedding 1"


def test_what_is_not_queued_has_no_place(embedder: Embedder, slow: Slow) -> None:
    assert embedder.place("slow", "7") == (0, 0.0)
    assert embedder.waiting("slow", "7") is None
    waits = ask(embedder, "ada", 7)
    assert slow.begun.wait(30)
    assert embedder.place("slow", "7")[0] == 1
    assert embedder.waiting("slow", "7") is waits


def test_closing_finishes_one_image_and_gives_up_the_others() -> None:
    slow = Slow()
    embedder = Embedder({"slow": slow})  # type: ignore[dict-item]
    first = ask(embedder, "ada", 1)
    assert slow.begun.wait(30)
    second = ask(embedder, "ada", 2)
    threading.Timer(0.1, slow.free.release).start()
    embedder.close()
    assert first.result(0) == "embedding 1"
    assert second.cancelled()


def test_a_batch_that_fails_is_tried_one_by_one() -> None:
    slow = Slow("meta")
    embedder = Embedder({"slow": slow})  # type: ignore[dict-item]
    embed_many = slow.embed_many

    def fail(images: list[np.ndarray]) -> list[Any]:
        found = embed_many(images)
        if any(image[0, 0, 0] == 3 for image in images):
            raise ModelError("the third is at fault")
        return found

    slow.embed_many = fail  # type: ignore[method-assign]
    first = ask(embedder, "ada", 0)
    assert slow.begun.wait(30)
    rest = [ask(embedder, "bob", number) for number in (1, 2, 3, 4)]
    slow.free.release(20)
    assert first.result(30) == "embedding 0"
    assert [one.exception(30) is None for one in rest] == [True, True, False, True]
    assert embedder.waiting("slow", "3") is rest[2]
    assert not embedder.is_queued("slow", "3")
    assert embedder.waiting("slow", "4") is None
    embedder.close()


def test_the_pixels_that_wait_are_limited(embedder: Embedder, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 500)
    ask(embedder, "ada", 0)
    assert slow.begun.wait(30)
    ask(embedder, "bob", 1)
    with pytest.raises(QueueFullError, match="everyone has too many"):
        ask(embedder, "eve", 2)
    assert embedder.seconds() == module.FIRST_GUESS
    embedder.check_room("eve")
