"""Stores of embeddings: in memory, and in a folder of limited size that survives and is not trusted."""

from __future__ import annotations

import dataclasses
import os
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import sam_widget as sw
from sam_widget.predictor.embeddings import default_folder


def embedding(name: str = "a", *, weights: str = "w", numbers: int = 1000) -> sw.Embedding:
    features = torch.randn(1, 4, 5, numbers // 20, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    return sw.Embedding(features, (30, 40), name, "model", weights)


@pytest.fixture
def store(tmp_path: Path) -> sw.EmbeddingStore:
    return sw.EmbeddingStore(tmp_path / "store")


def test_an_embedding_comes_back_rounded_to_half_precision(store: sw.EmbeddingStore) -> None:
    original = dataclasses.replace(embedding(), high_resolution=(torch.rand(1, 2, 4, 4), torch.rand(1, 3, 8, 8)))
    kept = store.put(original)
    found = store.get("a", "w")
    assert found is not None
    assert dataclasses.astuple(dataclasses.replace(found, features=0, high_resolution=())) == (
        *(0, (30, 40), "a", "model", "w"),
        *((), None, None),
    )
    for level, (before, told, after) in enumerate(
        zip(
            (original.features, *original.high_resolution),
            (kept.features, *kept.high_resolution),
            (found.features, *found.high_resolution),
            strict=True,
        )
    ):
        assert after.dtype == torch.float32, level
        assert torch.equal(told, after), "put returns what get will"
        torch.testing.assert_close(before, after, rtol=2**-11, atol=1e-6)
    assert found.features.is_contiguous(memory_format=torch.channels_last), "the decoder reads tokens"
    assert load_file(store.path("a", "w"))["features"].dtype == torch.float16
    assert store.path("a", "w").stat().st_size < original.nbytes * 0.5 + 1000


def test_what_half_precision_cannot_hold_is_kept_whole(store: sw.EmbeddingStore) -> None:
    large = dataclasses.replace(embedding(), features=torch.full((1, 1, 2, 2), 1e6))
    store.put(large)
    found = store.get("a", "w")
    assert found is not None
    assert torch.equal(found.features, large.features)


def test_half_precision_hardly_moves_a_mask(predictor: sw.Predictor, photo: np.ndarray) -> None:
    """The benchmark measures how little; here, that it stays so: on a click in every part of the photo.

    A part of a mask may hang on a bridge of one cell, and rounding decides whether the bridge holds. So what the
    network says of each cell is compared before parts are cut off (which turns signs), and scores where the same parts
    stay.
    """
    full = sw.Predictor(predictor.model, cache=sw.EmbeddingCache()).embed(photo)
    half = full.halved()
    ious, steady = [], []
    for x, y in [(x, y) for x in range(60, 451, 160) for y in range(50, 300, 100)]:
        a, b = (predictor.predict(found, points=[(x, y)]) for found in (full, half))
        ious.append((a.masks[a.best] & b.masks[a.best]).sum() / (a.masks[a.best] | b.masks[a.best]).sum())
        np.testing.assert_allclose(abs(a.logits), abs(b.logits), atol=0.02)
        same = ((a.logits > 0) != (b.logits > 0)).mean((1, 2)) < 0.005
        assert abs(a.scores - b.scores)[same].max(initial=0) < 0.02
        steady += same.tolist()
    assert np.median(ious) > 0.998
    assert np.mean(steady) > 0.8


@pytest.mark.parametrize("weights", ["vit_b-0123-float32", "../../etc", ".hidden", "a/b\\c:d", "é" * 80, "x" * 300, ""])
def test_weights_of_any_name_stay_in_the_folder_and_apart(store: sw.EmbeddingStore, weights: str) -> None:
    store.put(embedding(weights="other"))
    assert store.get("a", weights) is None
    store.put(embedding(weights=weights))
    found = store.get("a", weights)
    assert found is not None
    assert found.weights_id == weights
    assert len(store) == 2
    assert store.path("a", weights).resolve().parent.parent == store.folder.resolve()


def test_the_embeddings_unused_for_longest_make_room(tmp_path: Path) -> None:
    store = sw.EmbeddingStore(tmp_path)
    store.put(embedding("0"))
    size = store.nbytes
    store = sw.EmbeddingStore(tmp_path, max_bytes=int(10.5 * size))
    for n in range(1, 10):
        store.put(embedding(str(n)))
    assert len(store) == 10
    for n, path in enumerate(store.path(str(n), "w") for n in range(10)):
        os.utime(path, ns=(n, n))
    assert store.get("0", "w") is not None, "now 0 is used last and 1 first"
    for n in range(10, 13):
        store.put(embedding(str(n)))
        assert store.nbytes <= store.max_bytes
    left = {path.stem for path in store.folder.glob("*/*.safetensors")}
    assert left >= {"0", "10", "11", "12"}
    assert {"1", "2", "3"}.isdisjoint(left)


def test_an_embedding_larger_than_the_store_is_not_kept(tmp_path: Path) -> None:
    store = sw.EmbeddingStore(tmp_path, max_bytes=100)
    store.put(embedding())
    assert store.nbytes == 0
    assert store.get("a", "w") is None


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut short":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "a flipped bit":
        data[-7] ^= 4
        path.write_bytes(data)
    elif how == "noise":
        path.write_bytes(os.urandom(len(data)))
    else:  # a header that promises more memory than there is
        path.write_bytes((2**62).to_bytes(8, "little") + bytes(data[8:]))


@pytest.mark.parametrize("how", ["cut short", "empty", "a flipped bit", "noise", "a huge header"])
def test_a_damaged_entry_is_embedded_again_with_a_warning(
    predictor: sw.Predictor, photo: np.ndarray, store: sw.EmbeddingStore, how: str
) -> None:
    def fresh() -> sw.Predictor:
        return sw.Predictor(predictor.model, cache=sw.EmbeddingCache(store=store))

    first = fresh().embed(photo)
    path = store.path(first.image_hash, first.weights_id)
    damage(path, how)
    with pytest.warns(UserWarning, match="a stored embedding is dropped"):
        again = fresh().embed(photo)
    assert torch.equal(first.features, again.features)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(fresh().embed(photo).features, first.features)


def test_an_entry_under_another_image_s_name_is_not_believed(store: sw.EmbeddingStore) -> None:
    store.put(embedding("a"))
    store.path("a", "w").rename(store.path("b", "w"))
    with pytest.warns(UserWarning, match="another embedding than its name says"):
        assert store.get("b", "w") is None
    assert len(store) == 0


def test_a_predictor_finds_what_another_process_has_stored(
    predictor: sw.Predictor, photo: np.ndarray, store: sw.EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = sw.Predictor(predictor.model, cache=sw.EmbeddingCache(store=store)).embed(photo)
    monkeypatch.setattr(predictor.model, "encode", lambda _: pytest.fail("it is embedded a second time"))
    cache = sw.EmbeddingCache(store=store, read_only=True)
    found = sw.Predictor(predictor.model, cache=cache).embed(photo)
    assert torch.equal(stored.features, found.features)
    assert cache.get(found.image_hash, found.weights_id) is found, "from now on it is in memory"


def test_a_store_that_cannot_be_written_to_is_reported_once(
    predictor: sw.Predictor, photo: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    store = sw.EmbeddingStore(tmp_path / "store")
    with pytest.raises(sw.StoreError, match="free some space or choose another folder"):
        store.put(embedding())
    fresh = sw.Predictor(predictor.model, cache=sw.EmbeddingCache(store=store))
    with pytest.warns(UserWarning, match="kept in memory alone"):
        fresh.embed(photo)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fresh.embed(photo[:100])


def test_a_read_only_cache_adds_nothing(store: sw.EmbeddingStore) -> None:
    cache = sw.EmbeddingCache(store=store, read_only=True)
    original = embedding()
    assert cache.put(original) is original, "not even rounded"
    assert len(store) == 0


def test_what_nobody_will_finish_writing_is_swept_away(store: sw.EmbeddingStore) -> None:
    store.put(embedding())
    folder = store.path("a", "w").parent
    old, new = folder / ".old.unfinished", folder / ".new.unfinished"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert len(store) == 1
    assert (old.exists(), new.exists()) == (False, True)


def test_the_process_s_own_cache_looks_in_the_default_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from sam_widget.predictor.predictor import CACHE

    assert CACHE.read_only
    assert CACHE.store is not None
    assert CACHE.store.folder == default_folder()
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path))
    assert sw.EmbeddingStore().folder == tmp_path / "embeddings"


def test_a_saved_embedding_is_exact_and_has_a_checksum(tmp_path: Path) -> None:
    original = embedding()
    original.save(tmp_path / "a.safetensors")
    assert torch.equal(sw.Embedding.load(tmp_path / "a.safetensors").features, original.features)
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert file.metadata()["checksum"]
    damage(tmp_path / "a.safetensors", "a flipped bit")
    with pytest.raises(sw.ModelError, match=r"damaged.*embed the image again"):
        sw.Embedding.load(tmp_path / "a.safetensors")
