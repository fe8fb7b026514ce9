"""Embedding and prompting in the user's own pixels."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

import sam_widget as sw
from sam_widget.model.sam import Sam
from sam_widget.model.zoo import PUBLISHED, telling_of_memory
from sam_widget.predictor.predictor import EmbeddingCache
from tests.model.references import SMALL, seeded


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


NO_MEMORY: dict[str, Exception] = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 5.00 GiB"),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    "numpy": MemoryError("Unable to allocate 5.00 GiB for an array"),
}


@pytest.mark.parametrize("part", ["encode", "decode"])
@pytest.mark.parametrize("kind", list(NO_MEMORY))
def test_too_little_memory_names_smaller_models(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch, kind: str, part: str
) -> None:
    model = seeded(Sam(SMALL, name="vit_b"))
    predictor = sw.Predictor(model, cache=EmbeddingCache())
    embedding = predictor.embed(photo)

    def too_large(*_: object, **__: object) -> NoReturn:
        raise NO_MEMORY[kind]

    # As large as ViT-B, by its own account.
    monkeypatch.setattr(model, "parameters", lambda: iter([torch.empty(PUBLISHED["vit_b"].parameters, device="meta")]))
    monkeypatch.setattr(type(predictor), "device", torch.device("cpu"))
    monkeypatch.setattr(model, part, too_large)
    smaller = r"cpu has too little memory for vit_b; load a smaller model \(tiny, sam2\.1_hiera_tiny, .*mobile_sam.*\)$"
    with pytest.raises(sw.ModelError, match=smaller) as caught:
        if part == "encode":
            predictor.embed(photo[::-1])
        else:
            predictor.predict(embedding, points=[(30, 30)])
    assert not {"vit_b", "vit_h"} & set(re.findall(r"\w+", str(caught.value).split("(")[1]))


def test_other_errors_are_left_as_they_are(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sw.load_model("tiny")

    def broken(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("sizes of tensors must match")

    monkeypatch.setattr(model, "encode", broken)
    with pytest.raises(RuntimeError, match="sizes of tensors must match"):
        sw.Predictor(model, cache=EmbeddingCache()).embed(photo)


def test_what_is_smallest_is_not_told_to_be_smaller() -> None:
    model = sw.load_model("tiny", device="cpu")
    expected = "free some: no model is smaller, or load this one with device='cpu'"
    with pytest.raises(sw.ModelError, match=expected), telling_of_memory(model, torch.device("cuda")):
        raise NO_MEMORY["cuda"]


def test_a_model_that_does_not_fit_is_told_when_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    to = Sam.to

    def too_large(self: Sam, *arguments: Any, **options: Any) -> Sam:
        if "device" in options:
            raise NO_MEMORY["cuda"]
        return to(self, *arguments, **options)

    monkeypatch.setattr(Sam, "to", too_large)
    with pytest.raises(sw.ModelError, match="too little memory for tiny"):
        sw.load_model("tiny")


@pytest.mark.parametrize("content", [b"", b"not an embedding", None])
def test_a_damaged_embedding_is_a_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(sw.ModelError, match=r"broken\.safetensors"):
        sw.Embedding.load(path)


def test_another_models_embedding_is_refused(predictor: sw.Predictor, photo: np.ndarray) -> None:
    from sam_widget.model.tiny.tiny import tiny

    with pytest.raises(sw.ModelError, match="embed the image with this predictor"):
        sw.Predictor(tiny().eval()).predict(predictor.embed(photo), points=[(1, 1)])


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({}, "prompt is empty"),
        ({"points": []}, "prompt is empty"),
        ({"points": [(1, 2, 3)]}, r"points .*\(1, 3\)"),
        ({"points": [(1000, 2)]}, r"\(1000, 2\).* outside the image"),
        ({"points": [(1, 2)], "labels": [2]}, "label of a point.* 2"),
        ({"points": [(1, 2)], "labels": [1, 0]}, "1 points? but 2 labels"),
        ({"points": [(float("nan"), 2)]}, "x of a point.* nan"),
        ({"box": (10, 10, 5, 5)}, r"box \(10.*x1 > x0"),
        ({"box": (1000, 1000, 1100, 1100)}, r"box \(1000.* outside the image"),
        ({"box": (1, 2, 3)}, r"box .*\(3,\)"),
        ({"mask": np.zeros((3, 3), np.float32)}, r"mask .*\(3, 3\)"),
    ],
)
def test_a_bad_prompt_is_a_clear_error(
    predictor: sw.Predictor, photo: np.ndarray, prompt: dict[str, object], message: str
) -> None:
    with pytest.raises(sw.PromptError, match=message):
        predictor.predict(predictor.embed(photo), **prompt)  # type: ignore[arg-type]
