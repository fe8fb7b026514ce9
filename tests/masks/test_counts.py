"""COCO's counts and row runs, against pycocotools; counts that do not add up are refused."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from sam_widget.errors import MaskError
from sam_widget.masks.counts import counts_from_runs, counts_from_text, runs_from_counts, text_from_counts
from sam_widget.masks.runs import mask_from_runs, runs_from_mask
from tests.masks.examples import every_mask

Mask = NDArray[np.bool_]


def counts_of(mask: Mask) -> list[int]:
    """Lengths of off, on, off, ... down the columns, pixel by pixel."""
    counts, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


@every_mask
def test_text_is_read_as_pycocotools_writes_it(mask: Mask) -> None:
    text = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    assert counts_from_text(text).tolist() == counts_of(mask)
    assert counts_from_text(text.decode()).tolist() == counts_of(mask)
    assert text_from_counts(np.array(counts_of(mask), np.int64)) == text.decode()


@given(st.lists(st.integers(0, 2**32), min_size=1, max_size=9))
def test_text_of_any_counts_is_read_again(counts: list[int]) -> None:
    assert counts_from_text(text_from_counts(np.array(counts, np.int64))).tolist() == counts


@every_mask
def test_counts_and_row_runs_are_two_forms_of_one_mask(mask: Mask) -> None:
    runs = runs_from_mask(mask)
    counts = counts_from_runs(runs, *mask.shape)
    assert counts.tolist() == counts_of(mask)
    np.testing.assert_array_equal(runs_from_counts(counts, *mask.shape), runs)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("04`", "cut short"),
        ("0 4", "does not belong"),
        ("0\u00e9", "does not belong"),
        (b"0\xff", "does not belong"),
        ("oooooooo0", "35 bits"),
    ],
)
def test_damaged_text_is_refused(text: str | bytes, complaint: str) -> None:
    with pytest.raises(MaskError, match=complaint):
        counts_from_text(text)


@pytest.mark.parametrize("counts", [[], [1, 2], [3, 4], [-1, 7], [7, -1], [3, -1, 4], [2**62, 2**62]])
def test_counts_that_do_not_add_up_are_refused(counts: list[int]) -> None:
    with pytest.raises(MaskError, match=r"not to 6, the pixels of 2 x 3"):
        runs_from_counts(np.array(counts, np.int64), 2, 3)


@given(counts=st.lists(st.integers(-1, 13)), height=st.integers(0, 4), width=st.integers(0, 4))
def test_any_counts_are_refused_or_are_a_mask(counts: list[int], height: int, width: int) -> None:
    try:
        runs = runs_from_counts(np.array(counts, np.int64), height, width)
    except MaskError:
        assert sum(counts) != height * width or min(counts) < 0
    else:
        assert mask_from_runs(runs, height, width).sum() == sum(counts[1::2])
        np.testing.assert_array_equal(runs_from_counts(counts_from_runs(runs, height, width), height, width), runs)


@given(st.binary() | st.text(st.characters(min_codepoint=0x30, max_codepoint=0x70)) | st.text())
def test_any_text_is_refused_or_is_counts(text: str | bytes) -> None:
    with contextlib.suppress(MaskError):
        assert counts_from_text(text).dtype == np.int64
