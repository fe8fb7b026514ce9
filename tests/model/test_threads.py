"""Small work keeps to one thread, and leaves the others as they were."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from sam_widget import load_model
from sam_widget.model import tiny
from sam_widget.model.threads import as_usual, one_thread


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_one_thread_and_then_as_many_as_before() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
        with one_thread():
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_after_an_error_too() -> None:
    with pytest.raises(ValueError, match="x"), one_thread():
        raise ValueError("x")
    assert torch.get_num_threads() == 3


def test_threads_that_begin_meanwhile_can_have_all() -> None:
    def work() -> tuple[int, int]:
        with one_thread():
            inside = torch.get_num_threads()
        return inside, torch.get_num_threads()

    def embed() -> int:
        as_usual()
        return torch.get_num_threads()

    with one_thread():
        with ThreadPoolExecutor(1) as other:
            assert other.submit(work).result() == (1, 3)
        with ThreadPoolExecutor(1) as other:
            assert other.submit(embed).result() == 3
        as_usual()
    assert torch.get_num_threads() == 3
    torch.set_num_threads(2)
    as_usual()
    assert torch.get_num_threads() == 2, "what the user chose"


def test_a_click_is_answered_on_one_thread_and_many_prompts_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("tiny")
    used = []
    connected = tiny.connected

    def spy(logits: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        used.append(torch.get_num_threads())
        return connected(logits, asked)

    monkeypatch.setattr(tiny, "connected", spy)
    with torch.inference_mode():
        features = model.encode(torch.rand(1, 3, 384, 384) * 255)
        for prompts in (1, 3):
            points, labels = torch.full((prompts, 1, 2), 200.0), torch.ones(prompts, 1, dtype=torch.int64)
            model.decode(features.embedding, high_resolution=features.high_resolution, points=points, labels=labels)
    assert used == [1, 3]
