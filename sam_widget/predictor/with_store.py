"""Get a predictor that keeps on disk what it computes for images."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from sam_widget.predictor.embeddings import EmbeddingCache, EmbeddingStore
from sam_widget.predictor.interface import ModelLike, Progress, predictor_of
from sam_widget.predictor.interface import Predictor as AnyPredictor
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.unreached import UnreachedPredictor


def predictor_with_store(
    model: ModelLike,
    store: EmbeddingStore | str | Path | None,
    *,
    progress: Progress | None = None,
    later: bool = False,
) -> Predictor:
    """Return a predictor of a model that writes to an embedding store.

    Args:
        model: A name, a checkpoint path, or a loaded model. A predictor is returned as it is.
        store: The store or its folder; None for the store that every widget reads.
        progress: Called with the bytes done and the total while the model's weights are downloaded.
        later: See `predictor_of`.

    Raises:
        ModelError: The model cannot be loaded.
    """
    if hasattr(model, "embed"):
        return cast("Predictor", model)
    kept = store if isinstance(store, EmbeddingStore) else EmbeddingStore(store)

    def keeping(shared: AnyPredictor) -> AnyPredictor:
        # That of a thin client has nothing to keep.
        return shared.like(cache=EmbeddingCache(store=kept)) if isinstance(shared, Predictor) else shared

    shared = predictor_of(model, progress=progress, later=later)
    found = shared.changed(keeping) if isinstance(shared, UnreachedPredictor) else keeping(shared)
    return cast("Predictor", found)
