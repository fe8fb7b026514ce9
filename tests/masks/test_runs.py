"""Row runs lose nothing of a mask."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_widget.errors import MaskError
from sam_widget.masks.runs import StoredMask, mask_from_runs, runs_from_mask
from sam_widget.masks.wire_codec import RunsError
from tests.masks.examples import every_mask

Mask = NDArray[np.bool_]


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


def test_a_stored_mask_can_be_pickled_however_it_was_made() -> None:
    mask = np.zeros((4, 6), dtype=bool)
    mask[1:3, 2:5] = True
    made = StoredMask(mask)
    for one in (made, StoredMask.from_packed(made.packed, 4, 6), StoredMask.deferred(lambda: made.runs, (4, 6))):
        again = pickle.loads(pickle.dumps(one))  # noqa: S301  our own
        assert (again.shape, np.array_equal(again.array, mask)) == ((4, 6), True)
