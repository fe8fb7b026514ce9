"""Packed masks: small, lossless, and safe to read from untrusted bytes."""

from __future__ import annotations

import base64
import contextlib
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_widget.errors import SamWidgetError
from sam_widget.masks.codecs import rle_from_mask
from sam_widget.masks.runs import Mask, mask_from_runs, runs_from_mask
from sam_widget.masks.wire_codec import RunsError, pack_runs, unpack_runs
from sam_widget.predictor.predictor import Predictor
from tests.masks.examples import disc, every_mask, masks

GOLDEN: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("golden").joinpath("packed_masks.json").read_text("utf-8")
)


def packed(mask: Mask) -> bytes:
    return pack_runs(runs_from_mask(mask), mask.shape[1])


@every_mask
def test_a_mask_survives(mask: Mask) -> None:
    runs = unpack_runs(packed(mask), *mask.shape)
    assert runs.dtype == np.uint32
    np.testing.assert_array_equal(runs, runs_from_mask(mask))


def test_a_mask_without_pixels_is_no_bytes() -> None:
    assert packed(np.zeros((4, 5), bool)) == b""


def test_predicted_masks_take_less_room_than_coco_rle(photo: np.ndarray, predictor: Predictor) -> None:
    masks = predictor.predict(predictor.embed(photo), points=[(175, 130)]).masks
    ours = sum(len(packed(mask)) for mask in masks)
    assert ours < 0.8 * sum(len(rle_from_mask(mask)["counts"]) for mask in masks)


@pytest.mark.parametrize("record", GOLDEN, ids=lambda record: record["name"])
def test_what_was_packed_earlier_is_still_read(record: dict[str, Any]) -> None:
    """Compressors may differ from one build of Python to the next; what is read from their bytes may not."""
    shape = record["height"], record["width"]
    runs = unpack_runs(base64.b64decode(record["packed"]), *shape)
    assert runs.reshape(-1).tolist() == record["runs"]
    again = unpack_runs(pack_runs(runs, shape[1]), *shape)
    np.testing.assert_array_equal(again, runs)


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


def refused_or_a_mask(data: bytes, height: int, width: int) -> None:
    """What is read from any bytes is a mask, in the runs that this mask has."""
    with contextlib.suppress(RunsError):
        runs = unpack_runs(data, height, width)
        np.testing.assert_array_equal(runs_from_mask(mask_from_runs(runs, height, width)), runs)


@given(
    mask=masks(),
    inside=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=3),
    cut=st.none() | st.integers(0),
)
def test_damaged_bytes_are_refused_or_are_some_mask(
    mask: Mask, inside: bool, changes: list[tuple[int, int]], cut: int | None
) -> None:
    """Damage to the deflate stream, or to the bytes in it, which most damage to the stream would not reach."""
    data = bytearray(zlib.decompress(packed(mask), -15) if inside and mask.any() else packed(mask) or b"\0")
    for place, value in changes:
        data[place % len(data)] = value
    damaged = bytes(data if cut is None else data[: cut % len(data)])
    refused_or_a_mask(deflated(damaged) if inside else damaged, *mask.shape)


@given(
    first=st.integers(-1, 4),
    rows=st.lists(st.lists(st.tuples(st.integers(-2, 3), st.integers(-2, 3)), max_size=3), max_size=4),
    more=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=2),
)
def test_any_numbers_are_refused_or_are_some_mask(
    first: int, rows: list[list[tuple[int, int]]], more: list[int]
) -> None:
    """The numbers are well-formed, unlike most random ones."""
    counts, edges = np.array([0, *map(len, rows)]), np.array([run for row in rows for run in row]).reshape(-1, 2)
    numbers = np.concatenate(([first, len(rows)], np.diff(counts), *edges.T, more)).astype(np.int64)
    zigzag = ((numbers << 1) ^ (numbers >> 63)).astype("<u4")
    refused_or_a_mask(deflated(zigzag.view(np.uint8).reshape(-1, 4).T.tobytes()), 5, 6)


def test_a_mask_of_other_sides_is_refused() -> None:
    with pytest.raises(RunsError, match="not the packed runs of a mask of 9 x 9"):
        unpack_runs(packed(disc(40, 50, 20, 22, 15)), 9, 9)


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(SamWidgetError, match="not the packed runs of a mask of 40 x 50"):
        unpack_runs(deflated(bytes(50_000_000)), 40, 50)
