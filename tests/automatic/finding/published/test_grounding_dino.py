"""Grounding DINO and MM-Grounding DINO against transformers' own processor and model, on random weights."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import sam_widget as sw
from sam_widget.automatic.finding.finder import Example
from sam_widget.automatic.finding.published.detectors import Detected
from sam_widget.automatic.finding.published.grounding_dino import GroundingFinder
from sam_widget.automatic.finding.published.outcome import FLOOR
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor
from tests.automatic.finding.published import models

SIZE = (72, 96)


@pytest.fixture(params=["grounding_dino", "mm_grounding_dino"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def finder(kind: str, finders: Callable[[str], Any]) -> GroundingFinder:
    found = finders(kind)
    assert isinstance(found, GroundingFinder)
    return found


@pytest.fixture
def features(finder: GroundingFinder, image: np.ndarray, tiny: Predictor) -> Detected:
    found: Detected = FeatureStore().features(finder, image, tiny)
    return found


def reference(kind: str, image: np.ndarray, word: str) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores by transformers alone."""
    model, processor = models.built(kind)
    inputs = processor(images=image, text=[[word]], return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    result = processor.post_process_grounded_object_detection(
        outputs, inputs["input_ids"], threshold=FLOOR, target_sizes=[SIZE]
    )[0]
    return result["boxes"].numpy(), result["scores"].numpy()


@pytest.mark.parametrize("word", ["cat", "Red cup"])
def test_boxes_and_scores_are_those_of_transformers(
    word: str, kind: str, finder: GroundingFinder, features: Detected, image: np.ndarray
) -> None:
    corners, scores = reference(kind, image, word)
    ours = finder._known(features, word)
    assert len(scores)
    np.testing.assert_allclose(ours.corners, corners, atol=1e-3)  # in pixels
    np.testing.assert_allclose(ours.scores, scores, atol=1e-4)


def test_two_images_at_once_do_not_mix(finder: GroundingFinder, image: np.ndarray, tiny: Predictor) -> None:
    seen = [FeatureStore().features(finder, one, tiny) for one in (image, image[::-1].copy())]
    alone = [finder.find(features, ["cat"]).presence for features in seen]
    assert alone[0] != alone[1]
    words = [f"cat {'abcdefgh'[k]}" for k in range(8)]
    expected = [[finder.find(features, [word]).presence for word in words] for features in seen]
    for features in seen:
        features.boxes.clear()
    found: dict[int, list[tuple[float, ...]]] = {}

    def ask(number: int) -> None:
        found[number] = [finder.find(seen[number], [word]).presence for word in words]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number in range(2):
        np.testing.assert_allclose(found[number], expected[number], atol=1e-6)


def test_a_full_stop_does_not_make_two_phrases(finder: GroundingFinder, features: Detected) -> None:
    one, other = finder.find(features, ["st. bernard"]), finder.find(features, ["st bernard"])
    assert one.presence == other.presence


def test_what_it_cannot_find_is_refused(finder: GroundingFinder, features: Detected) -> None:
    example = Example(stored=StoredMask(np.ones(SIZE, bool)), name="object 1")
    with pytest.raises(sw.PromptError, match="finds by words only"):
        finder.find(features, ["cat"], like=[example])
    with pytest.raises(sw.PromptError, match="does not compare images"):
        finder.describe(features, StoredMask(np.ones(SIZE, bool)))
    with pytest.raises(sw.PromptError, match="is too long for .* at most 48 tokens"):
        finder.find(features, ["a" * 60])
