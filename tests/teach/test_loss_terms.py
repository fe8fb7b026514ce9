"""The terms of the loss, for a mask that is moved by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam_widget.errors import MaskError
from sam_widget.learn.losses import dice_loss, focal_loss
from sam_widget.teach.loss_terms import LossTerms, moved


@pytest.fixture
def panel() -> LossTerms:
    image = np.zeros((96, 96, 3), np.uint8)
    masks = np.zeros((2, 96, 96), bool)
    masks[0, 20:80, 20:80] = True
    masks[1, 40:48, 40:48] = True
    return LossTerms(image, masks=masks)


def test_losses_are_those_of_training(panel: LossTerms) -> None:
    panel.shift.value, panel.sure.value = 10, 2
    true = torch.tensor(panel.masks[0]).float()
    logits = torch.where(torch.tensor(panel.given), 2.0, -2.0)
    ones = torch.ones_like(logits)
    assert panel.focal == pytest.approx(float(focal_loss(logits, true, ones)), rel=1e-5)
    assert panel.dice == pytest.approx(float(dice_loss(logits, true, ones)), rel=1e-5)
    assert panel.focal_map.mean() == pytest.approx(panel.focal, rel=1e-4)
    assert panel.total == pytest.approx(20 * panel.focal + panel.dice)
    assert f"IoU {panel.iou:.2f}" in panel._says[0].text


def test_the_true_mask_has_an_iou_of_1_and_costs_the_less_the_surer(panel: LossTerms) -> None:
    totals = []
    for sure in (1, 4, 8):
        panel.sure.value = sure
        assert panel.iou == 1
        totals.append(panel.total)
    assert totals == sorted(totals, reverse=True)


def test_dice_notices_a_small_object_and_focal_does_not(panel: LossTerms) -> None:
    costs = []
    for number in (0, 1):
        panel.choice.value = number
        panel.empty_button.click()
        assert not panel.given.any()
        assert panel.iou == 0
        costs.append((20 * panel.focal, panel.dice))
    (large_focal, large_dice), (small_focal, small_dice) = costs
    assert small_focal < 0.1 * large_focal
    assert small_dice > 0.9 * large_dice


def test_buttons_and_sliders_change_the_pictures(panel: LossTerms) -> None:
    seen = [panel.shown.pixels, panel.map.pixels, panel.chart.pixels]
    panel.empty_button.click()
    for picture, before in zip((panel.shown, panel.map, panel.chart), seen, strict=True):
        assert (picture.pixels != before).any()
    panel.grow.value = 12
    assert panel.given.any()
    panel.true_button.click()
    assert panel.grow.value == 0
    assert panel.iou == 1
    assert (panel.chart.pixels == seen[2]).all()


def test_a_mask_is_grown_shrunk_and_shifted() -> None:
    mask = np.zeros((20, 20), bool)
    mask[8:12, 8:12] = True
    assert moved(mask, grow=0, shift=3).nonzero()[1].min() == 11
    assert moved(mask, grow=0, shift=-3).nonzero()[1].min() == 5
    assert not moved(mask, grow=0, shift=20).any()
    assert moved(mask, grow=1, shift=0).sum() == 32
    assert moved(mask, grow=-1, shift=0).sum() == 4
    assert not moved(mask, grow=-2, shift=0).any()


def test_masks_of_another_size_are_refused() -> None:
    for masks in ([], np.ones((1, 3, 3), bool), np.zeros((1, 8, 8), bool)):
        with pytest.raises(MaskError, match="at least one"):
            LossTerms(np.zeros((8, 8, 3), np.uint8), masks=masks)
