"""Patches and what is similar to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.embedding_explorer import EmbeddingExplorer


def test_the_similarity_is_the_cosine_of_features(photo: np.ndarray, predictor: Predictor) -> None:
    panel = EmbeddingExplorer(photo, model=predictor)
    panel.look_at(160, 115)
    embedding = predictor.embed(photo)
    rows, columns = embedding.shown or (0, 0)
    features = embedding.features[0, :, :rows, :columns]
    features = features - features.mean(dim=(1, 2), keepdim=True)
    row, column = int(115 * rows / 300), int(160 * columns / 451)
    expected = torch.cosine_similarity(features, features[:, row, column][:, None, None], dim=0)
    assert panel.similarity == pytest.approx(expected.numpy(), abs=1e-5)
    assert panel.similarity[row, column] == pytest.approx(1)
    assert f"({row}, {column})" in panel.here.text


def test_hovering_marks_another_patch(photo: np.ndarray, predictor: Predictor) -> None:
    panel = EmbeddingExplorer(photo, model=predictor)
    before = panel.photo.pixels, panel.map.pixels
    panel.look_at(10, 10)
    assert (panel.photo.pixels != before[0]).any()
    assert (panel.map.pixels != before[1]).any()
    # An eye is more like the other eye than like the background.
    panel.look_at(162, 117)
    rows, columns = panel.similarity.shape
    assert panel.similarity[int(128 * rows / 300), int(320 * columns / 451)] > panel.similarity[2, columns - 2]
