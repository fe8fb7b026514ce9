"""Hiding patches, and what a masked autoencoder paints there."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.errors import ModelError
from sam_widget.learn.evaluate.inpainting import compare
from sam_widget.model.mae_zoo import load_mae
from sam_widget.teach.hidden_patches import HiddenPatches


@pytest.fixture
def panel(photo: np.ndarray) -> HiddenPatches:
    return HiddenPatches(photo)


def test_errors_are_those_that_the_model_card_measures(panel: HiddenPatches, photo: np.ndarray) -> None:
    (measured,) = compare(load_mae(), {"cat": photo}, seeds=[0])
    _, between, model = 1000 * measured.errors[0]
    assert panel.error == pytest.approx(model, rel=1e-3)
    # The panel rounds the pixels that it shows.
    assert panel.interpolation_error == pytest.approx(between, rel=1e-2)
    assert panel.reconstruction is not None
    assert f"{panel.reconstruction.loss:.3f}" in panel.note.text


def test_controls_hide_other_patches_and_the_pictures_follow(panel: HiddenPatches) -> None:
    seen = [panel.sees.pixels, panel.painted.pixels, panel.between.pixels, panel.wrong.pixels]
    panel.ratio.value = 90
    assert panel.mask.sum() == 231
    for picture, before in zip((panel.sees, panel.painted, panel.between, panel.wrong), seen, strict=True):
        assert (picture.pixels != before).any()
    mask = panel.mask
    panel.seed.value = 4
    assert (panel.mask != mask).any()
    panel.pattern.value = "grid"
    assert (panel.mask != mask).any()


def test_at_a_ratio_of_zero_there_is_nothing_to_paint(panel: HiddenPatches) -> None:
    panel.ratio.value = 0
    assert not panel.mask.any()
    assert np.isnan(panel.error)
    assert (panel.sees.pixels == panel.truth.pixels).all()
    assert "Nothing is hidden" in panel.note.text
    panel.look_at(3, 3)
    assert "visible" in panel.here.text


def test_patches_are_painted_hidden_and_shown(panel: HiddenPatches) -> None:
    panel.set_mask(np.eye(16, dtype=bool))
    panel._press(100, 4)
    panel._drag(108, 4)
    assert panel.pattern.value == "hand"
    assert panel.ratio.disabled
    assert panel.mask[0, 12]
    assert panel.mask[0, 13]
    assert panel.mask.sum() == 18
    # A stroke that begins on a hidden patch shows.
    panel._press(1, 1)
    panel._drag(100, 4)
    assert panel.mask.sum() == 16
    panel.look_at(108, 4)
    assert panel.here.text.startswith("Row 0, column 13: error")


def test_a_fast_stroke_skips_no_patch(panel: HiddenPatches) -> None:
    panel.set_mask(np.eye(16, dtype=bool))
    panel._press(12, 4)
    panel._drag(124, 4)
    assert panel.mask[0].all()
    assert panel.mask.sum() == 31


def test_one_patch_stays_visible(panel: HiddenPatches) -> None:
    mask = np.ones((16, 16), bool)
    mask[0, 0] = False
    panel.set_mask(mask)
    panel._press(1, 1)
    assert not panel.mask[0, 0]
    assert "At least one patch" in panel.note.text


def test_a_mask_of_another_shape_is_refused_and_changes_nothing(panel: HiddenPatches) -> None:
    before = panel.mask
    for wrong in (np.zeros((4, 4), bool), np.zeros((16, 16), int), np.ones((16, 16), bool)):
        with pytest.raises(ModelError, match="mask"):
            panel.set_mask(wrong)
        assert (panel.mask == before).all()
