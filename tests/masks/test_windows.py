"""Masks between a window and its image, against slices of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.masks import windows
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.geometry import Box

SIZE = (30, 40)
MASK = np.random.default_rng(0).random(SIZE) < 0.4
CROPS = [Box(0, 0, 40, 30), Box(5, 7, 25, 19), Box(39, 29, 40, 30), Box(0, 10, 40, 11)]
every_crop = pytest.mark.parametrize("crop", CROPS, ids=str)


@every_crop
def test_a_part_of_a_mask_is_a_slice_of_it(crop: Box) -> None:
    inside = MASK[windows.part(crop)]
    assert inside.shape == windows.shape(crop)
    np.testing.assert_array_equal(windows.within(StoredMask(MASK), crop), inside)


@every_crop
def test_a_mask_of_a_crop_is_put_where_the_crop_is(crop: Box) -> None:
    placed = windows.placed(StoredMask(np.ascontiguousarray(MASK[windows.part(crop)])), crop, SIZE)
    expected = np.zeros(SIZE, np.bool_)
    expected[windows.part(crop)] = MASK[windows.part(crop)]
    np.testing.assert_array_equal(placed.array, expected)


@pytest.mark.parametrize(
    ("crop", "fits"),
    [
        (Box(0, 0, 40, 30), True),
        (Box(0, 0, 41, 30), False),
        (Box(0, 0, 40, 31), False),
        (Box(-1, 0, 4, 4), False),
        (Box(0.5, 0, 4, 4), False),
    ],
)
def test_a_crop_is_made_of_whole_pixels_of_the_image(crop: Box, fits: bool) -> None:
    assert windows.fits(crop, (40, 30)) is fits


@pytest.mark.parametrize(
    ("crop", "row", "column", "cut"),
    [
        (Box(5, 5, 15, 15), 0, 4, True),
        (Box(5, 5, 15, 15), 9, 4, True),
        (Box(5, 5, 15, 15), 4, 0, True),
        (Box(5, 5, 15, 15), 4, 9, True),
        (Box(5, 5, 15, 15), 4, 4, False),
        (Box(0, 0, 10, 10), 0, 0, False),  # The edge of the image cuts nothing off.
        (Box(30, 20, 40, 30), 9, 9, False),
    ],
)
def test_a_mask_is_cut_off_where_it_reaches_an_edge_inside_the_image(
    crop: Box, row: int, column: int, cut: bool
) -> None:
    mask = np.zeros((10, 10), np.bool_)
    mask[row, column] = True
    assert windows.is_cut(mask, crop, SIZE) is cut
