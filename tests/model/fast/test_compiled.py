"""A compiled decoder answers the same, is never waited for, and gives way where compiling fails."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import sam_widget as sw
from sam_widget.model.fast.compiled import CompiledDecoder
from sam_widget.model.sam import Sam
from sam_widget.predictor.predictor import EmbeddingCache
from tests.model.references import SMALL, photo, seeded

# Tracing takes its time, and one block has all that two have.
SHALLOW = dataclasses.replace(SMALL, depth=1, global_attention=(0,), decoder_depth=1)
Answer = tuple[Tensor, Tensor]


@pytest.fixture
def model() -> Sam:
    torch.compiler.reset()
    return seeded(Sam(SHALLOW)).requires_grad_(requires_grad=False)


class Backend:
    """A compiler that waits to be let go, counts, and fails where it is told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.go, self.fails = threading.Event(), fails
        self.compiled = self.called = 0

    def __call__(self, graph: torch.fx.GraphModule, _: list[Tensor]) -> Any:
        assert self.go.wait(60)
        if self.fails:
            raise RuntimeError("no compiler")
        self.compiled += 1

        def run(*arguments: Any) -> Any:
            self.called += 1
            return graph(*arguments)

        return run


def click(model: Sam, decoder: CompiledDecoder | None, points: int = 1) -> Answer:
    image = torch.randn(1, SMALL.prompt_dim, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        where, labels = torch.full((1, points, 2), 40.0), torch.ones(1, points, dtype=torch.int64)
        return model.decode(image, points=where, labels=labels, mask_decoder=decoder)


def test_clicks_do_not_wait_for_the_compiler(model: Sam) -> None:
    backend = Backend()
    decoder = CompiledDecoder(model.mask_decoder, backend=backend)
    expected = click(model, None)
    torch.testing.assert_close(click(model, decoder), expected, atol=0, rtol=0)  # while the compiler stands still
    torch.testing.assert_close(click(model, decoder), expected, atol=0, rtol=0)
    assert backend.compiled == 0
    backend.go.set()
    decoder.join()
    compiled, called = backend.compiled, backend.called
    assert compiled >= 1
    torch.testing.assert_close(click(model, decoder), expected, atol=1e-5, rtol=0)
    assert backend.compiled == compiled
    assert backend.called > called


def test_a_click_with_another_number_of_threads_does_not_wait_either(model: Sam) -> None:
    # Widgets leave one core to the rest of the kernel, and compiled code is for one number of threads.
    before = torch.get_num_threads()
    backend = Backend()
    decoder = CompiledDecoder(model.mask_decoder, backend=backend)
    try:
        for threads in (before + 1, before + 2):
            torch.set_num_threads(threads)
            backend.go.clear()
            expected = click(model, None)
            compiled, called = backend.compiled, backend.called
            torch.testing.assert_close(click(model, decoder), expected, atol=1e-5, rtol=0)
            assert (backend.compiled, backend.called) == (compiled, called)
            backend.go.set()
            decoder.join()
            compiled = backend.compiled
            torch.testing.assert_close(click(model, decoder), expected, atol=1e-5, rtol=0)
            assert backend.compiled == compiled
            assert backend.called > called
    finally:
        torch.set_num_threads(before)


def test_another_kind_of_prompt_does_not_wait_either(model: Sam) -> None:
    backend = Backend()
    decoder = CompiledDecoder(model.mask_decoder, backend=backend)
    backend.go.set()
    click(model, decoder)
    decoder.join()
    backend.go.clear()
    torch.testing.assert_close(click(model, decoder, 2), click(model, None, 2), atol=0, rtol=0)
    backend.go.set()
    decoder.join()
    called = backend.called
    torch.testing.assert_close(click(model, decoder, 2), click(model, None, 2), atol=1e-5, rtol=0)
    assert backend.called > called


def test_where_compiling_fails_answers_stay_the_same(model: Sam, caplog: pytest.LogCaptureFixture) -> None:
    backend = Backend(fails=True)
    backend.go.set()
    decoder = CompiledDecoder(model.mask_decoder, backend=backend)
    expected = click(model, None)
    for _ in range(2):
        torch.testing.assert_close(click(model, decoder), expected, atol=0, rtol=0)
        decoder.join()
    assert caplog.text.count("cannot be compiled") == 1


def test_a_predictor_compiles_after_embedding(model: Sam) -> None:
    backend = Backend()
    predictor = sw.Predictor(model, cache=EmbeddingCache(), compile=True)
    predictor._compiled = CompiledDecoder(model.mask_decoder, backend=backend)
    embedding = predictor.embed(photo((60, 91)))  # returns while the compiler stands still
    backend.go.set()
    predictor.warm_up(embedding, wait=True)
    called = backend.called
    answer = predictor.predict(embedding, points=[(10, 20)])
    assert backend.called > called, "the first click is compiled already"
    expected = sw.Predictor(model, cache=EmbeddingCache()).predict(embedding, points=[(10, 20)])
    np.testing.assert_allclose(answer.logits, expected.logits, atol=1e-5)
