"""Outlines of parts, and several rings as one, fill to the mask that they are of."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_widget.export.rings import one_ring, parts_from_mask, pixel_rings, signed_area, straightened
from sam_widget.masks.codecs import mask_from_polygons
from tests.masks.examples import MASKS

Mask = NDArray[np.bool_]
some_masks = {name: mask for name, mask in MASKS.items() if mask.any()}
every_mask = pytest.mark.parametrize("mask", some_masks.values(), ids=some_masks.keys())


@every_mask
def test_parts_fill_to_the_mask_and_begin_with_their_outlines(mask: Mask) -> None:
    parts = parts_from_mask(mask)
    rings = [ring for part in parts for ring in part]
    np.testing.assert_array_equal(mask_from_polygons(rings, *mask.shape), mask)
    for outline, *holes in parts:
        assert signed_area(outline) > 0
        assert all(signed_area(hole) < 0 for hole in holes)


@every_mask
def test_one_ring_fills_to_the_same_mask(mask: Mask) -> None:
    joined = one_ring([ring for part in parts_from_mask(mask) for ring in part])
    np.testing.assert_array_equal(joined[0], joined[-1])
    np.testing.assert_array_equal(mask_from_polygons([joined], *mask.shape), mask)


@every_mask
def test_pixel_rings_are_filled_by_opencv_without_loss(mask: Mask) -> None:
    cv2 = pytest.importorskip("cv2")
    painted = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(painted, [ring.astype(np.int32) for ring in pixel_rings(mask)], 1)
    np.testing.assert_array_equal(painted.astype(bool), mask)


def test_points_on_a_line_are_dropped_but_not_the_ends_of_a_spur() -> None:
    square = np.array([(0, 0), (1, 0), (2, 0), (2, 2), (0, 2), (0, 1), (0, 0)], float)
    assert straightened(square).tolist() == [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]
    spur = np.array([(0, 0), (2, 0), (5, 0), (2, 0), (2, 2), (0, 2), (0, 0)], float)
    assert [5, 0] in straightened(spur).tolist()


def test_a_tolerance_simplifies_but_leaves_every_part_an_area() -> None:
    mask = np.zeros((40, 40), np.bool_)
    mask[2:34, 2:34] = ~np.tri(32, dtype=np.bool_)
    mask[38, 38] = True
    parts = parts_from_mask(mask, tolerance=1.5)
    assert len(parts) == 2
    assert all(signed_area(part[0]) > 0 for part in parts)
    assert max(len(part[0]) for part in parts) < max(len(part[0]) for part in parts_from_mask(mask))
