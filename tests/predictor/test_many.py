"""Many prompts at once are answered as each is alone."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.masks.measures import stability_score
from sam_widget.model.sam import Sam
from sam_widget.predictor.prediction import Prediction, Predictions
from tests.model.references import SMALL, seeded

RNG = np.random.default_rng(3)
POINTS = RNG.uniform(0, 1, (7, 3, 2)) * (451, 300)
LABELS = RNG.integers(-1, 2, (7, 3))
LABELS[:, 1] = 1
CORNER = RNG.uniform(0, 0.6, (7, 2)) * (451, 300)
BOXES = np.concatenate([CORNER, CORNER + RNG.uniform(20, 300, (7, 2))], axis=1)  # Some extend beyond the image.


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_widget.predictor.predictor.CPU_BATCH", 4)


def assert_same(many: Predictions, one: list[Prediction]) -> None:
    assert len(many) == len(one)
    np.testing.assert_allclose(many.scores, [answer.scores for answer in one], atol=1e-5)
    for answer, alone in zip(many, one, strict=True):
        assert answer.masks.shape == alone.masks.shape
        # Sums in another order move a pixel whose logit is the threshold.
        assert np.count_nonzero(answer.masks != alone.masks) <= 3
        assert answer.best == alone.best
        assert answer.areas.tolist() == [int(mask.sum()) for mask in answer.masks]


@pytest.mark.parametrize("multimask", [True, False])
def test_points_of_differing_number(predictor: sw.Predictor, photo: np.ndarray, *, multimask: bool) -> None:
    embedding = predictor.embed(photo)
    many = predictor.predict_many(embedding, points=POINTS, labels=LABELS, multimask=multimask)
    real = [LABELS[number] >= 0 for number in range(len(POINTS))]
    one = [
        predictor.predict(embedding, points=xy[some], labels=labels[some], multimask=multimask)
        for xy, labels, some in zip(POINTS, LABELS, real, strict=True)
    ]
    assert_same(many, one)
    for answer, alone in zip(many, one, strict=True):
        inside = predictor.unpad(alone.logits, (300, 451))
        np.testing.assert_allclose(answer.stability, stability_score(inside), atol=1e-3)


def test_boxes_with_and_without_points(predictor: sw.Predictor, photo: np.ndarray) -> None:
    embedding = predictor.embed(photo)
    alone = [predictor.predict(embedding, box=box) for box in BOXES]
    assert_same(predictor.predict_many(embedding, boxes=BOXES), alone)
    centres = np.clip((BOXES[:, None, :2] + BOXES[:, None, 2:]) / 2, 0, (451, 300))
    assert_same(
        predictor.predict_many(embedding, boxes=BOXES, points=centres),
        [predictor.predict(embedding, box=box, points=xy) for box, xy in zip(BOXES, centres, strict=True)],
    )
    masks = np.stack([answer.logits[answer.best] for answer in alone])
    assert_same(
        predictor.predict_many(embedding, boxes=BOXES, masks=masks),
        [predictor.predict(embedding, box=box, mask=mask) for box, mask in zip(BOXES, masks, strict=True)],
    )


def test_the_plain_model_of_the_paper(photo: np.ndarray) -> None:
    predictor = sw.Predictor(seeded(Sam(SMALL)))
    embedding = predictor.embed(photo)
    assert_same(
        predictor.predict_many(embedding, points=POINTS, labels=LABELS),
        [
            predictor.predict(embedding, points=xy[labels >= 0], labels=labels[labels >= 0])
            for xy, labels in zip(POINTS, LABELS, strict=True)
        ],
    )


def test_what_is_returned(predictor: sw.Predictor, photo: np.ndarray) -> None:
    many = predictor.predict_many(predictor.embed(photo), points=POINTS[:5, :1])
    assert repr(many) == "Predictions(5 prompts, 3 masks of 300 x 451 each)"
    assert (many.scores.shape, many.stability.shape, many.areas.shape) == ((5, 3), (5, 3), (5, 3))
    assert (many.scores.dtype, many.areas.dtype) == (np.float32, np.int64)
    for number, (answer, mask) in enumerate(zip(many, many.best_stored, strict=True)):
        assert mask is answer.stored[answer.best]
        assert many.best[number] == answer.best
        assert mask.area == answer.areas[answer.best]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "there are no prompts"),
        ({"labels": [[1]]}, "there are no prompts"),
        ({"points": [[1, 2]]}, "points have shape (1, 2), expected (N, P, 2)"),
        ({"points": [[[1, 2]], [[1, 2], [3, 4]]]}, "points cannot be read as an array"),
        ({"boxes": [1, 2, 3, 4]}, "boxes have shape (4,), expected (N, 4)"),
        ({"points": [[[1, 2]]], "labels": [[1, 0]]}, "labels have shape (1, 2), expected that of points"),
        ({"points": [[[1, 2]]] * 2, "boxes": [[1, 2, 3, 4]]}, "differ in number: 2 points, 1 boxes"),
        ({"points": [[[1, 2]], [[900, 2]]]}, "prompt 1: point (900, 2) lies outside the image"),
        ({"points": [[[1, 2]]] * 3, "labels": [[1], [1], [2]]}, "prompt 2: label of a point is"),
        ({"points": [[[1, 2]]] * 3, "labels": [[1], [-1], [1]]}, "prompt 1: it is empty"),
        ({"boxes": [[1, 2, 3, 4], [5, 5, 5, 5]]}, "prompt 1: box (5.0, 5.0, 5.0, 5.0) is empty"),
        ({"masks": np.zeros((2, 3, 3))}, "mask has shape (3, 3)"),
    ],
)
def test_a_bad_prompt_is_named_by_its_number(
    predictor: sw.Predictor, photo: np.ndarray, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(sw.PromptError, match=re.escape(said)):
        predictor.predict_many(predictor.embed(photo), **given)


def test_none_at_all(predictor: sw.Predictor, photo: np.ndarray) -> None:
    many = predictor.predict_many(predictor.embed(photo), points=np.zeros((0, 1, 2)))
    assert len(many) == 0
    assert many.scores.shape == (0, 3)


def test_another_models_embedding_is_refused(predictor: sw.Predictor, photo: np.ndarray) -> None:
    with pytest.raises(sw.ModelError, match="embed the image with this predictor"):
        predictor.predict_many(sw.Predictor(seeded(Sam(SMALL))).embed(photo), points=[[[1, 2]]])
