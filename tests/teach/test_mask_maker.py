"""From tokens to a mask."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.mask_maker import MaskMaker
from sam_widget.teach.traced import TracedImage


def test_each_mask_has_its_logits_its_score_and_its_pixels(photo: np.ndarray, predictor: Predictor) -> None:
    traced = TracedImage(photo, model=predictor)
    traced.click(162, 117)
    panel = MaskMaker(traced)
    answer = predictor.predict(predictor.embed(photo), points=[(162, 117)])
    for number in range(3):
        panel.level.value = number
        inside = predictor.unpad(answer.logits[number : number + 1], photo.shape[:2])[0]
        assert panel.logits == pytest.approx(inside, abs=1e-3)
        assert f"{answer.masks[number].mean():.0%} of the photo" in panel._says[3].text
        assert f"score of {answer.scores[number]:.2f}" in panel._says[3].text


def test_a_higher_threshold_makes_the_mask_smaller(photo: np.ndarray, predictor: Predictor) -> None:
    traced = TracedImage(photo, model=predictor)
    traced.click(162, 117)
    panel = MaskMaker(traced)
    panel.level.value = 2
    before = panel.mask.pixels, panel._says[3].text
    panel.threshold.value = 4
    assert (panel.mask.pixels != before[0]).any()

    def share(text: str) -> int:
        return int(text.partition(": ")[2].partition("%")[0])

    assert share(panel._says[3].text) < share(before[1])
