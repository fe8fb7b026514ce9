from __future__ import annotations

import numpy as np
import pytest

from sam_widget.engine.judging import CAP, judge
from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.engine.views import views_of
from sam_widget.learn.evaluate.evaluate import ModelMethod, Sample, evaluate
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor
from tests.engine.cells import draw


def test_clicks_are_about_those_of_the_evaluation() -> None:
    predictor = Predictor("tiny")
    views, samples = [], []
    for seed in range(3):
        picture, masks = draw(seed)
        taught = tuple(TaughtMask(StoredMask(mask.copy())) for mask in masks)
        photo = TaughtPhoto("a", lambda picture=picture: picture, taught)
        views += list(views_of(photo, picture, predictor, augment=False))
        samples += [Sample(f"{seed}_{k}", picture, mask) for k, mask in enumerate(masks)]
    fast = judge(predictor.model, views)
    slow = evaluate(ModelMethod(predictor), samples, clicks=CAP)
    assert len(fast.counts) == len(samples)
    wanted = np.minimum(slow.clicks_to(0.85), CAP + 1)
    assert fast.mean == pytest.approx(float(wanted.mean()), abs=0.6)
    assert fast.first.mean() == pytest.approx(float(slow.after(1).mean()), abs=0.08)
    assert fast.scored.shape[1] == 2
    assert len(judge(predictor.model, views, cancelled=lambda: True).counts) == 0
    some = judge(predictor.model, views, seconds=0)
    assert some.sizes == fast.sizes[:1]
    np.testing.assert_array_equal(fast.of(1).counts, some.counts)
    np.testing.assert_array_equal(judge(predictor.model, views, most=2).counts, fast.of(2).counts)
