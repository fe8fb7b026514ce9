"""Embedding and prompting in the user's own pixels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch

import sam_widget as sw
from sam_widget.predictor import EmbeddingCache


def test_masks_have_the_size_of_the_image(predictor: sw.Predictor, photo: np.ndarray) -> None:
    result = predictor.predict(predictor.embed(photo), points=[(150, 120)])
    assert result.masks.shape == (3, 300, 451)
    assert result.masks.dtype == bool
    assert result.scores.shape == (3,)
    assert result.scores.dtype == np.float32
    side = predictor.config.mask_size
    assert result.logits.shape == (3, side, side)
    assert result.scores[result.best] == result.scores.max()


def test_one_mask_for_an_unambiguous_prompt(predictor: sw.Predictor, photo: np.ndarray) -> None:
    result = predictor.predict(predictor.embed(photo), box=(50, 20, 300, 280), multimask=False)
    assert result.masks.shape == (1, 300, 451)
    assert result.best == 0


def test_a_prediction_refines_itself(predictor: sw.Predictor, photo: np.ndarray) -> None:
    embedding = predictor.embed(photo)
    first = predictor.predict(embedding, points=[(150, 120)])
    again = predictor.predict(embedding, points=[(150, 120), (10, 10)], labels=[1, 0], mask=first.logits[first.best])
    assert again.masks.shape == first.masks.shape
    assert not np.array_equal(again.logits, first.logits)


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (3, 2), (257, 640), (1200, 900)])
def test_every_shape_of_image_is_answered_at_its_own_size(predictor: sw.Predictor, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    height, width = shape
    result = predictor.predict(predictor.embed(image), points=[(width / 2, height / 2)])
    assert result.masks.shape == (3, height, width)


def test_the_same_image_is_embedded_once(predictor: sw.Predictor, photo: np.ndarray) -> None:
    fresh = sw.Predictor(predictor.model, cache=EmbeddingCache(size=2))
    first = fresh.embed(photo)
    assert fresh.embed(photo.copy()) is first
    fresh.embed(photo[:100])
    fresh.embed(photo[:, :100])
    assert fresh.embed(photo) is not first, "the cache keeps two, and this one was unused for longest"


def test_an_embedding_survives_saving(predictor: sw.Predictor, photo: np.ndarray, tmp_path: Path) -> None:
    embedding = predictor.embed(photo)
    embedding.save(tmp_path / "cat.safetensors")
    loaded = sw.Embedding.load(tmp_path / "cat.safetensors")
    assert (loaded.image_size, loaded.image_hash, loaded.model_name) == ((300, 451), embedding.image_hash, "tiny")
    before = predictor.predict(embedding, points=[(150, 120)])
    after = predictor.predict(loaded, points=[(150, 120)])
    np.testing.assert_array_equal(before.masks, after.masks)


def test_finer_features_survive_saving(predictor: sw.Predictor, photo: np.ndarray, tmp_path: Path) -> None:
    embedding = dataclasses.replace(predictor.embed(photo), high_resolution=(torch.ones(1, 2, 4, 4), torch.zeros(3)))
    embedding.save(tmp_path / "fine.safetensors")
    first, second = sw.Embedding.load(tmp_path / "fine.safetensors").high_resolution
    torch.testing.assert_close(first, torch.ones(1, 2, 4, 4))
    torch.testing.assert_close(second, torch.zeros(3))


def test_too_little_memory_names_smaller_models(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sw.load_model("tiny")

    def too_large(_: object) -> NoReturn:
        raise torch.OutOfMemoryError("tried to allocate 5 GiB")

    monkeypatch.setattr(model, "encode", too_large)
    with pytest.raises(sw.ModelError, match=r"too little memory for tiny; load a smaller model \(tiny\)"):
        sw.Predictor(model, cache=EmbeddingCache()).embed(photo)


@pytest.mark.parametrize("content", [b"", b"not an embedding", None])
def test_a_damaged_embedding_is_a_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(sw.ModelError, match=r"broken\.safetensors"):
        sw.Embedding.load(path)


def test_another_models_embedding_is_refused(predictor: sw.Predictor, photo: np.ndarray) -> None:
    from sam_widget.model.tiny import tiny

    with pytest.raises(sw.ModelError, match="embed the image with this predictor"):
        sw.Predictor(tiny().eval()).predict(predictor.embed(photo), points=[(1, 1)])


@pytest.mark.parametrize(
    "prompt",
    [
        {},
        {"points": []},
        {"points": [(1, 2, 3)]},
        {"points": [(1000, 2)]},
        {"points": [(1, 2)], "labels": [2]},
        {"points": [(1, 2)], "labels": [1, 0]},
        {"points": [(float("nan"), 2)]},
        {"box": (10, 10, 5, 5)},
        {"box": (1000, 1000, 1100, 1100)},
        {"box": (1, 2, 3)},
        {"mask": np.zeros((3, 3), np.float32)},
    ],
)
def test_a_bad_prompt_is_a_clear_error(predictor: sw.Predictor, photo: np.ndarray, prompt: dict[str, object]) -> None:
    with pytest.raises(sw.PromptError):
        predictor.predict(predictor.embed(photo), **prompt)  # type: ignore[arg-type]
