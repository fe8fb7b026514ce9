"""Regions of row runs, against scipy's regions of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume
from numpy.typing import NDArray
from scipy import ndimage

from sam_widget.masks import components
from sam_widget.masks.runs import mask_from_runs, runs_from_mask
from tests.masks.examples import every_mask

Mask = NDArray[np.bool_]


@every_mask
@pytest.mark.parametrize("diagonals", [False, True])
def test_regions_are_scipys(mask: Mask, diagonals: bool) -> None:
    assume(mask.any())
    runs, (height, width) = runs_from_mask(mask), mask.shape
    numbers = components.regions(runs, width, diagonals=diagonals)
    expected, count = ndimage.label(mask, np.ones((3, 3)) if diagonals else None)
    assert numbers.max() + 1 == count
    first_pixels = runs[:, 0].astype(int)
    theirs = expected.ravel()[first_pixels]
    # The same partition: each of our numbers goes with one of theirs.
    assert len({*zip(numbers.tolist(), theirs.tolist(), strict=True)}) == count
    assert numbers[np.unique(numbers, return_index=True)[1]].tolist() == list(range(count))
    areas = components.areas(numbers, runs)
    assert sorted(areas) == sorted(np.bincount(expected.ravel())[1:])
    assert areas.sum() == mask.sum()
    assert height * width == mask.size


@every_mask
def test_what_a_mask_leaves_out_and_the_mask_make_the_whole(mask: Mask) -> None:
    runs, (height, width) = runs_from_mask(mask), mask.shape
    gaps = components.between(runs, height, width)
    np.testing.assert_array_equal(mask_from_runs(gaps, height, width), ~mask)
    whole = components.united(runs, gaps, width)
    np.testing.assert_array_equal(whole, runs_from_mask(np.ones_like(mask)))
