"""Rounds of simulated corrections."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sam_widget.masks.measures import iou
from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.correction_rounds import ROUNDS, CorrectionRounds
from sam_widget.teach.subject import scene


@pytest.fixture(scope="module")
def panel(predictor: Predictor) -> CorrectionRounds:
    car = scene(6)
    return CorrectionRounds(car.image, masks=car.masks, target=7, model=predictor)


def test_each_click_goes_where_the_mask_was_wrong(panel: CorrectionRounds) -> None:
    wanted = panel.masks[7]
    for rounds in panel.rounds.values():
        assert len(rounds) == ROUNDS
        for number, one in enumerate(rounds):
            assert len(one.clicks) == len(one.labels) == number + 1
            assert one.iou == pytest.approx(float(iou(one.mask, wanted)))
        for before, after in pairwise(rounds):
            x, y = (int(value) for value in after.clicks[-1])
            assert before.mask[y, x] != wanted[y, x]
            assert after.labels[-1] == wanted[y, x]
    assert max(one.iou for one in panel.rounds[True]) > panel.rounds[True][0].iou


def test_the_mask_as_a_prompt_makes_a_difference_after_the_first_round(panel: CorrectionRounds) -> None:
    with_mask, without = panel.rounds[True], panel.rounds[False]
    assert (with_mask[0].mask == without[0].mask).all()
    assert any((one.mask != other.mask).any() for one, other in zip(with_mask, without, strict=True))


def test_the_round_and_the_way_are_chosen(panel: CorrectionRounds) -> None:
    first = panel.answer.pixels, panel.wrong.pixels
    panel.number.value = 4
    assert (panel.answer.pixels != first[0]).any()
    assert (panel.wrong.pixels != first[1]).any()
    assert f"Round 4: score {panel.rounds[True][3].score:.2f}, IoU {panel.rounds[True][3].iou:.2f}" in repr(panel)
    panel.masked.value = False
    assert f"IoU {panel.rounds[False][3].iou:.2f}" in panel._says[0].text


def test_another_object_is_simulated_again(panel: CorrectionRounds) -> None:
    before = panel.rounds
    panel.choice.value = 3
    assert panel.rounds is not before
    assert panel.masks[3][int(panel.rounds[True][0].clicks[0][1]), int(panel.rounds[True][0].clicks[0][0])]
    assert np.isfinite([one.score for one in panel.rounds[False]]).all()
