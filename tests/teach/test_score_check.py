"""Predicted against true IoU, prompt by prompt."""

from __future__ import annotations

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import MaskError
from sam_widget.predictor.predictor import Predictor


def test_each_answer_is_compared_with_the_truth(predictor: Predictor) -> None:
    car = sw.teach.scene(6)
    panel = sw.teach.ScoreCheck(car.image, masks=car.masks, target=7, model=predictor)
    ys, xs = np.nonzero(car.masks[7])
    empty = panel.chart.pixels
    panel.widget.click(float(xs.mean()), float(ys.mean()))
    session = panel.widget.session
    (row,) = panel.rows
    mask = session.chosen.mask
    assert row.clicks == 1
    assert row.score == session.chosen.score
    assert row.stability == session.chosen.stability
    assert row.iou == pytest.approx((mask & car.masks[7]).sum() / (mask | car.masks[7]).sum())
    assert (panel.chart.pixels != empty).any()
    assert f"true IoU {row.iou:.2f}" in panel.says[0].text

    session.choose((session.state.chosen_index + 1) % 3)
    panel.widget.click(10, 10, label=0)
    assert [one.clicks for one in panel.rows] == [1, 1, 2]
    off = np.mean([abs(one.score - one.iou) for one in panel.rows])
    assert f"{off:.2f}" in panel.says[1].text

    panel.choice.value = 0
    assert panel.rows == []
    assert session.prompt.is_empty
    panel.close()
    panel.close()


def test_masks_of_another_size_are_refused(photo: np.ndarray, predictor: Predictor) -> None:
    with pytest.raises(MaskError, match=r"at least one \(H, W\) mask"):
        sw.teach.ScoreCheck(photo, masks=np.ones((1, 5, 5), bool), model=predictor)
    with pytest.raises(MaskError, match=r"at least one \(H, W\) mask"):
        sw.teach.ScoreCheck(photo, masks=[], model=predictor)
