"""Names of a mask: of a crop, under the mask, and what two crops agree on."""

from __future__ import annotations

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.automatic.finding.embedded import describe
from sam_widget.errors import PromptError
from sam_widget.masks.runs import StoredMask
from sam_widget.teach.mask_names import MaskNames


@pytest.fixture(scope="module")
def panel() -> MaskNames:
    return sw.teach.MaskNames(sw.sample("coffee"), x=580, y=30, word="cup")


def test_a_crop_names_what_is_next_to_the_mask_and_the_features_under_it_do_not(panel: MaskNames) -> None:
    naming = panel.naming
    assert naming is not None
    assert naming.best("crop", 1)[0][0] == "espresso"
    assert naming.of("cup")["crop"] > 0.8
    assert naming.of("cup")["under"] < 0.1
    assert naming.of("cup")["agreed"] <= naming.of("cup")["under"]
    assert f"Probability of “cup”: {naming.of('cup')['crop']:.2f}." in panel.says["crop"].text


def test_another_mask_is_named_and_drawn(panel: MaskNames) -> None:
    before = [part.pixels for part in (panel.photo, panel.crop, panel.under, *panel.charts.values())]
    panel.look_at(250, 100)
    assert panel.naming is not None
    assert panel.naming.of("cup")["agreed"] > 0.8
    after = [part.pixels for part in (panel.photo, panel.crop, panel.under, *panel.charts.values())]
    assert all((one != other).any() for one, other in zip(before, after, strict=True))


def test_another_word_is_shown_and_an_unknown_one_is_named(panel: MaskNames) -> None:
    panel.word.value = "dog"
    assert "Probability of “dog”: 0.00." in panel.says["agreed"].text
    panel.word.value = "face"
    assert panel.note.text == "“face” is not in the vocabulary."


def test_a_whole_image_has_the_same_name_as_its_crop() -> None:
    photo = sw.sample("cat")
    everything = np.ones(photo.shape[:2], bool)
    naming = sw.teach.name_mask(photo, everything)
    np.testing.assert_allclose(naming.crop, naming.under, atol=1e-5)
    np.testing.assert_array_equal(naming.agreed, describe(photo, [StoredMask(everything)])[0][0])
    assert naming.best("agreed", 1)[0][1] == naming.agreed.min(axis=0).max()
    with pytest.raises(PromptError, match="teaspoon"):
        naming.of("teaspoon")
