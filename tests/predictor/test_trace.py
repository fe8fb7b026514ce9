"""A trace records the steps of an answer, and does not modify the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import sam_widget as sw
from sam_widget.model.sam import Sam
from sam_widget.model.sam2 import Sam2
from sam_widget.predictor.predictor import EmbeddingCache, Predictor
from sam_widget.predictor.trace import Trace
from tests.model.references import SMALL, SMALL_SAM2, photo, seeded

MODELS: dict[str, Callable[[], Any]] = {
    "vit_b": lambda: seeded(Sam(SMALL, name="vit_b")),
    "sam2": lambda: seeded(Sam2(SMALL_SAM2)),
    "tiny": lambda: "tiny",
}
PROMPTS: dict[str, dict[str, Any]] = {
    "a point": {"points": [(30, 40)]},
    "points": {"points": [(30, 40), (80, 20)], "labels": [1, 0]},
    "a box": {"box": (10, 5, 70, 50), "multimask": False},
}
IMAGE = photo((60, 91))


@pytest.fixture(scope="module", params=list(MODELS))
def predictor(request: pytest.FixtureRequest) -> Predictor:
    return Predictor(MODELS[request.param](), cache=EmbeddingCache())


@pytest.mark.parametrize("prompt", list(PROMPTS))
def test_logits_and_scores_are_those_of_predict(predictor: Predictor, prompt: str) -> None:
    embedding = predictor.embed(IMAGE)
    trace, expected = (ask(embedding, **PROMPTS[prompt]) for ask in (predictor.trace, predictor.predict))
    np.testing.assert_array_equal(trace.logits, expected.logits)
    np.testing.assert_array_equal(trace.scores, expected.scores)


def check_shapes(trace: Trace, predictor: Predictor, tokens: int) -> None:
    config = predictor.config
    g, heads, dim = config.grid_size, config.decoder_heads, config.prompt_dim
    assert trace.image_embedding.shape == trace.dense_prompt.shape == (1, dim, g, g)
    assert trace.prompt_tokens.shape == (1, tokens, dim)
    outputs = trace.layers[0].tokens.shape[1] - tokens
    assert outputs in (5, 6)
    assert len(trace.layers) == config.decoder_depth
    for layer in trace.layers:
        assert layer.self_attention.shape == (1, heads, outputs + tokens, outputs + tokens)
        assert layer.token_to_image.shape == (1, heads, outputs + tokens, g * g)
        assert layer.image_to_token.shape == (1, heads, g * g, outputs + tokens)
        assert layer.image.shape == (1, g * g, dim)
        for weights in (layer.self_attention, layer.token_to_image, layer.image_to_token):
            torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    assert trace.final_token_to_image.shape == (1, heads, outputs + tokens, g * g)
    assert trace.upscaled.shape[0] == 1
    assert trace.upscaled.shape[2:] == (4 * g, 4 * g)
    assert trace.hypernetworks.shape[:2] == (1, 4)


def test_every_step_is_named_and_shaped(predictor: Predictor) -> None:
    trace = predictor.trace(predictor.embed(IMAGE), points=[(30, 40)])
    check_shapes(trace, predictor, trace.prompt_tokens.shape[1])
    assert trace.patch_embedding is not None
    assert trace.blocks
    config = predictor.config
    if type(config) is type(SMALL):
        g = config.grid_size
        assert [block.shape for block in trace.blocks] == [(1, g, g, config.embed_dim)] * config.depth
        assert trace.patch_embedding.shape == (1, g, g, config.embed_dim)
    assert {"patch_embedding", "blocks.0", "layers.1.token_to_image", "scores"} <= trace.tensors().keys()
    assert "layers.0.image_to_token: (1, " in repr(trace)


@pytest.mark.parametrize("name", ["vit_b", "sam2"])
def test_steps_add_up_to_the_answer(name: str) -> None:
    predictor = Predictor(MODELS[name](), cache=EmbeddingCache())
    embedding = predictor.embed(IMAGE)
    trace = predictor.trace(embedding, points=[(30, 40)])
    limit = predictor.config.logit_limit
    logits = torch.einsum("bnc,bchw->bnhw", trace.hypernetworks, trace.upscaled)[0, 1:].clamp(-limit, limit)
    torch.testing.assert_close(logits, trace.logits, atol=1e-3, rtol=1e-3)
    encoder: Any = predictor.model.image_encoder
    if name == "vit_b":
        torch.testing.assert_close(
            encoder.neck(trace.blocks[-1].permute(0, 3, 1, 2)), trace.image_embedding, atol=1e-3, rtol=1e-3
        )


def test_nothing_remains_and_nothing_is_changed(predictor: Predictor) -> None:
    def state() -> list[tuple[type, list[int], list[str]]]:
        hooks = [name for name in vars(predictor.model) if "_hooks" in name]
        return [
            (type(module), [len(vars(module)[name] or ()) for name in hooks], sorted(vars(module)))
            for module in predictor.model.modules()
        ]

    embedding = predictor.embed(IMAGE)
    predictor.predict(embedding, points=[(30, 40)])
    before = state()
    predictor.trace(embedding, points=[(30, 40)])
    assert state() == before


def test_without_the_image_the_decoder_is_traced(predictor: Predictor, tmp_path: Any) -> None:
    predictor.embed(IMAGE).save(tmp_path / "photo.safetensors")
    embedding = sw.Embedding.load(tmp_path / "photo.safetensors")
    trace = predictor.trace(embedding, points=[(30, 40)])
    assert trace.patch_embedding is None
    assert trace.blocks == ()
    assert trace.layers
    again = predictor.trace(embedding, points=[(30, 40)], image=IMAGE)
    assert again.blocks


def test_several_boxes_are_refused(predictor: Predictor) -> None:
    with pytest.raises(sw.PromptError, match="2 boxes"):
        predictor.trace(predictor.embed(IMAGE), box=[(1, 1, 20, 20), (30, 30, 50, 50)])


def test_one_line_says_what_a_thing_is(predictor: Predictor) -> None:
    embedding = predictor.embed(IMAGE)
    name = predictor.model.name
    assert repr(predictor) == f"Predictor({name} on cpu)"
    assert repr(embedding).startswith(f"Embedding({name}, image 60 x 91, features (1, ")
    line = repr(predictor.predict(embedding, points=[(30, 40)]))
    assert line.startswith("Prediction(3 masks of 60 x 91, scores ")
    assert "\n" not in line


def test_the_picture_of_an_embedding_has_no_padding(predictor: Predictor, tmp_path: Any) -> None:
    embedding = predictor.embed(IMAGE)
    g = predictor.config.grid_size
    rows = g if predictor.config.resize == "square" else -(-int(predictor.config.image_size * 60 / 91 + 0.5) // 16)
    picture = embedding.picture()
    assert picture.size == (g * 8, rows * 8)
    assert np.asarray(picture).std() > 10
    embedding.save(tmp_path / "photo.safetensors")
    assert sw.Embedding.load(tmp_path / "photo.safetensors").picture().size == picture.size
