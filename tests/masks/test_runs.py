"""Mask codecs lose nothing, and measures agree with the libraries and the paper's code."""

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
    stored_from_rle,
)
from sam_widget.masks.measures import area, box_from_mask, iou, nms, stability_score
from sam_widget.masks.runs import StoredMask, mask_from_runs, runs_from_mask
from sam_widget.masks.wire_codec import RunsError
from sam_widget.prompts.prompt import Box
from tests.masks.examples import MASKS, disc

Mask = NDArray[np.bool_]


RANDOM = np.random.default_rng(1)
every_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())


def naive_runs(mask: Mask) -> list[tuple[int, int]]:
    """Row runs, pixel by pixel: what `runs_from_mask` must say."""
    height, width = mask.shape
    runs: list[tuple[int, int]] = []
    for row in range(height):
        column = 0
        while column < width:
            start = column
            while column < width and mask[row, column]:
                column += 1
            if column > start:
                runs.append((row * width + start, column - start))
            column += 1
    return runs


class TestPacked:
    @every_mask
    def test_a_shrunk_mask_is_the_same(self, mask: Mask) -> None:
        stored = StoredMask(mask.copy())
        runs = stored.runs
        stored.shrink()
        assert stored._runs is None
        np.testing.assert_array_equal(stored.runs, runs)
        again = StoredMask.from_packed(stored.packed, *mask.shape)
        np.testing.assert_array_equal(again.array, mask)

    def test_runs_from_outside_may_touch_cross_rows_or_be_empty(self) -> None:
        for runs in ([[0, 3], [3, 2]], [[2, 17]], [[0, 0], [4, 0], [5, 3]], [[8, 2], [10, 4], [14, 9]], [[7, 0]]):
            stored = StoredMask.from_runs(runs, 3, 10)
            mask = stored.array.copy()
            stored.shrink()
            np.testing.assert_array_equal(stored.runs, runs_from_mask(mask))

    def test_bytes_that_are_no_mask_are_refused(self) -> None:
        with pytest.raises(RunsError, match="mask of 3 x 10"):
            _ = StoredMask.from_packed(b"nothing", 3, 10).runs


class TestRuns:
    @every_mask
    def test_equal_the_naive_walk(self, mask: Mask) -> None:
        runs = runs_from_mask(mask)
        assert runs.dtype == np.uint32
        assert runs.flags.c_contiguous
        assert [tuple(run) for run in runs.tolist()] == naive_runs(mask)

    @every_mask
    def test_round_trip(self, mask: Mask) -> None:
        np.testing.assert_array_equal(mask_from_runs(runs_from_mask(mask), *mask.shape), mask, strict=True)

    def test_empty_has_shape(self) -> None:
        assert runs_from_mask(np.zeros((3, 4), bool)).shape == (0, 2)
        assert runs_from_mask(np.zeros((0, 4), bool)).shape == (0, 2)
        assert mask_from_runs([], 3, 4).sum() == 0

    def test_integers_count_as_masks_and_floats_do_not(self) -> None:
        np.testing.assert_array_equal(runs_from_mask(np.array([[0, 255, 7]], np.uint8)), [[1, 2]])
        with pytest.raises(MaskError, match="logits > 0"):
            runs_from_mask(np.zeros((2, 2)))
        with pytest.raises(MaskError, match=r"shape \(2, 2, 2\)"):
            runs_from_mask(np.zeros((2, 2, 2), bool))

    @pytest.mark.parametrize(
        "runs", [[(10, 3)], [(0, 13)], [(4, 2), (1, 1)], [(0, 3), (2, 2)], [(-1, 3)], [(3, -1)], [(13, 1)]]
    )
    def test_runs_that_do_not_fit_are_refused(self, runs: list[tuple[int, int]]) -> None:
        with pytest.raises(MaskError, match="do not fit a mask of 3 x 4"):
            mask_from_runs(runs, 3, 4)


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

    def test_says_how_to_get_pycocotools(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
        with pytest.raises(MissingExtraError, match=r'pip install "sam-widget\[coco\]"'):
            rle_from_mask(MASKS["ring"])


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


class TestMeasures:
    def test_area_and_box(self) -> None:
        mask = np.zeros((10, 20), bool)
        mask[2:5, 8:17] = True
        assert area(mask) == 27
        assert box_from_mask(mask) == Box(8, 2, 17, 5)

    def test_box_of_extremes(self) -> None:
        assert box_from_mask(MASKS["empty"]) is None
        assert box_from_mask(MASKS["full"]) == Box(0, 0, 7, 5)
        assert box_from_mask(MASKS["last pixel"]) == Box(6, 4, 7, 5)

    def test_iou(self) -> None:
        a, b = np.array([[1, 1, 0, 0]], bool), np.array([[0, 1, 1, 0]], bool)
        empty = np.zeros((1, 4), bool)
        assert iou(a, b) == pytest.approx(1 / 3)
        assert iou(a, a) == 1
        assert iou(a, ~a) == 0
        assert iou(a, empty) == 0
        assert iou(empty, empty) == 1

    def test_iou_broadcasts(self) -> None:
        masks = RANDOM.random((5, 8, 9)) < 0.5
        pairs = iou(masks[:, None], masks)
        assert pairs.shape == (5, 5)
        np.testing.assert_array_equal(np.diag(pairs), np.ones(5))
        np.testing.assert_array_equal(pairs, pairs.T)
        np.testing.assert_array_equal(pairs[2], iou(masks[2], masks))
        np.testing.assert_array_equal(iou(masks, masks), np.ones(5))

    @pytest.mark.parametrize(
        ("a", "b"),
        [((4, 5), (5, 4)), ((4,), (4,)), ((2, 4, 5), (3, 4, 5)), ((1, 5), (4, 5))],
    )
    def test_iou_refuses(self, a: tuple[int, ...], b: tuple[int, ...]) -> None:
        with pytest.raises(MaskError, match="cannot compare"):
            iou(np.zeros(a, bool), np.zeros(b, bool))

    def test_stability_score_is_segment_anythings(self) -> None:
        torch = pytest.importorskip("torch")
        reference = pytest.importorskip("segment_anything.utils.amg").calculate_stability_score
        logits = RANDOM.normal(0, 3, (6, 32, 32)).astype(np.float32)
        for threshold, offset in ((0.0, 1.0), (0.5, 0.25)):
            expected = reference(torch.from_numpy(logits), threshold, offset).numpy()
            np.testing.assert_allclose(stability_score(logits, threshold, offset), expected, rtol=1e-6)
        assert stability_score(logits[0]).shape == ()

    def test_stability_score_of_nothing_is_zero(self) -> None:
        assert stability_score(np.full((4, 4), -9.0)) == 0
        assert stability_score(np.full((4, 4), 9.0)) == 1

    @pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
    def test_nms_is_torchvisions(self, threshold: float) -> None:
        torch = pytest.importorskip("torch")
        reference = pytest.importorskip("torchvision.ops").nms
        corners = RANDOM.uniform(0, 100, (200, 2))
        boxes = np.hstack((corners, corners + RANDOM.uniform(1, 60, (200, 2)))).astype(np.float32)
        scores = RANDOM.permutation(200).astype(np.float32)
        expected = reference(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).numpy()
        np.testing.assert_array_equal(nms(boxes, scores, threshold), expected)

    def test_nms_extremes(self) -> None:
        assert nms(np.zeros((0, 4)), [], 0.5).tolist() == []
        assert nms([(0, 0, 2, 2), (0, 0, 2, 2), (5, 5, 6, 6)], [0.5, 0.5, 0.9], 0.5).tolist() == [2, 0]
        with pytest.raises(MaskError, match="1 boxes but 2 scores"):
            nms([(0, 0, 1, 1)], [1, 2], 0.5)


def test_errors_belong_to_this_package() -> None:
    assert issubclass(MaskError, SamWidgetError)
    assert issubclass(MissingExtraError, SamWidgetError)


class TestStoredMask:
    def test_is_the_mask_while_somebody_holds_it_and_equal_to_it_afterwards(self) -> None:
        mask = np.random.default_rng(0).random((40, 50)) > 0.5
        kept, copy = StoredMask(mask), mask.copy()
        assert kept.array is mask
        assert kept.area == copy.sum()
        del mask
        np.testing.assert_array_equal(kept.array, copy)
        assert kept.shape == (40, 50)
        with pytest.raises(ValueError, match="read-only"):
            kept.array[0, 0] = True
