"""Classical rivals, on a picture that each of them can solve."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.learn.evaluate.baselines import RIVALS, Disc, Felzenszwalb, GrabCut, RandomWalker
from sam_widget.learn.evaluate.evaluate import Method, Sample, evaluate
from sam_widget.masks.measures import iou

LEARNED_NOTHING = [GrabCut, Felzenszwalb, RandomWalker]


@pytest.fixture(scope="module")
def easy() -> Sample:
    """An orange L on noisy blue, (80, 120): no box and no disc, but one colour."""
    rng = np.random.default_rng(0)
    mask = np.zeros((80, 120), bool)
    mask[15:65, 30:50] = True
    mask[45:65, 30:95] = True
    image = np.where(mask[..., None], (230, 150, 40), (40, 70, 160)) + rng.normal(0, 12, (80, 120, 3))
    return Sample("easy", image.clip(0, 255).astype(np.uint8), mask)


@pytest.mark.parametrize("build", LEARNED_NOTHING)
def test_a_plain_thing_is_found(build: type, easy: Sample) -> None:
    figures = evaluate(build(), [easy])
    prior = evaluate(Disc(), [easy])
    assert figures.clicks[0][-1] > 0.9 > prior.clicks[0][-1] + 0.1
    # The walker takes the middle of a box for foreground, which in an L it is not.
    assert figures.box[0] > (prior.box[0] if build is RandomWalker else 0.9)


@pytest.mark.parametrize("build", RIVALS.values(), ids=RIVALS)
def test_a_rival_repeats_itself_and_survives_any_prompt(build: type[Method], easy: Sample) -> None:
    method = build()
    method.start(easy.image)
    nothing = np.zeros((0, 2)), np.zeros(0, int)
    corner = np.array([[0.5, 0.5], [119.5, 79.5]])
    for points, labels, box in (
        (*nothing, np.array([0, 0, 120, 80])),
        (*nothing, np.array([7, 7, 8, 8])),
        (corner, np.array([1, 0]), None),
        (corner, np.array([0, 0]), None),
        (np.array([[5.5, 5.5], [6.5, 5.5]]), np.array([1, 0]), None),
    ):
        first, second = (method.answer(points, labels, box) for _ in range(2))
        assert first.masks.shape == (1, 80, 120)
        assert first.masks.dtype == bool
        assert first.scores is None
        np.testing.assert_array_equal(first.masks, second.masks)


@pytest.mark.parametrize("build", LEARNED_NOTHING)
def test_background_clicks_count(build: type[Method], easy: Sample) -> None:
    method = build()
    method.start(easy.image)
    points, labels = np.array([[40.5, 30.5], [88.5, 55.5]]), np.array([1, 0])
    (mask,) = method.answer(points, labels, None).masks
    assert mask[30, 40]
    assert not mask[55, 88]


def test_the_disc() -> None:
    disc = Disc()
    disc.start(np.zeros((40, 60, 3), np.uint8))
    (mask,) = disc.answer(np.array([[30.0, 20.0], [33.0, 20.0]]), np.array([1, 0]), None).masks
    assert mask[20, 25]
    assert not mask[20, 33]
    assert not mask[5, 5]
    box = np.array([20, 10, 31, 21])
    (mask,) = disc.answer(np.zeros((0, 2)), np.zeros(0), box).masks
    assert mask.sum() == 121
    assert float(iou(mask[10:21, 20:31], np.ones((11, 11), bool))) == 1
