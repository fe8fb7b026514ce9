"""What a finder computed for an image is kept."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.predictor.predictor import Predictor
from tests.finders import Squares


def image(value: int) -> np.ndarray:
    return np.full((60, 200, 3), value, np.uint8)


def test_an_image_is_encoded_once(predictor: Predictor) -> None:
    store, finder = FeatureStore(), Squares()
    first = store.features(finder, image(1), predictor)
    assert store.features(finder, image(1).copy(), predictor) is first
    assert finder.encoded == 1
    store.features(finder, image(2), predictor)
    assert finder.encoded == 2


def test_other_weights_encode_again(predictor: Predictor) -> None:
    store = FeatureStore()
    one, other = Squares("one"), Squares("other")
    store.features(one, image(1), predictor)
    store.features(other, image(1), predictor)
    assert (one.encoded, other.encoded) == (1, 1)


def test_the_least_recently_used_is_forgotten(predictor: Predictor) -> None:
    store, finder = FeatureStore(size=2), Squares()
    for value in (1, 2, 1, 3):
        store.features(finder, image(value), predictor)
    assert len(store) == 2
    assert finder.encoded == 3
    store.features(finder, image(1), predictor)
    assert finder.encoded == 3
    store.features(finder, image(2), predictor)
    assert finder.encoded == 4


def test_an_encoding_that_fails_keeps_nothing(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    store, finder = FeatureStore(), Squares()
    with monkeypatch.context() as patch:
        patch.setattr(finder, "_encode", lambda _image: iter(()).throw(ValueError))  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            store.features(finder, image(1), predictor)
    assert len(store) == 0
    assert store.features(finder, image(1), predictor)
