"""A predictor that keeps on disk what it computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_widget.predictor.embeddings import EmbeddingStore
from sam_widget.predictor.interface import predictor_of
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.with_store import predictor_with_store


def test_a_model_is_loaded_once_and_its_embeddings_are_written(tmp_path: Path) -> None:
    predictor = predictor_with_store("tiny", tmp_path)
    assert predictor.model is predictor_of("tiny").model
    predictor.embed(np.zeros((30, 40, 3), np.uint8))
    assert len(EmbeddingStore(tmp_path)) == 1


def test_a_store_is_used_as_it_is(tmp_path: Path, predictor: Predictor) -> None:
    store = EmbeddingStore(tmp_path, max_bytes=5)
    assert predictor_with_store(predictor.model, store).cache.store is store


def test_a_predictor_keeps_its_own_cache(tmp_path: Path, predictor: Predictor) -> None:
    assert predictor_with_store(predictor, tmp_path) is predictor


def test_the_predictor_of_a_model_that_answers_words_stays_one(
    tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Worded(Predictor):
        pass

    shared = Worded(predictor.model)
    monkeypatch.setattr("sam_widget.predictor.with_store.predictor_of", lambda *_, **__: shared)
    kept = predictor_with_store("facebook/sam3", tmp_path)
    assert type(kept) is Worded
    assert kept.model is shared.model
    assert kept.cache.store is not None
    assert kept.cache.store.folder == tmp_path
