"""OWLv2 against transformers' own processor, model and post-processing, on random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import sam_widget as sw
from sam_widget.automatic.finding.finder import Example
from sam_widget.automatic.finding.published import detectors, owlv2
from sam_widget.automatic.finding.published.detectors import Detected, boxed
from sam_widget.automatic.finding.published.outcome import FLOOR
from sam_widget.automatic.finding.published.owlv2 import OwlFinder
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor
from tests.automatic.finding.published import models

SIZE = (72, 96)


@pytest.fixture
def finder(finders: Callable[[str], Any]) -> OwlFinder:
    found = finders("owlv2")
    assert isinstance(found, OwlFinder)
    return found


@pytest.fixture
def features(finder: OwlFinder, image: np.ndarray, tiny: Predictor) -> Detected:
    found: Detected = FeatureStore().features(finder, image, tiny)
    return found


def reference(image: np.ndarray, words: list[str]) -> dict[str, Any]:
    """Boxes, scores and labels by transformers alone."""
    model, processor = models.built("owlv2")
    texts = [[f"a photo of a {word}" for word in words]]
    inputs = processor(text=texts, images=image, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    result: dict[str, Any] = processor.post_process_grounded_object_detection(
        outputs, threshold=FLOOR, target_sizes=[SIZE], text_labels=[words]
    )[0]
    return result


def test_boxes_and_scores_are_those_of_transformers(finder: OwlFinder, features: Detected, image: np.ndarray) -> None:
    ours = finder.boxes(features.seen, "red cup", SIZE)
    theirs = reference(image, ["red cup"])
    assert len(ours.scores) == 64
    np.testing.assert_allclose(ours.corners, theirs["boxes"].numpy(), atol=1e-4)
    np.testing.assert_allclose(ours.scores, theirs["scores"].numpy(), atol=1e-4)
    assert np.ptp(ours.scores) > 0.05


def test_a_box_has_the_word_that_fits_it_best(
    features: Detected, finder: OwlFinder, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detectors, "SAME_BOX", 0.9999)
    words = ["cat", "dog", "tree"]
    theirs = reference(image, words)
    corners, scores, which = boxed(features, [finder.boxes(features.seen, word, SIZE) for word in words])
    best = theirs["scores"].argsort(descending=True)
    solid = [
        k
        for k in best.tolist()
        if (clipped(theirs["boxes"][k].numpy())[2:] - clipped(theirs["boxes"][k].numpy())[:2] >= 1).all()
    ]
    assert 3 < len(corners) <= len(solid)
    np.testing.assert_allclose(corners, [clipped(theirs["boxes"][k].numpy()) for k in solid[: len(corners)]], atol=1e-4)
    np.testing.assert_allclose(scores, theirs["scores"][solid[: len(corners)]], atol=1e-4)
    assert [words[k] for k in which] == [theirs["text_labels"][k] for k in solid[: len(corners)]]


def clipped(box: np.ndarray) -> np.ndarray:
    return box.clip(0, (96, 72, 96, 72))


@pytest.mark.usefixtures("duplicates_are_kept")
def test_masks_are_those_of_a_sam_prompted_by_the_boxes(
    finder: OwlFinder, features: Detected, tiny: Predictor, image: np.ndarray
) -> None:
    found = finder.find(features, ["cat"])
    corners, scores, _ = boxed(features, [finder.boxes(features.seen, "cat", SIZE)])
    expected = {}
    for box, score in zip(corners, scores, strict=True):
        answer = tiny.predict(tiny.embed(image), box=box)
        if answer.stored[answer.best].area:
            expected[round(float(score), 6)] = answer.masks[answer.best]
    assert [round(one.score, 6) for one in found.instances] == sorted(expected, reverse=True)
    assert len(expected) > 3
    for one in found.instances:
        assert np.count_nonzero(one.mask != expected[round(one.score, 6)]) <= 2
        again = tiny.answer(tiny.embed(image), one.prompt)
        assert np.count_nonzero(again.masks[again.best] != one.mask) <= 2
    assert found.presence == pytest.approx([finder.boxes(features.seen, "cat", SIZE).scores.max()])


def test_examples_are_compared_as_the_model_compares_images(
    finder: OwlFinder, features: Detected, image: np.ndarray
) -> None:
    example, patch = an_example(finder, features)
    query = finder.describe(features, example.stored)
    model, processor = models.built("owlv2")
    with torch.no_grad():
        grid, _ = model.image_embedder(processor(images=image, return_tensors="pt")["pixel_values"])
        patches = grid.flatten(1, 2)
        _, queries = model.class_predictor(patches)
        logits, _ = model.class_predictor(patches, queries[:, patch : patch + 1])
    np.testing.assert_allclose(query, queries[0, patch].numpy(), atol=1e-5)
    ours = finder.boxes_like(features, [example], [], [])[0]
    np.testing.assert_allclose(ours.scores, logits[0, :, 0].sigmoid().numpy(), atol=1e-4)
    found = finder.find(features, [], like=[example])
    assert found.instances
    assert found.presence == ()


def an_example(finder: OwlFinder, features: Detected) -> tuple[Example, int]:
    """An example that fits the box of a patch, and the patch."""
    corners = finder.boxes(features.seen, "cat", SIZE).corners
    inside = [k for k, box in enumerate(corners) if (box == clipped(box)).all() and (box[2:] - box[:2] >= 4).all()]
    x0, y0, x1, y1 = corners[inside[0]].round().astype(int)
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return Example(stored=StoredMask(mask), name="object 3"), inside[0]


def test_words_and_examples_must_both_fit(finder: OwlFinder, features: Detected) -> None:
    example, _ = an_example(finder, features)
    words = finder.boxes(features.seen, "cat", SIZE).scores
    shown = finder.boxes_like(features, [example], [], [])[0].scores
    both = finder.boxes_like(features, [example], [], ["cat"])[0].scores
    np.testing.assert_allclose(both, np.minimum(words, shown), atol=1e-6)


def test_what_is_nearer_to_a_counter_example_is_not_found(
    finder: OwlFinder, features: Detected, monkeypatch: pytest.MonkeyPatch
) -> None:
    example, patch = an_example(finder, features)
    with torch.no_grad():
        queries = finder.checkpoint.model.class_predictor(features.seen[0])[1][0]
    queries = queries / queries.norm(dim=-1, keepdim=True)
    cosines = (queries @ queries[patch]).numpy()
    middle = float(np.median(cosines))
    monkeypatch.setattr(owlv2, "LIKE_WITHOUT_EXAMPLE", middle)
    words = finder.boxes(features.seen, "cat", SIZE).scores
    left = finder.boxes_like(features, [], [example], ["cat"])[0].scores
    np.testing.assert_allclose(left, words[cosines < middle], atol=1e-6)
    assert len(left) == 32
    # An example that is the counter-example itself leaves nothing.
    assert not len(finder.boxes_like(features, [example], [example], [])[0].scores)


def test_an_example_of_another_image_finds_the_same(finder: OwlFinder, features: Detected) -> None:
    example, _ = an_example(finder, features)
    elsewhere = Example(features=finder.describe(features, example.stored), name="cat.jpg: cat")
    one = finder.find(features, [], like=[example])
    other = finder.find(features, [], like=[elsewhere])
    assert [(found.id, found.score) for found in one.instances] == [
        (found.id, found.score) for found in other.instances
    ]


def test_what_it_cannot_find_is_refused(finder: OwlFinder, features: Detected) -> None:
    with pytest.raises(sw.PromptError, match="is too long for .* at most 48 tokens"):
        finder.find(features, ["a" * 60])
    with pytest.raises(sw.PromptError, match="'cat.jpg: cat' was described by another model"):
        finder.find(features, [], like=[Example(features=np.ones(3, np.float32), name="cat.jpg: cat")])
    with pytest.raises(sw.PromptError, match="by counter-examples alone"):
        finder.find(features, [], not_like=[an_example(finder, features)[0]])
    corner = np.zeros(SIZE, bool)
    corner[0, 0] = True
    with pytest.raises(sw.PromptError, match="sees no object where this example is"):
        finder.find(features, [], like=[Example(stored=StoredMask(corner), name="object 1")])
