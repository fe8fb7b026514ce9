"""CLIP and SigLIP against transformers' own processors and models, on random weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sam_widget as sw
from sam_widget.automatic.finding.finder import Example, Step
from sam_widget.automatic.finding.published.rankers import CANONICAL, RankingFinder, crops
from sam_widget.automatic.finding.regions import Regions
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor
from tests.automatic.finding.published import models


@pytest.fixture(scope="module", params=["clip", "siglip"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def finder(kind: str, finders: Callable[[str], Any]) -> RankingFinder:
    found = finders(kind)
    assert isinstance(found, RankingFinder)
    return found


@pytest.fixture(scope="module")
def features(finder: RankingFinder, tiny: Predictor) -> Regions:
    found: Regions = FeatureStore().features(finder, models.picture(), tiny)
    return found


def logits(kind: str, pictures: list[Image.Image], texts: list[str]) -> np.ndarray:
    """The logits of pictures for texts by transformers alone: (pictures, texts)."""
    model, processor = models.built(kind)
    padding = {"padding": True} if kind == "clip" else {"padding": "max_length", "max_length": 48}
    with torch.no_grad():
        outputs = model(**processor(text=texts, images=pictures, return_tensors="pt", **padding))
    found: np.ndarray = outputs.logits_per_image.numpy()
    return found


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_a_single_picture_scores_as_in_transformers(
    kind: str, finder: RankingFinder, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the same picture twice, the average of both embeddings is that of the picture.
    whole = Image.fromarray(image[:72, :72])
    monkeypatch.setattr("sam_widget.automatic.finding.published.rankers.crops", lambda *_: (whole, whole))
    embedding = finder.embed(image, [StoredMask(np.ones((72, 96), bool))])
    if kind == "siglip":
        (expected,) = logits(kind, [whole], ["This is a photo of cat."])[0]
        assert finder.score(embedding, "cat")[0] == pytest.approx(sigmoid(expected), abs=1e-4)
    else:
        texts = [f"a photo of a {word}." for word in ("cat", *CANONICAL)]
        wanted, *others = logits(kind, [whole], texts)[0]
        assert finder.score(embedding, "cat")[0] == pytest.approx(sigmoid(wanted - max(others)), abs=1e-4)


def test_a_mask_is_seen_with_and_without_its_background(finder: RankingFinder, image: np.ndarray) -> None:
    mask = np.zeros((72, 96), bool)
    mask[10:40, 12:44] = True
    pictures = crops(image, StoredMask(mask))
    model, processor = finder.checkpoint.model, finder.checkpoint.processor
    with torch.no_grad():
        each = model.get_image_features(**processor(images=list(pictures), return_tensors="pt")).pooler_output
    each = each / each.norm(dim=-1, keepdim=True)
    mean = each.mean(0) / each.mean(0).norm()
    np.testing.assert_allclose(finder.embed(image, [StoredMask(mask)])[0], mean.numpy(), atol=1e-5)
    assert not torch.allclose(each[0], each[1], atol=1e-3)


def test_a_crop_is_square_and_half_as_large_again_as_the_box(image: np.ndarray) -> None:
    mask = np.zeros((72, 96), bool)
    mask[10:30, 20:60] = True
    mask[10, 20] = False
    whole, alone = (np.array(one) for one in crops(image, StoredMask(mask)))
    assert whole.shape == alone.shape == (60, 60, 3)
    # The box's centre, (40, 20), is the crop's: it reaches from -10 to 50 rows and from 10 to 70 columns.
    np.testing.assert_array_equal(whole[10:], image[:50, 10:70])
    assert not whole[:10].any()
    np.testing.assert_array_equal(alone[20:40, 11:50], image[10:30, 21:60])
    assert not alone[20, 10].any()
    assert not alone[:20].any()
    assert not alone[:, 50:].any()


def test_everything_is_ranked(finder: RankingFinder, features: Regions) -> None:
    found = finder.find(features, ["cat", "dog"])
    assert len(features.records) > 3
    scores = np.stack([finder.score(features.features, word) for word in ("cat", "dog")])
    assert found.presence == pytest.approx(scores.max(1).tolist(), abs=1e-6)
    stored = [record.stored for record in features.records]
    for one in found.instances:
        column = scores[:, next(k for k, mask in enumerate(stored) if mask is one.stored)]
        assert one.score == pytest.approx(column.max(), abs=1e-6)
        assert one.word == ("cat", "dog")[column.argmax()]
    assert [one.score for one in found.instances] == sorted((one.score for one in found.instances), reverse=True)


def test_progress_is_reported(finder: RankingFinder, image: np.ndarray, tiny: Predictor) -> None:
    steps: list[Step] = [*finder.encode(image, tiny)]
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == steps[-1].total > 0
    assert len({step.total for step in steps}) == 1


def test_an_example_finds_itself_first(finder: RankingFinder, features: Regions) -> None:
    chosen = max(features.records, key=lambda record: record.area)
    found = finder.find(features, [], like=[Example(stored=chosen.stored, name="object 1")])
    assert found.instances[0].stored is chosen.stored
    assert found.instances[0].score == pytest.approx(1, abs=1e-4)
    assert found.presence == ()


def test_a_counter_example_is_not_found(finder: RankingFinder, features: Regions) -> None:
    first, second = sorted(features.records, key=lambda record: -record.area)[:2]
    like, unlike = Example(stored=first.stored), Example(stored=second.stored)
    found = finder.find(features, [], like=[like], not_like=[unlike])
    assert first.stored in [one.stored for one in found.instances]
    assert second.stored not in [one.stored for one in found.instances]


def test_an_example_of_another_image_finds_the_same(finder: RankingFinder, features: Regions) -> None:
    chosen = features.records[0].stored
    elsewhere = Example(features=finder.describe(features, chosen), name="cat.jpg: cat")
    one = finder.find(features, [], like=[Example(stored=chosen)])
    other = finder.find(features, [], like=[elsewhere])
    assert [(found.id, found.score) for found in one.instances] == [
        (found.id, found.score) for found in other.instances
    ]


def test_words_and_examples_are_multiplied(finder: RankingFinder, features: Regions) -> None:
    example = Example(stored=features.records[0].stored)
    words = {one.id: one.score for one in finder.find(features, ["tree"]).instances}
    shown = {one.id: one.score for one in finder.find(features, [], like=[example]).instances}
    both = {one.id: one.score for one in finder.find(features, ["tree"], like=[example]).instances}
    for key in both.keys() & words.keys() & shown.keys():
        assert both[key] == pytest.approx(words[key] * shown[key], abs=1e-5)


def test_what_it_cannot_find_is_refused(finder: RankingFinder, features: Regions) -> None:
    with pytest.raises(sw.PromptError, match="'cat.jpg: cat' was described by another model"):
        finder.find(features, [], like=[Example(features=np.ones(3, np.float32), name="cat.jpg: cat")])
    with pytest.raises(sw.PromptError, match="is too long for .* at most 48 tokens"):
        finder.find(features, ["a" * 60])
    with pytest.raises(sw.PromptError, match="'object 1' has no mask in this image"):
        finder.find(features, [], like=[Example(name="object 1")])
