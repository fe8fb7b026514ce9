"""RLE and polygons lose nothing of a mask, and are what the usual libraries write."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco

from sam_widget.errors import MaskError, MissingExtraError, SamWidgetError
from sam_widget.masks.codecs import (
    mask_from_polygons,
    mask_from_rle,
    polygons_from_mask,
    rle_from_mask,
    rle_from_stored,
    runs_from_coco_polygons,
    stored_from_rle,
)
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from tests.masks.examples import MASKS, disc, every_mask

Mask = NDArray[np.bool_]


RANDOM = np.random.default_rng(1)


class TestRle:
    @every_mask
    def test_round_trip_through_json(self, mask: Mask) -> None:
        rle = json.loads(json.dumps(rle_from_mask(mask)))
        assert rle["size"] == list(mask.shape)
        np.testing.assert_array_equal(mask_from_rle(rle), mask, strict=True)

    @every_mask
    def test_is_what_pycocotools_writes(self, mask: Mask) -> None:
        expected = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
        assert rle_from_mask(mask) == {"size": list(mask.shape), "counts": expected["counts"].decode()}

    def test_takes_no_pixels(self) -> None:
        """Of a mask of 4 gigapixels, two rows."""
        stored = StoredMask.of_runs(np.array([[7, 3], [65536 * 65534 + 7, 2]], np.uint32), (65536, 65535))
        rle = rle_from_stored(stored)
        np.testing.assert_array_equal(stored_from_rle(rle).runs, stored.runs)

    def test_bytes_and_uncompressed_counts(self) -> None:
        mask = MASKS["ring"]
        rle = rle_from_mask(mask)
        np.testing.assert_array_equal(mask_from_rle({**rle, "counts": rle["counts"].encode()}), mask)
        # Column by column: 2 off, 3 on, 1 off.
        np.testing.assert_array_equal(
            mask_from_rle({"size": [2, 3], "counts": [2, 3, 1]}), np.array([[0, 1, 1], [0, 1, 0]], bool)
        )

    @pytest.mark.parametrize(
        "rle",
        [
            {},
            None,
            {"size": [2, 2]},
            {"size": [2], "counts": "04"},
            {"size": [2, 2], "counts": [1, 9]},
            {"size": [2, 2], "counts": ["a"]},
            {"size": [2, 2], "counts": None},
            {"size": [2, 2], "counts": "0P9"},
        ],
    )
    def test_refuses(self, rle: dict[str, object]) -> None:
        with pytest.raises(MaskError, match="not a COCO RLE"):
            mask_from_rle(rle)

    def test_needs_pycocotools_for_polygons_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
        assert np.array_equal(mask_from_rle(rle_from_mask(MASKS["ring"])), MASKS["ring"])
        with pytest.raises(MissingExtraError, match=r'pip install "sam-widget\[coco\]"'):
            runs_from_coco_polygons([np.array([[1.0, 1.0], [5.0, 1.0], [5.0, 5.0]])], 9, 9)


def signed_area(ring: NDArray[np.float64]) -> float:
    """The shoelace sum."""
    x, y = ring.T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def filled(rings: list[NDArray[np.float64]], height: int, width: int) -> Mask:
    """Even-odd fill: the pixels whose centres lie inside an odd number of rings."""
    path = pytest.importorskip("matplotlib.path")
    rows, columns = np.indices((height, width))
    centres = np.stack((columns.ravel() + 0.5, rows.ravel() + 0.5), axis=1)
    inside = np.zeros(height * width, int)
    for ring in rings:
        inside += path.Path(ring).contains_points(centres)
    return (inside % 2 == 1).reshape(height, width)


def closed(rings: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    return [np.vstack((ring, ring[:1])) for ring in rings]


class TestPolygons:
    @every_mask
    def test_filling_them_gives_the_mask_back(self, mask: Mask) -> None:
        np.testing.assert_array_equal(filled(polygons_from_mask(mask), *mask.shape), mask)

    @every_mask
    def test_round_trip(self, mask: Mask) -> None:
        np.testing.assert_array_equal(mask_from_polygons(polygons_from_mask(mask), *mask.shape), mask, strict=True)

    def test_any_polygon_fills_the_pixels_whose_centres_it_holds(self) -> None:
        rings = [RANDOM.uniform(-20, 80, (9, 2)) for _ in range(5)]
        np.testing.assert_array_equal(mask_from_polygons(rings, 50, 60), filled(closed(rings), 50, 60))
        np.testing.assert_array_equal(mask_from_polygons(closed(rings), 50, 60), filled(closed(rings), 50, 60))

    def test_a_box_along_pixel_edges_fills_just_its_pixels(self) -> None:
        mask = mask_from_polygons([[(2, 1), (5, 1), (5, 3), (2, 3)]], 4, 6)
        assert np.argwhere(mask).tolist() == [[r, c] for r in (1, 2) for c in (2, 3, 4)]
        assert not mask_from_polygons([], 4, 6).any()

    @pytest.mark.parametrize("ring", [[1, 2, 3], [(1, 2, 3)], [(1, np.nan)], [("a", "b")], [(1, 2), (3,)]])
    def test_what_is_no_polygon_is_refused(self, ring: object) -> None:
        with pytest.raises(MaskError, match="a polygon"):
            mask_from_polygons([ring], 4, 6)  # type: ignore[list-item]

    def test_outlines_and_holes_run_opposite_ways(self) -> None:
        signs = sorted(np.sign(signed_area(ring)) for ring in polygons_from_mask(MASKS["ring"]))
        assert signs == [-1, 1]
        assert [signed_area(ring) > 0 for ring in polygons_from_mask(MASKS["two parts"])] == [True, True]

    def test_rings_are_closed_and_in_image_coordinates(self) -> None:
        mask = np.zeros((10, 20), bool)
        mask[2:5, 8:17] = True
        (ring,) = polygons_from_mask(mask)
        np.testing.assert_array_equal(ring[0], ring[-1])
        np.testing.assert_array_equal([ring.min(0), ring.max(0)], [(8, 2), (17, 5)])

    def test_tolerance_simplifies(self) -> None:
        mask = disc(200, 200, 100, 100, 80)
        (exact,), (simple,) = polygons_from_mask(mask), polygons_from_mask(mask, tolerance=1.0)
        assert len(simple) < len(exact) / 4
        assert iou(filled([simple], 200, 200), mask) > 0.97

    def test_says_how_to_get_scikit_image(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "skimage.measure", None)
        with pytest.raises(MissingExtraError, match=r'pip install "sam-widget\[export\]"'):
            polygons_from_mask(MASKS["ring"])


def test_errors_belong_to_this_package() -> None:
    assert issubclass(MaskError, SamWidgetError)
    assert issubclass(MissingExtraError, SamWidgetError)
