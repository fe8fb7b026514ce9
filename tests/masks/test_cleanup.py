"""Cleaning up masks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, label

from sam_widget.errors import PromptError
from sam_widget.masks import cleanup
from sam_widget.masks.cleanup import TIDY, MaskSettings, clean, drop_islands, fill_holes, smooth
from sam_widget.masks.runs import Mask, StoredMask, runs_from_mask
from tests.masks.examples import masks


def on_pixels(step: Callable[..., StoredMask], mask: np.ndarray, setting: object) -> np.ndarray:
    """Apply a step of cleaning up to pixels."""
    return step(StoredMask(mask), setting).array


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
    square = on_pixels(fill_holes, untidy, area)[5:25, 5:25]
    assert (~square).sum() == sum(left)


def test_what_is_open_to_the_border_is_no_hole() -> None:
    mask = np.ones((9, 9), bool)
    mask[0:3, 4] = False
    mask[6, 6] = False
    filled = on_pixels(fill_holes, mask, 100)
    assert filled[6, 6]
    assert not filled[:3, 4].any()


@pytest.mark.parametrize(("area", "gone"), [(0, 0), (1, 1), (3, 1), (4, 5), (10_000, 5)])
def test_islands_up_to_an_area_are_dropped_but_not_the_largest(untidy: np.ndarray, area: int, gone: int) -> None:
    assert untidy.sum() - on_pixels(drop_islands, untidy, area).sum() == gone


def test_smoothing_rounds_corners_and_keeps_the_size() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    rounded = on_pixels(smooth, mask, 4)
    assert not rounded[10, 10]
    assert rounded[30, 10:50].all()
    assert abs(int(rounded.sum()) - 1600) < 80
    assert on_pixels(smooth, np.ones((20, 20), bool), 4).all(), (
        "a mask that fills the image does not shrink from its border"
    )


def test_clean_does_all_of_it_wherever_the_mask_lies(untidy: np.ndarray) -> None:
    settings = MaskSettings(holes=20, islands=4, smoothing=0)
    expected = np.zeros((40, 40), bool)
    expected[5:25, 5:25] = True
    np.testing.assert_array_equal(on_pixels(clean, untidy, settings), expected)
    corner = np.roll(untidy, (-5, -5), axis=(0, 1))
    np.testing.assert_array_equal(on_pixels(clean, corner, settings), np.roll(expected, (-5, -5), axis=(0, 1)))
    stored = StoredMask(untidy)
    assert clean(stored, MaskSettings(threshold=3)) is stored
    assert not on_pixels(clean, np.zeros((5, 5), bool), settings).any()


def by_pixels(mask: np.ndarray, settings: MaskSettings) -> np.ndarray:
    """Clean up a mask pixel by pixel."""
    if settings.smoothing:
        mask = gaussian_filter(mask.astype(np.float64), settings.smoothing, mode="nearest", truncate=4.0) > 0.5
    islands, _ = label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(islands.ravel())
    sizes[0] = 0
    kept = sizes > settings.islands
    kept[sizes.argmax()] = True
    mask = mask & kept[islands]
    gaps, _ = label(~mask)
    filled = np.bincount(gaps.ravel()) <= settings.holes
    filled[0] = False
    filled[np.concatenate((gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]))] = False
    return mask | filled[gaps]


@pytest.mark.parametrize("tile", [7, 128])
@given(
    mask=masks(most=90),
    settings=st.builds(
        MaskSettings,
        holes=st.sampled_from((0, 1, 5, 40, 10_000)),
        islands=st.sampled_from((0, 1, 5, 40)),
        smoothing=st.sampled_from((0, 0.3, 0.9, 2.5, 6)),
    ),
)
def test_runs_are_cleaned_as_pixels_are(tile: int, mask: Mask, settings: MaskSettings) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleanup, "_TILE", tile)
        cleaned = clean(StoredMask(mask.copy()), settings)
    np.testing.assert_array_equal(cleaned.array, by_pixels(mask, settings))
    np.testing.assert_array_equal(cleaned.runs, runs_from_mask(cleaned.array), "as everybody expects runs")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": math.nan}, "threshold.* nan"),
        ({"holes": -1}, "holes.* -1"),
        ({"islands": "3"}, "islands.* '3'"),
        ({"smoothing": math.inf}, "smoothing.* inf"),
        ({"smoothing": -0.1}, r"smoothing.* -0\.1"),
        ({"smoothing": 1001}, "smoothing.* 1001 .*1000 or less"),
    ],
)
def test_settings_refuse(values: dict[str, float], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        MaskSettings(**values)  # type: ignore[arg-type]


def test_specks_are_small_against_the_mask_and_the_image() -> None:
    mask = np.zeros((400, 500), bool)
    mask[100:300, 100:300] = True
    mask[150:160, 150:159] = False  # A hole of 90 pixels, below 0.3% of the mask and below 1/2000 of the image.
    mask[200:212, 200:212] = False  # One of 144.
    mask[10:20, 10:18] = True  # Islands of 80 and of 144.
    mask[350:362, 450:462] = True
    cleaned = clean(StoredMask(mask.copy()), TIDY).array
    expected = mask.copy()
    expected[150:160, 150:159] = True
    expected[10:20, 10:18] = False
    np.testing.assert_array_equal(cleaned, expected)
    # In a small mask, the same are not specks.
    small = np.zeros((400, 500), bool)
    small[100:150, 100:150] = True
    small[10:20, 10:18] = True
    assert clean(StoredMask(small.copy()), TIDY).area == small.sum()


def test_specks_and_larger_areas_are_both_removed() -> None:
    mask = np.zeros((400, 500), bool)
    mask[100:300, 100:300] = True
    mask[200:212, 200:212] = False
    mask[10:20, 10:18] = True
    cleaned = clean(StoredMask(mask.copy()), MaskSettings(holes=144, specks=True)).array
    assert cleaned.sum() == 200 * 200
