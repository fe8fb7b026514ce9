"""Prompts that SAM does not accept directly are converted to prompts that it does."""

from __future__ import annotations

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import PromptError
from sam_widget.masks.measures import iou
from sam_widget.predictor.prompt_parts import parts
from sam_widget.prompts.geometry import Stroke
from sam_widget.prompts.prompt import Box, Point, Prompt

SIZE = (300, 400)
SQUARE = ((100, 100), (200, 100), (200, 200), (100, 200))


def as_logits(mask: np.ndarray) -> np.ndarray:
    return np.where(mask[::10, ::10], 1.0, -1.0).astype(np.float32)


def test_what_sam_takes_is_left_alone() -> None:
    prompt = Prompt((Point(1, 2), Point(3, 4, 0)), Box(0, 0, 9, 9), np.ones((4, 4)))
    assert parts(prompt, SIZE, as_logits) == (prompt,)


def test_a_scribble_becomes_points_along_it() -> None:
    short, long = Stroke(((5, 5), (8, 5)), 0), Stroke(((0, 50), (399, 50)))
    (short_one,) = parts(Prompt(strokes=(short,)), SIZE, as_logits)
    assert short_one.points == (Point(6.5, 5, 0),)
    (long_one,) = parts(Prompt((Point(1, 2),), strokes=(long,)), SIZE, as_logits)
    assert long_one.points[0] == Point(1, 2)
    assert [p.label for p in long_one.points[1:]] == [1] * 6
    assert not long_one.strokes


def test_a_lasso_becomes_a_box_a_point_and_a_mask() -> None:
    (one,) = parts(Prompt(strokes=(Stroke(SQUARE, closed=True),)), SIZE, as_logits)
    assert one.boxes == (Box(100, 100, 200, 200),)
    (point,) = one.points
    assert abs(point.x - 150) < 3
    assert abs(point.y - 150) < 3
    assert one.mask is not None
    assert (one.mask[11:19, 11:19] > 0).all()
    assert (one.mask > 0).sum() <= 121
    (without,) = parts(Prompt(strokes=(Stroke(SQUARE, closed=True),)), SIZE, None)
    assert without.mask is None


def test_a_background_lasso_takes_from_the_mask_and_adds_a_background_point() -> None:
    left = Stroke(tuple((x if x == 100 else 150, y) for x, y in SQUARE), 0, closed=True)
    (one,) = parts(Prompt(strokes=(Stroke(SQUARE, closed=True), left)), SIZE, as_logits)
    assert len(one.boxes) == 1
    assert [p.label for p in one.points] == [1, 0]
    assert one.mask is not None
    assert (one.mask[11:19, 11:14] < 0).all()
    assert (one.mask[11:19, 16:19] > 0).all()


def test_several_boxes_are_asked_one_by_one_with_the_points_that_lie_in_them() -> None:
    left, right = Box(0, 0, 50, 50), Box(100, 0, 150, 50)
    inside, background, beyond = Point(10, 10), Point(120, 10, 0), Point(300, 200)
    found = parts(Prompt((inside, background, beyond), boxes=(left, right)), SIZE, as_logits)
    assert found == (
        Prompt((inside, background), left),
        Prompt((background,), right),
        Prompt((beyond, background)),
    )


def test_several_boxes_give_the_union_of_their_masks(predictor: sw.Predictor, photo: np.ndarray) -> None:
    embedding = predictor.embed(photo)
    left, right = (90, 60, 190, 160), (200, 60, 300, 200)
    alone = [predictor.predict(embedding, box=box) for box in (left, right)]
    both = predictor.predict(embedding, box=[left, right])
    assert both.masks.shape == (3, 300, 451)
    for k in range(3):
        union = alone[0].masks[k] | alone[1].masks[k]
        assert iou(both.masks[k], union) > 0.97  # one interpolates the union, the other unites what was interpolated
        assert not (union & ~both.masks[k]).any()
    np.testing.assert_allclose(both.scores, (alone[0].scores + alone[1].scores) / 2, rtol=1e-5)


def test_a_lasso_is_answered_inside_it(predictor: sw.Predictor, photo: np.ndarray) -> None:
    lasso = Stroke(((95, 60), (290, 60), (290, 240), (95, 240)), closed=True)
    answer = predictor.answer(predictor.embed(photo), Prompt(strokes=(lasso,)))
    best = answer.masks[answer.best]
    assert best[60:240, 95:290].sum() > 0.9 * best.sum() > 1000


def test_a_mask_becomes_a_mask_prompt_and_back(
    monkeypatch: pytest.MonkeyPatch, predictor: sw.Predictor, photo: np.ndarray
) -> None:
    embedding = predictor.embed(photo)
    first = predictor.predict(embedding, points=[(175, 130)])
    mask = first.masks[first.best]
    logits = predictor.mask_to_logits(mask)
    assert logits.shape == (predictor.config.mask_size,) * 2
    monkeypatch.setattr("sam_widget.predictor.model_input._ROWS", 7)
    np.testing.assert_array_equal(predictor.mask_to_logits(mask), logits)
    assert iou(predictor.binarize(logits[None], (300, 451))[0], mask) > 0.93
    again = predictor.predict(embedding, points=[(175, 130)], mask=logits)
    assert max(float(iou(m, mask)) for m in again.masks) > 0.6


def test_a_higher_threshold_makes_a_smaller_mask(predictor: sw.Predictor, photo: np.ndarray) -> None:
    answer = predictor.predict(predictor.embed(photo), points=[(175, 130)])
    np.testing.assert_array_equal(predictor.binarize(answer.logits, (300, 451)), answer.masks)
    areas = [predictor.binarize(answer.logits, (300, 451), threshold=t).sum() for t in (-2, 0, 2)]
    assert areas[0] > areas[1] > areas[2]


def test_the_inside_of_logits_shows_the_image_alone(predictor: sw.Predictor) -> None:
    side = predictor.config.mask_size
    assert predictor.unpad(np.zeros((3, side, side)), (100, 200)).shape == (3, side // 2, side)


def test_points_that_are_decoded_with_every_box_are_limited() -> None:
    background = [Point(k, 9, 0) for k in range(100)]
    boxes = [Box(k, 0, k + 9, 9) for k in range(11)]
    assert len(parts(Prompt(background, boxes=boxes[:10]), (100, 200), None)) == 10
    with pytest.raises(PromptError, match=r"100 points and 11 boxes.* 1,100 in total"):
        parts(Prompt(background, boxes=boxes), (100, 200), None)
