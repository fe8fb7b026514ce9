"""What is tidied up of a mask."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sam_widget.cleanup import MaskSettings, clean, drop_islands, fill_holes, smooth
from sam_widget.errors import PromptError


@pytest.fixture
def untidy() -> np.ndarray:
    """A square with a hole of 9 pixels and one of 1, and islands of 4 pixels and of 1."""
    mask = np.zeros((40, 40), bool)
    mask[5:25, 5:25] = True
    mask[8:11, 8:11] = False
    mask[15, 15] = False
    mask[30:32, 30:32] = True
    mask[35, 5] = True
    return mask


@pytest.mark.parametrize(("area", "left"), [(0, [9, 1]), (1, [9]), (8, [9]), (9, []), (1000, [])])
def test_holes_up_to_an_area_are_filled(untidy: np.ndarray, area: int, left: list[int]) -> None:
    square = fill_holes(untidy, area)[5:25, 5:25]
    assert (~square).sum() == sum(left)


def test_what_is_open_to_the_border_is_no_hole() -> None:
    mask = np.ones((9, 9), bool)
    mask[0:3, 4] = False
    mask[6, 6] = False
    filled = fill_holes(mask, 100)
    assert filled[6, 6]
    assert not filled[:3, 4].any()


@pytest.mark.parametrize(("area", "gone"), [(0, 0), (1, 1), (3, 1), (4, 5), (10_000, 5)])
def test_islands_up_to_an_area_are_dropped_but_not_the_largest(untidy: np.ndarray, area: int, gone: int) -> None:
    assert untidy.sum() - drop_islands(untidy, area).sum() == gone


def test_smoothing_rounds_corners_and_keeps_the_size() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    rounded = smooth(mask, 4)
    assert not rounded[10, 10]
    assert rounded[30, 10:50].all()
    assert abs(int(rounded.sum()) - 1600) < 80
    assert smooth(np.ones((20, 20), bool), 4).all(), "a mask that fills the image does not shrink from its border"


def test_clean_does_all_of_it_wherever_the_mask_lies(untidy: np.ndarray) -> None:
    settings = MaskSettings(holes=20, islands=4, smoothing=0)
    expected = np.zeros((40, 40), bool)
    expected[5:25, 5:25] = True
    np.testing.assert_array_equal(clean(untidy, settings), expected)
    corner = np.roll(untidy, (-5, -5), axis=(0, 1))
    np.testing.assert_array_equal(clean(corner, settings), np.roll(expected, (-5, -5), axis=(0, 1)))
    whole = smooth(untidy, 2)
    np.testing.assert_array_equal(clean(untidy, MaskSettings(smoothing=2)), whole)
    assert clean(untidy, MaskSettings(threshold=3)) is untidy
    empty = np.zeros((5, 5), bool)
    assert not clean(empty, settings).any()


@pytest.mark.parametrize(
    "values", [{"threshold": math.nan}, {"holes": -1}, {"islands": "3"}, {"smoothing": math.inf}, {"smoothing": -0.1}]
)
def test_settings_refuse(values: dict[str, float]) -> None:
    with pytest.raises(PromptError):
        MaskSettings(**values)  # type: ignore[arg-type]
