"""What holds for every published finder, on random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from sam_widget.automatic.finding.finder import Finding, Storable
from sam_widget.automatic.finding.published.rankers import CANONICAL
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.predictor.predictor import Predictor
from tests.automatic.finding.published.calls import counted

# The image encoder and the text encoder of each kind.
ENCODERS: dict[str, Callable[[Any], tuple[nn.Module, nn.Module]]] = {
    "sam3": lambda model: (model.vision_encoder, model.text_encoder),
    "lite_text": lambda model: (model.vision_encoder, model.text_encoder),
    "owlv2": lambda model: (model.owlv2.vision_model, model.owlv2.text_model),
    "grounding_dino": lambda model: (model.model.backbone.backbone, model.model.text_backbone),
    "mm_grounding_dino": lambda model: (model.model.backbone.backbone, model.model.text_backbone),
    "clip": lambda model: (model.vision_model, model.text_model),
    "siglip": lambda model: (model.vision_model, model.text_model),
}
WORDS = (["cat"], ["dog", "red cup", "cat"], ["tree", "dog"], ["cat"])


@pytest.fixture(params=ENCODERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def finder(kind: str, finders: Callable[[str], Any]) -> Any:
    return finders(kind)


def forget_words(finder: Any) -> None:
    """Forget encoded words."""
    for name in ("_phrase", "_query"):
        if hasattr(finder, name):
            getattr(finder, name).cache_clear()


def same(one: Finding, other: Finding, *, within: float = 1e-6) -> None:
    assert one.presence == pytest.approx(other.presence, abs=within)
    assert [found.word for found in one.instances] == [found.word for found in other.instances]
    np.testing.assert_allclose(
        [found.score for found in one.instances], [found.score for found in other.instances], atol=within
    )
    for found, again in zip(one.instances, other.instances, strict=True):
        assert np.mean(found.mask != again.mask) <= within


def test_one_three_and_two_words_answer_as_alone(finder: Any, image: np.ndarray, tiny: Predictor) -> None:
    features = FeatureStore().features(finder, image, tiny)
    for words in WORDS:
        in_turn = finder.find(features, words)
        assert in_turn.instances
        forget_words(finder)
        same(in_turn, finder.find(FeatureStore().features(finder, image, tiny), words))


def test_the_image_and_each_word_are_encoded_once(kind: str, finder: Any, image: np.ndarray, tiny: Predictor) -> None:
    forget_words(finder)
    store = FeatureStore()
    own = len(CANONICAL) if kind == "clip" else 0  # Phrases that it encodes with the first word.
    encoder, text_encoder = ENCODERS[kind](finder.checkpoint.model)
    with counted(encoder) as vision, counted(text_encoder) as text:
        finder.find(store.features(finder, image, tiny), ["cat"])
        first = vision.calls
        assert first
        finder.find(store.features(finder, image, tiny), ["cat", "dog"])
        finder.find(store.features(finder, image, tiny), ["dog"])
        assert (vision.calls, text.calls) == (first, own + 2)
        finder.find(store.features(finder, image[::-1].copy(), tiny), ["cat"])
        assert vision.calls > first


def test_features_from_disk_answer_as_those_that_were_computed(
    kind: str, finder: Any, image: np.ndarray, tiny: Predictor
) -> None:
    assert isinstance(finder, Storable)
    computed = FeatureStore().features(finder, image, tiny)
    with counted(ENCODERS[kind](finder.checkpoint.model)[0]) as vision:
        stored = finder.from_tensors(finder.to_tensors(computed), image, tiny)
        assert vision.calls == 0
        # SAM 3's are kept in half precision.
        half = kind in {"sam3", "lite_text"}
        words = WORDS[1]
        same(finder.find(computed, words), finder.find(stored, words), within=0.01 if half else 1e-6)
