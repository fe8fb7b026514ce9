from __future__ import annotations

import numpy as np
import pytest

from sam_widget.automatic.automatic import MaskRecord, segment_everything
from sam_widget.engine.acceptance import GEOMETRY, THRESHOLD, Judged, describe, judged_by, learn
from sam_widget.image.samples import sample
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor


def photo(rng: np.random.Generator, *, count: int = 40, noise: float = 0.3) -> Judged:
    """Masks of which those with a high first feature are accepted."""
    features = rng.normal(size=(count, GEOMETRY + 16))
    accepted = features[:, 0] + noise * rng.normal(size=count) > 0.5
    return Judged(features, accepted)


def test_it_learns_what_is_accepted_and_keeps_its_promise_on_new_photos() -> None:
    rng = np.random.default_rng(0)
    learned = learn([photo(rng) for _ in range(10)])
    assert learned is not None
    fresh = [photo(rng) for _ in range(50)]
    probability = np.concatenate([learned.probability(each.features) for each in fresh])
    accepted = np.concatenate([each.accepted for each in fresh])
    sure = probability >= THRESHOLD
    assert accepted[sure].mean() >= 0.85
    assert sure[accepted].mean() > 0.35
    assert learned.expected == pytest.approx(accepted[sure].mean(), abs=0.1)
    assert learned.recall == pytest.approx(sure[accepted].mean(), abs=0.2)


def test_where_nothing_tells_it_fills_in_nothing() -> None:
    rng = np.random.default_rng(1)
    photos = [Judged(rng.normal(size=(40, GEOMETRY + 16)), rng.random(40) < 0.3) for _ in range(10)]
    learned = learn(photos)
    assert learned is not None
    fresh = rng.normal(size=(1000, GEOMETRY + 16))
    assert (learned.probability(fresh) >= THRESHOLD).mean() < 0.02


def test_too_little_to_learn_from_is_not_learned_from() -> None:
    rng = np.random.default_rng(2)
    assert learn([]) is None
    assert learn([photo(rng), photo(rng)]) is None
    all_wrong = [Judged(rng.normal(size=(20, GEOMETRY + 4)), np.zeros(20, bool)) for _ in range(5)]
    assert learn(all_wrong) is None
    assert learn([photo(rng), photo(rng), Judged(np.zeros((0, GEOMETRY + 4)), np.zeros(0, bool))]) is None


def test_where_everything_was_accepted_everything_is_filled_in() -> None:
    rng = np.random.default_rng(3)
    learned = learn([Judged(rng.normal(size=(20, GEOMETRY + 4)), np.ones(20, bool)) for _ in range(5)])
    assert learned is not None
    assert (learned.probability(rng.normal(size=(50, GEOMETRY + 4))) >= THRESHOLD).all()


def test_masks_are_described_by_what_is_under_them() -> None:
    predictor = Predictor("tiny")
    image = sample("coffee")
    embedding = predictor.embed(image)
    records = segment_everything(image, predictor, points_per_side=6)
    features = describe(records, embedding, predictor)
    assert features.shape == (len(records), GEOMETRY + embedding.features.shape[1])
    assert np.isfinite(features).all()
    np.testing.assert_allclose(np.linalg.norm(features[:, GEOMETRY:], axis=1), 1, atol=1e-4)
    assert describe([], embedding, predictor).shape == (0, features.shape[1])


def test_a_mask_is_accepted_if_it_agrees_with_an_object() -> None:
    one, other = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    one[:10], other[:11] = True, True
    records = [MaskRecord(StoredMask(mask), 0.9, 0.9, ((1, 1),), (0, 0, 20, 20)) for mask in (one, ~one)]
    assert float(iou(one, other)) > 0.85
    assert judged_by(records, [StoredMask(other)]).tolist() == [True, False]
    assert judged_by(records, []).tolist() == [False, False]
