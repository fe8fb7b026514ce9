"""SAM 3 and SAM 3 LiteText against transformers' own processor, model and post-processing, on random weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import sam_widget as sw
from sam_widget.automatic.finding.finder import Example
from sam_widget.automatic.finding.published.concepts import ConceptFinder
from sam_widget.automatic.finding.published.outcome import FLOOR
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor
from tests.automatic.finding.published import models

SQUARE, DISC = (12, 10, 44, 40), (53, 31, 88, 66)


def example(box: tuple[int, int, int, int], name: str = "object 1") -> Example:
    mask = np.zeros((72, 96), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return Example(stored=StoredMask(mask), name=name)


@pytest.fixture(scope="module", params=["sam3", "lite_text"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def finder(kind: str, finders: Callable[[str], Any]) -> ConceptFinder:
    found = finders(kind)
    assert isinstance(found, ConceptFinder)
    return found


def reference(kind: str, image: np.ndarray, **prompt: Any) -> tuple[list[tuple[float, np.ndarray]], float]:
    """Scores and masks, best first, and presence, by transformers alone."""
    model, processor = models.built(kind)
    inputs = processor(images=image, return_tensors="pt", **prompt)
    sizes = inputs.pop("original_sizes").tolist()
    with torch.no_grad():
        outputs = model(**inputs)
    result = processor.post_process_instance_segmentation(outputs, threshold=FLOOR, target_sizes=sizes)[0]
    found = zip(result["scores"].tolist(), result["masks"].numpy().astype(bool), strict=True)
    return sorted(found, key=lambda one: -one[0]), float(outputs.presence_logits.sigmoid())


PROMPTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "words": ({"words": ["red cup"]}, {"text": "red cup"}),
    "an example": (
        {"words": [], "like": [example(SQUARE)]},
        {"input_boxes": [[[*SQUARE]]], "input_boxes_labels": [[1]]},
    ),
    "an example and a counter-example": (
        {"words": [], "like": [example(SQUARE)], "not_like": [example(DISC)]},
        {"input_boxes": [[[*SQUARE], [*DISC]]], "input_boxes_labels": [[1, 0]]},
    ),
    "words and examples": (
        {"words": ["cat"], "like": [example(SQUARE), example(DISC)]},
        {"text": "cat", "input_boxes": [[[*SQUARE], [*DISC]]], "input_boxes_labels": [[1, 1]]},
    ),
    "words and a counter-example": (
        {"words": ["cat"], "not_like": [example(DISC)]},
        {"text": "cat", "input_boxes": [[[*DISC]]], "input_boxes_labels": [[0]]},
    ),
}


@pytest.mark.usefixtures("duplicates_are_kept")
@pytest.mark.parametrize("prompt", PROMPTS)
def test_masks_and_scores_are_those_of_transformers(
    prompt: str, kind: str, finder: ConceptFinder, image: np.ndarray, tiny: Predictor
) -> None:
    ours, theirs = PROMPTS[prompt]
    finding = finder.find(FeatureStore().features(finder, image, tiny), **ours)
    expected, presence = reference(kind, image, **theirs)
    # Empty masks are left out.
    expected = [(score, mask) for score, mask in expected if mask.any()]
    assert len(finding.instances) == len(expected) > 3
    np.testing.assert_allclose([one.score for one in finding.instances], [one[0] for one in expected], atol=1e-4)
    for one, (_, mask) in zip(finding.instances, expected, strict=True):
        # Pixels at the threshold fall on either side, as the processor rounds.
        assert np.count_nonzero(one.mask != mask) <= 2
    if ours["words"]:
        assert finding.presence == pytest.approx([presence], abs=1e-4)
        assert {one.word for one in finding.instances} == {*ours["words"]}
    else:
        assert finding.presence == ()
        assert {one.word for one in finding.instances} == {""}


@pytest.mark.usefixtures("duplicates_are_kept")
def test_prompts_change_what_is_found(finder: ConceptFinder, image: np.ndarray, tiny: Predictor) -> None:
    features = FeatureStore().features(finder, image, tiny)
    best = [finder.find(features, **ours).instances[0] for ours, _ in PROMPTS.values()]
    for one, other in itertools.combinations(best, 2):
        assert one.score != other.score


def test_an_instance_is_found_once_with_its_best_word(
    finder: ConceptFinder, image: np.ndarray, tiny: Predictor
) -> None:
    words = ["cat", "dog", "red cup"]
    features = FeatureStore().features(finder, image, tiny)
    found = finder.find(features, words).instances
    apart = [one for word in words for one in finder.find(features, [word]).instances]
    assert 0 < len(found) < len(apart)
    assert found[0].score == max(one.score for one in apart)
    for one, other in itertools.combinations(found, 2):
        assert np.count_nonzero(one.mask & other.mask) <= 0.8 * np.count_nonzero(one.mask | other.mask)


def test_an_instance_is_prompted_by_its_box(finder: ConceptFinder, image: np.ndarray, tiny: Predictor) -> None:
    one = finder.find(FeatureStore().features(finder, image, tiny), ["cat"]).instances[0]
    x, y, width, height = one.stored.bounds
    assert one.prompt.box == sw.Box(x, y, x + width, y + height)


def test_large_images_are_answered_in_parts(
    finder: ConceptFinder, image: np.ndarray, tiny: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finder.find(FeatureStore().features(finder, image, tiny), ["cat"]).instances
    monkeypatch.setattr("sam_widget.automatic.finding.published.concepts.PIXELS", 1)
    parts = finder.find(FeatureStore().features(finder, image, tiny), ["cat"]).instances
    assert [one.id for one in parts] == [one.id for one in whole]


def test_what_it_cannot_find_is_refused(finder: ConceptFinder, image: np.ndarray, tiny: Predictor) -> None:
    features = FeatureStore().features(finder, image, tiny)
    elsewhere = Example(features=np.ones(4, np.float32), name="cat.jpg: cat")
    with pytest.raises(sw.PromptError, match="'cat.jpg: cat' has no mask in this image"):
        finder.find(features, ["cat"], like=[elsewhere])
    with pytest.raises(sw.PromptError, match="by counter-examples alone"):
        finder.find(features, [], not_like=[example(SQUARE)])
    with pytest.raises(sw.PromptError, match="is too long for .* at most 32 tokens"):
        finder.find(features, ["a" * 40])
    with pytest.raises(sw.PromptError, match="within one image only"):
        finder.describe(features, StoredMask(np.ones((72, 96), bool)))


def test_features_are_kept_within_a_limit(finder: ConceptFinder, image: np.ndarray, tiny: Predictor) -> None:
    others = [image, image[::-1].copy(), image[:, ::-1].copy()]
    first = FeatureStore().features(finder, image, tiny)
    assert first.nbytes > 3e5
    store = FeatureStore(max_bytes=2 * first.nbytes)
    for other in others:
        store.features(finder, other, tiny)
    assert len(store) == 2
    tight = FeatureStore(max_bytes=1)
    kept = tight.features(finder, image, tiny)
    assert tight.features(finder, image, tiny) is kept
